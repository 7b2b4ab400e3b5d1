"""How commands end: the exit codes, and the one error that carries a sentence and a code to the shell."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """What the shell gets."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


EXIT_CODES: Final = """
Exit codes: 0 done · 1 it did not work out (a failed call, a failed check) · 2 wrong usage or configuration ·
3 the service or the PBX could not be reached · 130 stopped by Ctrl-C
"""


class CliError(Exception):
    """A command can't go on.

    Args:
        message: a sentence that says what is wrong and what to do next.
        code: the exit code.
    """

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
