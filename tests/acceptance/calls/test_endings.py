"""Every ending is told: one terminal state, the right words, the line free, nothing left on the PBX."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from tests.acceptance.calls.conftest import Client
from tests.conftest import ari
from trunkline.local_pbx.subscribers import subscriber

pytestmark = [pytest.mark.asterisk, pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize(
    ("who", "end_reason", "q850", "sip"),
    [
        ("busy", "busy", 17, 486),
        ("decliner", "declined", 21, 603),
        ("unknown", "invalid_number", 1, 404),
        ("congested", "dial_failed", 34, 503),
        ("forbidden", "rejected", 21, 403),
    ],
)
async def test_a_call_that_the_far_side_refuses_says_how(client: Client, who: str, end_reason: str, q850: int, sip: int):
    """The carrier's own status and the PBX's own cause are in the record, with a sentence for people."""
    call_id = await client.dial(who)
    call = await client.ended(call_id)

    assert ("failed", end_reason) == (call["status"], call["end_reason"])
    assert {"q850": q850, "sip": sip} == {key: call["hangup"][key] for key in ("q850", "sip")}
    assert call["error"] and call["error"].endswith(".")
    assert (None, 0, []) == (call["started_at"], call["duration_seconds"], call["messages"])
    assert client.service.calls.lines_in_use == 0
    assert [kind for kind, _ in await client.news(call_id)].count("ended") == 1


async def test_nobody_answers_within_the_asked_ring_time(client: Client):
    """`ring_timeout_seconds` ends the ringing as `no_answer`."""
    call = await client.ended(await client.dial("ringer", ring_timeout_seconds=5), within_s=12)

    assert ("failed", "no_answer", 19) == (call["status"], call["end_reason"], call["hangup"]["q850"])
    waited = datetime.fromisoformat(call["ended_at"]) - datetime.fromisoformat(call["created_at"])
    assert 4.5 < waited.total_seconds() < 8


async def test_we_cancel_while_it_rings(client: Client):
    """A call that nobody needs any more stops ringing at once."""
    call_id = await client.dial("ringer")
    await client.wait_for_news(call_id, "ringing")
    await client.control(call_id, expect=400, type="end-call")
    await client.post(f"/calls/{call_id}/cancel", {})
    call = await client.ended(call_id, within_s=5)

    assert ("ended", "api_end_call", None) == (call["status"], call["end_reason"], call["error"])
    assert call["started_at"] is None


async def test_an_announcement_before_the_answer_is_not_talked_to(client: Client):
    """Early media is told, the greeting waits for the answer, the duration counts from there."""
    call_id = await client.dial("early_media")
    call = await client.ended(call_id)
    kinds = [kind for kind, _ in await client.news(call_id)]

    assert kinds.index("early_media") < kinds.index("in-progress") < kinds.index("transcript")
    assert ("ended", "user_hangup") == (call["status"], call["end_reason"])
    assert "hold while we try" not in " ".join(line["content"] for line in call["messages"]).lower()
    answered, ended = (datetime.fromisoformat(call[key]) for key in ("started_at", "ended_at"))
    assert call["duration_seconds"] == pytest.approx((ended - answered).total_seconds(), abs=1.0)


async def test_the_caller_hangs_up_during_the_greeting(client: Client):
    """Two seconds after the answer the greeting is still being said; the transcript has only what was heard of it."""
    greeting = "Good morning, this is the dental practice at the harbour, and I have quite a lot to tell you before you may speak."
    call = await client.ended(await client.dial("quick", first_message=greeting))

    assert ("ended", "user_hangup", 16) == (call["status"], call["end_reason"], call["hangup"]["q850"])
    assert call["duration_seconds"] == pytest.approx(2, abs=1)
    heard = call["messages"][0]["content"]
    assert len(heard) < len(greeting) and greeting.startswith(heard.rstrip(" .…-"))


async def test_the_caller_hangs_up_in_mid_sentence(client: Client):
    """Half a sentence and gone: the call ended, not failed."""
    call = await client.ended(await client.dial("mid_sentence"))

    assert ("ended", "user_hangup") == (call["status"], call["end_reason"])


async def test_a_talk_ends_when_the_caller_says_goodbye(client: Client):
    """Four turns with a talker: every line of theirs is in the record, in order, between ours."""
    call = await client.ended(await client.dial("talker"))
    said = [line["content"].lower() for line in call["messages"] if line["role"] == "user"]

    assert call["status"] == "ended"
    assert len(said) >= 3, call["messages"]
    assert "appointment" in said[0] and "miller" in " ".join(said)
    assert call["latency"], call
    assert call["recording_url"]


async def test_end_call_says_its_message_and_hangs_up(client: Client):
    """`end-call` with a message is heard to its end."""
    call_id = await client.dial("silent")
    await client.until(call_id, "in-progress")
    await client.control(call_id, type="end-call", message="Thank you, goodbye.")
    call = await client.ended(call_id, within_s=15)

    assert ("ended", "api_end_call") == (call["status"], call["end_reason"])
    assert "Thank you, goodbye." in [line["content"] for line in call["messages"]]


async def test_say_with_end_after_hangs_up_once_it_was_heard(client: Client):
    """`say` with `end_after`."""
    call_id = await client.dial("silent")
    await client.until(call_id, "in-progress")
    await client.control(call_id, type="say", content="We close now.", end_after=True)
    call = await client.ended(call_id, within_s=15)

    assert "ended" == call["status"]
    assert "We close now." == call["messages"][-1]["content"]


async def test_the_longest_duration_ends_a_call(client: Client):
    """`max_duration_seconds` counts from the answer."""
    override = {"max_duration_seconds": 10}
    call = await client.ended(await client.dial("silent", assistant_override=override), within_s=20)

    assert ("ended", "max_duration") == (call["status"], call["end_reason"])
    assert call["duration_seconds"] == pytest.approx(10, abs=1)


async def test_a_machine_answers_and_the_call_still_ends(client: Client):
    """Voicemail records us and hangs up, or we reach our limit: either way one end."""
    call = await client.ended(await client.dial("voicemail", assistant_override={"max_duration_seconds": 12}))

    assert call["status"] == "ended"


async def test_a_menu_hears_the_digits_we_send(client: Client):
    """`send-dtmf` reaches a real menu, which repeats and stores what it got."""
    call_id = await client.dial("ivr")
    await client.until(call_id, "in-progress")
    await asyncio.sleep(2)
    await client.control(call_id, type="send-dtmf", digits="4711#")
    await client.ended(call_id)
    heard = [file.read_text().strip() for file in (client.pair.carrier.spool_here / "digits").glob("*.txt")]

    assert "4711" in heard


async def test_a_lost_media_socket_is_replaced_while_the_caller_waits(client: Client):
    """The PBX drops our audio leg; two seconds later the assistant speaks again in the same call."""
    call_id = await client.dial("silent")
    await client.until(call_id, "in-progress")
    await asyncio.sleep(1)
    media = [channel["id"] for channel in ari(client.pair.pbx, "GET", "/channels") if channel["name"].startswith("WebSocket")]
    for channel in media:
        ari(client.pair.pbx, "DELETE", f"/channels/{channel}")
    await asyncio.sleep(1)
    now = [channel["id"] for channel in ari(client.pair.pbx, "GET", "/channels") if channel["name"].startswith("WebSocket")]
    await client.control(call_id, type="say", content="I am back.", end_after=True)
    call = await client.ended(call_id, within_s=15)

    assert len(media) == len(now) == 1 and media != now
    assert "I am back." == call["messages"][-1]["content"]


@pytest.mark.parametrize("who", ["busy", "ringer", "unknown"])
async def test_a_transfer_that_fails_brings_the_caller_back(client: Client, who: str):
    """Busy, unanswered or unknown: the assistant says so and the call goes on."""
    call_id = await client.dial("silent")
    await client.until(call_id, "in-progress")
    await client.control(
        call_id, type="transfer", destination=subscriber(who).number, timeout_seconds=5, fallback_message="Nobody is there, sorry."
    )
    await client.wait_for_news(call_id, "transfer_failed", within_s=15)
    await client.control(call_id, type="say", content="Goodbye then.", end_after=True)
    call = await client.ended(call_id, within_s=20)
    said = [line["content"] for line in call["messages"]]

    assert ("ended", "failed") == (call["status"], call["transfer"]["status"])
    assert said.index("Nobody is there, sorry.") < said.index("Goodbye then.")


async def test_the_caller_hangs_up_during_a_transfer(client: Client):
    """The target stops ringing, and the record says that nobody was reached."""
    call_id = await client.dial("quick", first_message="Hello.")
    await client.until(call_id, "in-progress")
    await client.control(call_id, type="transfer", destination=subscriber("ringer").number)
    call = await client.ended(call_id, within_s=10)

    assert ("ended", "user_hangup") == (call["status"], call["end_reason"])
    assert call["transfer"]["status"] == "cancelled"


async def test_a_transfer_can_be_cancelled_while_it_rings(client: Client):
    """`cancel-transfer` takes the caller back."""
    call_id = await client.dial("silent")
    await client.until(call_id, "in-progress")
    await client.control(call_id, type="transfer", destination=subscriber("ringer").number)
    await asyncio.sleep(1)
    await client.control(call_id, expect=409, type="say", content="Too early.")
    await client.control(call_id, type="cancel-transfer")
    await client.wait_for_news(call_id, "transfer_failed", within_s=5)
    await client.control(call_id, type="end-call")
    call = await client.ended(call_id, within_s=10)

    assert "cancelled" == call["transfer"]["status"]


async def test_a_transfer_joins_caller_and_human(client: Client):
    """After the announcement both are in one bridge without us, both are heard, and either's hang-up ends the call."""
    call_id = await client.dial("recorded_talker")
    await client.until(call_id, "in-progress")
    await client.control(call_id, type="transfer", destination=subscriber("agent").number, message="One moment, I connect you.")
    await client.wait_for_news(call_id, "transferred", within_s=25)
    await asyncio.sleep(0.5)
    names = [channel["name"] for channel in ari(client.pair.pbx, "GET", "/channels")]
    call = await client.ended(call_id, within_s=60)

    assert ["PJSIP", "PJSIP"] == [name.partition("/")[0] for name in names]
    assert ("ended", "transferred", "completed") == (call["status"], call["end_reason"], call["transfer"]["status"])
    assert "One moment, I connect you." in [line["content"] for line in call["messages"]]
