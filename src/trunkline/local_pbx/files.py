"""Where the files that an Asterisk reads are: in a checkout beside src/, in a wheel inside this package."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_HERE = Path(__file__).resolve().parent


def files(kind: Literal["dialplan", "sip_configs"]) -> Path:
    """The folder `dialplan` or `sip_configs`.

    Raises:
        FileNotFoundError: neither a checkout nor a wheel has it.
    """
    for folder in (_HERE / "files" / kind, _HERE.parents[2] / kind):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"The folder {kind} is missing: install trunkline from its wheel or run it from a full checkout."
    )
