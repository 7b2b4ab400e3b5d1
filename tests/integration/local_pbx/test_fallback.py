"""What the PBX does by itself when no service is there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from tests.pbx_tools import ari, left_after

from trunkline.local_pbx import carrier, instance
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.subscribers import subscriber

pytestmark = pytest.mark.asterisk

TRUNK = "fallback-test"
OURS = "+31201000100"
SILENT = subscriber("silent").number


@pytest.fixture
def inbound_trunk(pbx_pair: Pair) -> Iterator[Pair]:
    """A trunk over which the carrier's calls come in; no service is connected."""
    contact = f"sip:{pbx_pair.carrier.host}:{pbx_pair.carrier.sip_port}"
    objects = {
        "aor": {"contact": contact},
        "endpoint": {
            "aors": TRUNK,
            "disallow": "all",
            "allow": "ulaw",
            "context": "trunkline-inbound",
            "direct_media": "no",
        },
        "identify": {"endpoint": TRUNK, "match": pbx_pair.carrier.host},
    }
    for kind, fields in objects.items():
        body = {"fields": [{"attribute": key, "value": value} for key, value in fields.items()]}
        ari(pbx_pair.pbx, "PUT", f"/asterisk/config/dynamic/res_pjsip/{kind}/{TRUNK}", body)
    yield pbx_pair
    for kind in reversed(objects):
        ari(pbx_pair.pbx, "DELETE", f"/asterisk/config/dynamic/res_pjsip/{kind}/{TRUNK}")


@pytest.fixture
def fallback_to(pbx_pair: Pair) -> Iterator[None]:
    """Leaves the PBX's globals as they were."""
    yield
    for name, value in (("TRUNKLINE_FALLBACK", ""), ("TRUNKLINE_FALLBACK_AGI", "fallback.py")):
        instance.command_line(pbx_pair.pbx, f"dialplan set global {name} {value}")


def call_in(pair: Pair, number: str = OURS, timeout_s: float = 20.0) -> tuple[float, float]:
    """A caller who says nothing. Returns seconds from the answer to the first sound, and the call's length."""
    before = len(carrier.takes(pair.carrier, SILENT))
    carrier.place_call(pair.carrier, caller="+31612345678", number=number, behaves_as=SILENT)
    take = carrier.wait_for_take(pair.carrier, SILENT, after=before, timeout_s=timeout_s)
    heard, rate = soundfile.read(take.heard)
    loud = np.flatnonzero(np.abs(heard) > 0.02)
    assert loud.size > rate, "less than a second of sound was heard"
    return loud[0] / rate, heard.size / rate


def test_a_caller_hears_an_apology_within_two_seconds_and_is_let_go(inbound_trunk: Pair) -> None:
    """No service: speech instead of silence, then the end."""
    first_sound_s, length_s = call_in(inbound_trunk)
    assert first_sound_s < 2.0
    assert length_s < 8.0
    assert left_after(inbound_trunk.pbx) == []


def test_the_agi_script_sends_the_caller_on_where_it_is_told_to(
    inbound_trunk: Pair, fallback_to: None
) -> None:
    """TRUNKLINE_FALLBACK names an extension that exists: the caller gets there after a word."""
    pbx = inbound_trunk.pbx
    instance.command_line(pbx, "dialplan add extension 77,1,Playback,demo-thanks into trunkline-local")
    instance.command_line(pbx, "dialplan add extension 77,2,Hangup,16 into trunkline-local")
    instance.command_line(pbx, "dialplan set global TRUNKLINE_FALLBACK 77@trunkline-local")
    try:
        _, length_s = call_in(inbound_trunk, timeout_s=30)
    finally:
        instance.command_line(pbx, "dialplan remove extension 77@trunkline-local")
    assert length_s > 8.5, "the extension's five seconds were not heard after the hand-over"
    assert left_after(inbound_trunk.pbx) == []


@pytest.mark.parametrize("target", ["88@nowhere", "not-a-target", "77@a@b"])
def test_a_fallback_that_does_not_exist_ends_in_the_apology(
    inbound_trunk: Pair, fallback_to: None, target: str
) -> None:
    """A wrong setting never leaves a caller in silence."""
    instance.command_line(inbound_trunk.pbx, f"dialplan set global TRUNKLINE_FALLBACK {target}")
    first_sound_s, length_s = call_in(inbound_trunk)
    assert first_sound_s < 2.0
    assert length_s < 8.0


def test_without_the_script_the_dialplan_apologises_by_itself(inbound_trunk: Pair, fallback_to: None) -> None:
    """No Python on the PBX is no reason for silence."""
    instance.command_line(inbound_trunk.pbx, "dialplan set global TRUNKLINE_FALLBACK_AGI nothing-here.py")
    first_sound_s, length_s = call_in(inbound_trunk)
    assert first_sound_s < 2.0
    assert length_s < 8.0
    assert left_after(inbound_trunk.pbx) == []
