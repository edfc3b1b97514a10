"""The parts of tools/compare-torch, which times the program, PyTorch and other runtimes on the same processor."""
