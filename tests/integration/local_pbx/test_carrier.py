"""The simulated carrier does what its table says, on the wire."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sip_caller import SipCaller
from tests.pbx_tools import ari

from trunkline.local_pbx import carrier, instance
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.subscribers import SUBSCRIBERS, subscriber

pytestmark = pytest.mark.asterisk

REFUSING = [each for each in SUBSCRIBERS if each.sip is not None]


@contextmanager
def far_side(pair: Pair, script: tuple[str, ...], number: str) -> Iterator[None]:
    """The PBX calls a subscriber over a trunk and plays a script of dialplan applications."""
    trunk = "carrier-test"
    pbx = pair.pbx
    contact = f"sip:{pair.carrier.host}:{pair.carrier.sip_port}"
    for kind, fields in (
        ("aor", {"contact": contact}),
        ("endpoint", {"aors": trunk, "disallow": "all", "allow": "ulaw"}),
    ):
        body = {"fields": [{"attribute": key, "value": value} for key, value in fields.items()]}
        ari(pbx, "PUT", f"/asterisk/config/dynamic/res_pjsip/{kind}/{trunk}", body)
    for priority, application in enumerate(script, 1):
        instance.command_line(
            pbx, f"dialplan add extension far,{priority},{application} into trunkline-local"
        )
    endpoint = f"PJSIP/{number}@{trunk}".replace("+", "%2B")
    try:
        ari(
            pbx,
            "POST",
            f"/channels?endpoint={endpoint}&extension=far&context=trunkline-local&priority=1&timeout=10",
        )
        yield
    finally:
        instance.command_line(pbx, "dialplan remove extension far@trunkline-local")
        for kind in ("endpoint", "aor"):
            ari(pbx, "DELETE", f"/asterisk/config/dynamic/res_pjsip/{kind}/{trunk}")


def speech(path: Path) -> list[tuple[float, float]]:
    """Begin and end, in seconds, of each stretch of sound; pauses of less than 0.6 s belong to it."""
    samples, rate = soundfile.read(path)
    loud = np.flatnonzero(np.abs(samples) > 0.02) / rate
    breaks = np.flatnonzero(np.diff(loud) > 0.6)
    begins = np.concatenate(([0], breaks + 1))
    ends = np.concatenate((breaks, [loud.size - 1]))
    return [(float(loud[begin]), float(loud[end])) for begin, end in zip(begins, ends, strict=True)]


def caller_to(pair: Pair, key: str) -> SipCaller:
    return SipCaller(pair.carrier.host, pair.carrier.sip_port, subscriber(key).number)


@pytest.mark.parametrize("who", REFUSING, ids=lambda who: who.key)
def test_a_refusing_subscriber_sends_exactly_its_sip_status(pbx_pair: Pair, who) -> None:
    """486, 603, 404, 503 and 403 arrive as such, not as what Asterisk's cause table would make of them."""
    with caller_to(pbx_pair, who.key) as call:
        call.invite()
        assert call.wait(200) == who.sip


def test_a_number_that_nobody_has_is_404(pbx_pair: Pair) -> None:
    """Numbers outside the table do not exist."""
    with SipCaller(pbx_pair.carrier.host, pbx_pair.carrier.sip_port, "+31209999999") as call:
        call.invite()
        assert call.wait(200) == 404


def test_the_decliner_rings_before_it_declines(pbx_pair: Pair) -> None:
    """180 comes first."""
    with caller_to(pbx_pair, "decliner") as call:
        call.invite()
        call.wait(200)
        assert 180 in call.statuses


def test_the_ringer_rings_until_the_call_is_cancelled(pbx_pair: Pair) -> None:
    """180 and nothing more; a CANCEL is answered 487."""
    with caller_to(pbx_pair, "ringer") as call:
        call.invite()
        assert call.wait(180) == 180
        with pytest.raises((TimeoutError, socket.timeout)):
            call.wait(200, timeout_s=1.5)
        call.cancel()
        assert call.wait(200) == 487


def test_early_media_comes_as_183_before_the_answer(pbx_pair: Pair) -> None:
    """The announcement is heard in the early dialog, then the call is answered."""
    with caller_to(pbx_pair, "early_media") as call:
        call.invite()
        assert call.wait(200) == 200
        assert 183 in call.statuses
        call.bye()


