"""The parts of tools/gpu-check: where the program is, the plan, how a step is run, and the results."""
