"""What can go wrong on this machine. Each error is a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
"""Is told, in a few words, what happens now."""


class LocalPbxError(Exception):
    """The local PBX can't be had; the message says why and what to do."""


def quiet(_: str) -> None:
    """Progress for nobody."""