def test_the_quick_subscriber_is_recorded_and_booked(pbx_pair: Pair) -> None:
    """An answered call leaves two aligned recordings and one record with the Call-ID of the INVITE."""
    number = subscriber("quick").number
    before = len(carrier.takes(pbx_pair.carrier, number))
    with caller_to(pbx_pair, "quick") as call:
        call.invite()
        assert call.wait(200) == 200
        take = carrier.wait_for_take(pbx_pair.carrier, number, after=before)
        heard, said = soundfile.info(take.heard), soundfile.info(take.said)
        assert heard.samplerate == said.samplerate == 8000
        assert heard.frames == said.frames
        record = next(each for each in carrier.records(pbx_pair.carrier) if each.unique_id == take.unique_id)
        assert (record.disposition, record.billed_s, record.sip_call_id) == ("ANSWERED", 2, call.call_id)


def test_a_talker_waits_for_the_other_side_before_it_speaks(pbx_pair: Pair) -> None:
    """Nobody says a word for three seconds, so the talker does not either; what it sends meanwhile is silence, not nothing."""
    number = subscriber("talker").number
    before = len(carrier.takes(pbx_pair.carrier, number))
    with caller_to(pbx_pair, "talker") as call:
        call.invite()
        call.wait(200)
        time.sleep(3)
        call.bye()
        take = carrier.wait_for_take(pbx_pair.carrier, number, after=before)
    said, rate = soundfile.read(take.said)
    assert said.size > 2.7 * rate
    assert np.abs(said).max() < 0.01


def test_a_talker_takes_its_turn_when_the_other_side_has_finished(pbx_pair: Pair) -> None:
    """The PBX says something, pauses, says something else: the talker speaks within 1.5 s of the end of each, never before."""
    number = subscriber("recorded_talker").number
    before = len(carrier.takes(pbx_pair.carrier, number))
    script = ("Wait,1", "Playback,sorry", "Wait,4", "Playback,sorry", "Wait,4", "Hangup,16")
    with far_side(pbx_pair, script, number):
        take = carrier.wait_for_take(pbx_pair.carrier, number, after=before, timeout_s=30)
    heard, said = (speech(path) for path in (take.heard, take.said))
    assert len(heard) == 2
    for (_, end_s), (begin_s, _) in zip(heard, said, strict=False):
        assert 0.7 < begin_s - end_s < 1.5


def test_the_interrupter_speaks_while_the_other_side_speaks(pbx_pair: Pair) -> None:
    """Its line begins about 1.5 s after the other side began, which has not finished then."""
    number = subscriber("interrupter").number
    before = len(carrier.takes(pbx_pair.carrier, number))
    with far_side(pbx_pair, ("Wait,1", "Playback,demo-thanks", "Wait,2", "Hangup,16"), number):
        take = carrier.wait_for_take(pbx_pair.carrier, number, after=before, timeout_s=30)
    (heard_s, heard_end_s), (said_s, _) = speech(take.heard)[0], speech(take.said)[0]
    assert 1.2 < said_s - heard_s < 2.2
    assert said_s < heard_end_s


def test_who_hangs_up_in_mid_sentence_does_so(pbx_pair: Pair) -> None:
    """Speech runs up to the very end, 1.5 s long where the whole sentence takes five."""
    number = subscriber("mid_sentence").number
    before = len(carrier.takes(pbx_pair.carrier, number))
    with far_side(pbx_pair, ("Wait,1", "Playback,sorry", "Wait,20"), number):
        take = carrier.wait_for_take(pbx_pair.carrier, number, after=before, timeout_s=30)
    begin_s, end_s = speech(take.said)[-1]
    assert 1.0 < end_s - begin_s < 2.0
    assert soundfile.info(take.said).duration - end_s < 0.5


def test_nothing_is_left_on_the_carrier(pbx_pair: Pair) -> None:
    """Every call above has ended."""
    deadline = time.monotonic() + 5
    while "0 active channels" not in (
        told := instance.command_line(pbx_pair.carrier, "core show channels count")
    ):
        assert time.monotonic() < deadline, (
            instance.command_line(pbx_pair.carrier, "core show channels concise") or told
        )
        time.sleep(0.2)
