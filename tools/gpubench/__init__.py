"""What tools/gpu-bench is made of: networks, PyTorch's way to do the same, the table of both."""
