"""The commands, thin: each reads its words, calls one function of the floors below, and prints what it gives.

stdout is data, stderr is talk. Exit codes: 0, 1 some trials failed, 2 bad input, 3 environment, 130 and 143
interrupted. No traceback without `--debug`.
"""

from underhood.cli.app import main

__all__ = ["main"]
