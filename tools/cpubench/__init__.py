"""tools/compare-torch: the program against PyTorch and other runtimes on the same processor, in the same run."""
