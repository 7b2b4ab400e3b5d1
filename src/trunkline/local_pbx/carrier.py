"""What the carrier saw: its own recordings and call records, for those who judge a call at the far SIP side."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from pathlib import Path

from trunkline.local_pbx.state import InstanceState


@dataclass(frozen=True, slots=True)
class Take:
    """One call that a subscriber answered, in two mono 8 kHz WAV files aligned to the sample; both begin at the answer.

    Attributes:
        heard: what reached the subscriber.
        said: what the subscriber sent.
        unique_id: the carrier's own id of the leg.
    """

    number: str
    unique_id: str
    heard: Path
    said: Path


@dataclass(frozen=True, slots=True)
class CarrierRecord:
    """One leg in the carrier's books.

    Attributes:
        sip_call_id: the Call-ID of our INVITE, where the subscriber answered.
        disposition: `ANSWERED`, `NO ANSWER`, `BUSY`, `CONGESTION` or `FAILED`.
        billed_s: whole seconds from the answer.
    """

    caller: str
    number: str
    disposition: str
    duration_s: int
    billed_s: int
    unique_id: str
    sip_call_id: str


def takes(state: InstanceState, number: str) -> list[Take]:
    """All calls that this subscriber answered, oldest first. The last may still be growing."""
    digits = number.lstrip("+")
    heard = (state.spool_here / "recordings").glob(f"{digits}-*-heard.wav")
    return [
        Take(
            number,
            path.name[len(digits) + 1 : -len("-heard.wav")],
            path,
            path.with_name(path.name.replace("-heard", "-said")),
        )
        for path in sorted(heard, key=_order)
    ]


def _order(path: Path) -> tuple[float, int]:
    # `<digits>-<system>-<epoch>.<sequence>-heard.wav`
    seconds, _, sequence = path.name.removesuffix("-heard.wav").rpartition("-")[2].partition(".")
    return float(seconds), int(sequence or 0)


def records(state: InstanceState) -> list[CarrierRecord]:
    """The carrier's call records, oldest first; a leg appears within a moment of its end."""
    path = state.here / "log" / "cdr-csv" / "Master.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            CarrierRecord(
                row[1], row[2], row[14], int(row[12]), int(row[13]), row[16], row[17] if len(row) > 17 else ""
            )
            for row in csv.reader(file)
        ]


def wait_for_take(state: InstanceState, number: str, *, after: int = 0, timeout_s: float = 10.0) -> Take:
    """The newest call of this subscriber once there are more than `after`, when its file no longer grows.

    Raises:
        TimeoutError: none came, or it still grows.
    """
    deadline = time.monotonic() + timeout_s
    size = -1
    while time.monotonic() < deadline:
        found = takes(state, number)
        if len(found) > after:
            now = found[-1].heard.stat().st_size
            if now == size:
                return found[-1]
            size = now
        time.sleep(0.3)
    raise TimeoutError(f"no finished recording of {number} at the carrier within {timeout_s} s")
