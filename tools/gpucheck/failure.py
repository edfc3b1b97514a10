"""The exception that ends gpu-check with one line."""
from __future__ import annotations


class Failure(Exception):
    """Something is not as it must be: exit status 1."""


class Usage(Exception):
    """The command line asks for what does not exist: exit status 2."""


def why(problem: OSError) -> str:
    return f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem)
