"""The carrier's own recordings and call records, for those who judge a call at the far SIP side; and calls from its side."""

from __future__ import annotations

import csv
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from trunkline.core.numbers import parse_e164
from trunkline.local_pbx.errors import LocalPbxError
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
        sip_call_id: of the leg, where the subscriber was recorded; empty otherwise.
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
    """The newest call of this subscriber, once there are more than `after` and it is over.

    Raises:
        TimeoutError: none came, or it goes on.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = takes(state, number)
        # The record is written last: the files are whole.
        if len(found) > after and any(record.unique_id == found[-1].unique_id for record in records(state)):
            return found[-1]
        time.sleep(0.1)
    raise TimeoutError(f"no finished call to {number} at the carrier within {timeout_s} s")


def place_call(
    state: InstanceState, *, caller: str, number: str, behaves_as: str, timeout_s: float = 10.0
) -> None:
    """The carrier calls a number of the PBX; once answered, the caller behaves as the subscriber `behaves_as` (a number).

    Returns when the carrier took the order; the call itself goes on by itself.

    Raises:
        InvalidField: one of the three is no E.164 number.
        LocalPbxError: the carrier is not there or refuses.
    """
    for each in (caller, number, behaves_as):
        parse_e164(each)
    originate = {
        "Action": "Originate",
        "Channel": f"PJSIP/{number}@customer",
        "CallerID": caller,
        "Context": "carrier",
        "Exten": behaves_as,
        "Priority": "1",
        "Timeout": "30000",
        "Async": "true",
    }
    login = {"Action": "Login", "Username": state.ami_username, "Secret": state.ami_secret, "Events": "off"}
    try:
        with (
            socket.create_connection((state.host, state.ami_port), timeout=timeout_s) as line,
            line.makefile("rb") as told,
        ):
            told.readline()
            for action in (login, originate):
                line.sendall(
                    ("".join(f"{key}: {value}\r\n" for key, value in action.items()) + "\r\n").encode()
                )
                answer = b"".join(iter(told.readline, b"\r\n")).decode(errors="replace")
                if not answer.startswith("Response: Success"):
                    raise LocalPbxError(f"The carrier refused {action['Action']}: {answer.strip()}")
    except OSError as error:
        raise LocalPbxError(f"The carrier {state.name} can't be reached: {error}") from None
