"""`python -m trunkline.cli.ready`: what tests and benches need of a machine, by the code that set it up for the demo."""

from __future__ import annotations

import sys
from typing import Final

from trunkline.cli.exits import Exit
from trunkline.local_pbx.errors import LocalPbxError
from trunkline.local_pbx.install import get_asterisk
from trunkline.local_pbx.instance import HOME
from trunkline.local_pbx.lines import make_lines
from trunkline.local_pbx.packages import ensure_packages

# The second of the sounds has their words, which the recogniser is judged by.
PACKAGES: Final = (
    "asterisk-core-sounds-en-wav",
    "asterisk-core-sounds-en",
    "espeak-ng",
    "sip-tester",
    "tcpdump",
)
"""Debian packages: recorded speech with known words, a voice for other languages, SIPp, and what listens on the wire."""


def ready() -> None:
    """Installs what is missing; silent and quick where nothing is.

    Raises:
        LocalPbxError: something can't be had here; the message says what to do.
    """
    ensure_packages(PACKAGES, _say)
    make_lines(get_asterisk(_say), HOME / "lines", _say)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        ready()
    except LocalPbxError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(Exit.FAILED)
