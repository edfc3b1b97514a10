"""The parts of tools/gpu-bench: networks, the same work in PyTorch, and the table of both."""
