"""What tools/gpu-check is made of: the program and where it lies, the plan, how a step is run, the results."""
