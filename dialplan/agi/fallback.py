#!/usr/bin/env python3
"""Takes a caller whom the service could not: an apology, then the way on.

Called by `[trunkline-fallback]` with one argument, `extension@context` or nothing. Sets TRUNKLINE_NEXT to that target when it
is well-formed and exists in the dialplan. Needs pyst2 (and six) beside this file or installed.
"""

from __future__ import annotations

import os
import re
import sys

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
    known = target is not None and agi.get_full_variable("${DIALPLAN_EXISTS(%s,%s,1)}" % (target[1], target[0])) == "1"
    for sound in HAND_OVER if known else APOLOGY:
        agi.stream_file(sound)
    if target is not None and known:
        agi.set_variable("TRUNKLINE_NEXT", f"{target[0]}@{target[1]}")


def main() -> int:
    """0 when the caller was served or hung up meanwhile; 1 makes the dialplan apologise by itself."""
    # pyst2 narrates to stderr, which is Asterisk's own.
    with open(os.devnull, "w", encoding="utf-8") as silence:
        agi = AGI(stderr=silence)
        try:
            take(agi, target_of(sys.argv))
        except AGIException as error:
            return 0 if "hangup" in type(error).__name__.lower() else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
