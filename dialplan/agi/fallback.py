#!/usr/bin/env python3
"""Takes a caller whom the service could not: an apology, then the way on.

Called by `[trunkline-fallback]` with one argument, `extension@context` or nothing. Sets TRUNKLINE_NEXT to that target when it
is well-formed and exists in the dialplan. Needs pyst2 (and six) beside this file or installed.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from asterisk.agi import AGI, AGIException

APOLOGY = ("sorry", "please-try-call-later")
HAND_OVER = ("sorry", "transfer")
TARGET = re.compile(r"([0-9A-Za-z+*#_-]{1,40})@([0-9A-Za-z_-]{1,80})")


def target_of(arguments: list[str]) -> tuple[str, str] | None:
    """Extension and context from the arguments, None where they name none or a malformed one."""
    match = TARGET.fullmatch(arguments[1].strip()) if len(arguments) > 1 else None
    return (match[1], match[2]) if match else None


def take(agi: AGI, target: tuple[str, str] | None) -> None:
    """Speaks, and names where the caller goes next."""
    known = (
        target is not None
        and agi.get_full_variable(f"${{DIALPLAN_EXISTS({target[1]},{target[0]},1)}}") == "1"
    )
    for sound in HAND_OVER if known else APOLOGY:
        agi.stream_file(sound)
    if target is not None and known:
        agi.set_variable("TRUNKLINE_NEXT", f"{target[0]}@{target[1]}")
    # Only now: where this is missing, the dialplan apologises by itself.
    agi.set_variable("TRUNKLINE_APOLOGISED", "yes")


def main() -> int:
    """0 when the caller was served; 1 when something failed or the caller hung up."""
    # pyst2 narrates to stderr, which is Asterisk's own.
    with Path(os.devnull).open("w", encoding="utf-8") as silence:
        try:
            take(AGI(stderr=silence), target_of(sys.argv))
        except (AGIException, OSError):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
