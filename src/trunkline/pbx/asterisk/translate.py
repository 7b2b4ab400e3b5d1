"""Asterisk's events as the port's. Pure: JSON in, a dataclass out, None where an event asks nothing of us.

The only place that knows the shape of ARI's JSON; a field that is missing or of another kind makes the event None.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from trunkline.core.ids import LegId
from trunkline.pbx.hangup import verdict
from trunkline.pbx.port import LegAnswered, LegDigit, LegEarlyMedia, LegEnded, LegEvent, LegOnPbx, LegRinging

LEG_PREFIX: Final = "tl-"
"""Every id that we choose starts so."""

WANTED_EVENTS: Final = (
    "StasisStart",
    "ChannelStateChange",
    "Dial",
    "ChannelDtmfReceived",
    "ChannelDestroyed",
    "ApplicationReplaced",
)
"""All that is understood below. The PBX is asked to send nothing else: a call sends dozens of other events."""

_DIGITS: Final = frozenset("0123456789*#ABCD")
_STATES: Final = {
    "Down": "down",
    "Rsrvd": "down",
    "Dialing": "down",
    "Ring": "ringing",
    "Ringing": "ringing",
    "Up": "answered",
}


@dataclass(frozen=True, slots=True)
class LegArrived:
    """A leg entered our Stasis application and takes orders from now on."""

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Another process connected under our application's name; it gets the events from now on."""

    app: str


PbxEvent = LegEvent | LegArrived | TakenOver


def translate(event: dict[str, Any]) -> PbxEvent | None:  # noqa: PLR0911  # one a kind
    """What an ARI event means to us."""
    match event:
        case {"type": "StasisStart", "channel": {"id": str(leg_id)}}:
            return LegArrived(LegId(leg_id))
        case {"type": "ChannelStateChange", "channel": {"id": str(leg_id), "state": "Ringing"}}:
            return LegRinging(LegId(leg_id))
        case {"type": "ChannelStateChange", "channel": {"id": str(leg_id), "state": "Up"}}:
            return LegAnswered(LegId(leg_id))
        case {"type": "Dial", "peer": {"id": str(leg_id)}, "dialstatus": "PROGRESS"}:
            return LegEarlyMedia(LegId(leg_id))
        case {"type": "Dial", "peer": {"id": str(leg_id)}, "dialstatus": "RINGING"}:
            return LegRinging(LegId(leg_id))
        case {"type": "ChannelDtmfReceived", "channel": {"id": str(leg_id)}, "digit": str(digit)} if (
            digit in _DIGITS
        ):
            return LegDigit(LegId(leg_id), digit)
        case {"type": "ChannelDestroyed", "channel": {"id": str(leg_id)}}:
            return LegEnded(
                LegId(leg_id), verdict(_int(event.get("cause")) or 0, _int(event.get("tech_cause")))
            )
        case {"type": "ApplicationReplaced", "application": str(app)}:
            return TakenOver(app)
        case _:
            return None


def leg_on_pbx(channel: dict[str, Any], app: str = "") -> LegOnPbx:
    """One entry of `GET /channels`. With `app`, a leg that another service of ours holds on the same PBX is not ours."""
    leg_id = str(channel.get("id", ""))
    return LegOnPbx(
        leg_id=LegId(leg_id),
        state=_STATES.get(str(channel.get("state")), "down"),
        ours=leg_id.startswith(LEG_PREFIX) and _holder(channel) in ("", app or _holder(channel)),
        created_at=timestamp(channel.get("creationtime")),
    )


def _holder(channel: dict[str, Any]) -> str:
    """The Stasis application that a channel is in; empty where it is in none, or nobody says."""
    match channel.get("dialplan"):
        case {"app_name": "Stasis", "app_data": str(data)}:
            return data.partition(",")[0]
        case _:
            return ""


def bridge_of(bridge: dict[str, Any], app: str) -> str | None:
    """The id of one entry of `GET /bridges` that is ours: by its id, and by the name that we gave it."""
    bridge_id = str(bridge.get("id", ""))
    return bridge_id if bridge_id.startswith(LEG_PREFIX) and bridge.get("name") in ("", None, app) else None


def missed(leg: LegOnPbx) -> LegEvent | None:
    """What must have happened to a leg for it to be in this state, where its events were lost."""
    if leg.state == "answered":
        return LegAnswered(leg.leg_id)
    return LegRinging(leg.leg_id) if leg.state == "ringing" else None


def timestamp(value: object) -> datetime | None:
    """Asterisk writes `2026-11-21T11:13:45.141+0000`."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        return None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
