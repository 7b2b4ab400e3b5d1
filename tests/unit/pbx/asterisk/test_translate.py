"""ARI's JSON as the port's events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.core.ids import LegId
from trunkline.pbx.asterisk.translate import (
    WANTED_EVENTS,
    LegArrived,
    TakenOver,
    bridge_of,
    leg_on_pbx,
    missed,
    timestamp,
    translate,
)
from trunkline.pbx.hangup import Hangup
from trunkline.pbx.port import LegAnswered, LegDigit, LegEarlyMedia, LegEnded, LegOnPbx, LegRinging

LEG = LegId("tl-abc-caller-1")


def of(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "application": "trunkline", "channel": {"id": LEG, "state": "Up"}, **fields}


def state(name: str) -> dict[str, Any]:
    return of("ChannelStateChange", channel={"id": LEG, "state": name})


def dial(status: str) -> dict[str, Any]:
    return {"type": "Dial", "peer": {"id": LEG}, "dialstatus": status}


@pytest.mark.parametrize(
    ("event", "meaning"),
    [
        (of("StasisStart", args=["outbound"]), LegArrived(LEG)),
        (state("Ringing"), LegRinging(LEG)),
        (state("Up"), LegAnswered(LEG)),
        (state("Down"), None),
        (dial("RINGING"), LegRinging(LEG)),
        (dial("PROGRESS"), LegEarlyMedia(LEG)),
        (dial(""), None),
        (dial("ANSWER"), None),
        (of("ChannelDtmfReceived", digit="*"), LegDigit(LEG, "*")),
        (of("ChannelDtmfReceived", digit="x"), None),
        (of("ChannelDestroyed", cause=16), LegEnded(LEG, Hangup(16, None, "normal_clearing"))),
        (of("ChannelDestroyed", cause=17, tech_cause=486), LegEnded(LEG, Hangup(17, 486, "user_busy"))),
        (of("ChannelDestroyed"), LegEnded(LEG, Hangup(0, None, "unknown"))),
        (of("ApplicationReplaced"), TakenOver("trunkline")),
        (of("ChannelVarset"), None),
        ({}, None),
        ({"type": "StasisStart"}, None),
        ({"type": "StasisStart", "channel": {"id": 7}}, None),
        ({"type": ["StasisStart"]}, None),
    ],
)
def test_each_event_has_one_meaning(event: dict[str, Any], meaning: object):
    """And what asks nothing of us has none."""
    assert translate(event) == meaning


def test_the_pbx_is_asked_for_every_kind_that_is_understood():
    """Everything else is filtered at the source."""
    understood = {
        "StasisStart",
        "ChannelStateChange",
        "Dial",
        "ChannelDtmfReceived",
        "ChannelDestroyed",
        "ApplicationReplaced",
    }

    assert set(WANTED_EVENTS) == understood


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(WANTED_EVENTS),
    st.dictionaries(st.sampled_from(["channel", "peer", "cause", "digit"]), json_values),
)
def test_an_event_of_another_shape_never_raises(kind: str, fields: dict[str, Any]):
    """A new Asterisk may change its JSON; the reader of events must live on."""
    translate({"type": kind, **fields})


def test_a_channel_of_a_snapshot_is_ours_by_its_id():
    """Ours all begin with `tl-`."""
    ours = leg_on_pbx({"id": LEG, "state": "Ringing", "creationtime": "2026-11-21T11:13:45.141+0000"})

    assert ours == LegOnPbx(
        LEG, "ringing", ours=True, created_at=datetime(2026, 11, 21, 11, 13, 45, 141000, UTC)
    )
    assert not leg_on_pbx({"id": "1795260046.1", "state": "Up"}).ours


@pytest.mark.parametrize(
    ("data", "is_ours"), [("mine,outbound", True), ("other,outbound", False), ("", True)]
)
def test_a_leg_of_another_service_on_the_same_pbx_is_not_ours(data: str, is_ours: bool):
    """Two services may share a PBX; neither sweeps the other's calls away."""
    channel = {"id": LEG, "state": "Up", "dialplan": {"app_name": "Stasis", "app_data": data}}

    assert leg_on_pbx(channel, "mine").ours is is_ours


def test_a_bridge_is_ours_by_its_id_and_its_name():
    """A bridge carries the name of the application that made it."""
    named = [{"id": "tl-b", "name": name} for name in ("mine", "", "other")]

    assert [bridge_of(bridge, "mine") for bridge in named] == ["tl-b", "tl-b", None]
    assert bridge_of({"id": "conference-1", "name": "mine"}, "mine") is None


@pytest.mark.parametrize(
    ("leg_state", "event"), [("answered", LegAnswered(LEG)), ("ringing", LegRinging(LEG)), ("down", None)]
)
def test_a_state_found_later_tells_the_event_that_was_missed(leg_state: str, event: object):
    """After a gap in the events."""
    assert missed(LegOnPbx(LEG, leg_state, ours=True, created_at=None)) == event


@pytest.mark.parametrize("value", [None, 7, "", "yesterday"])
def test_a_time_that_is_none_is_none(value: object):
    """Rather than an exception in the middle of a snapshot."""
    assert timestamp(value) is None
