"""Every ending is told: one terminal state, the right words, the line free, nothing left on the PBX.

What holds of every ending is checked after each test by the fixtures; here is what is special to each.
"""

from __future__ import annotations

import asyncio

import pytest
from tests.acceptance.calls.calls_kit import Client, channel_kinds, moment, together
from tests.pbx_tools import ari

from trunkline.local_pbx.instance import Pair

pytestmark = [pytest.mark.asterisk, pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

LONG = "Good morning, this is the dental practice at the harbour, and I have quite a lot to tell you before you may speak."


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
async def test_a_call_that_the_far_side_refuses_says_how(
    client: Client, who: str, end_reason: str, q850: int, sip: int
):
    """The carrier's own status and the PBX's own cause are in the record, with a sentence for people."""
    call = await client.ended(await client.dial(who))

    assert ("failed", end_reason) == (call["status"], call["end_reason"])
    assert {"q850": q850, "sip": sip} == {key: call["hangup"][key] for key in ("q850", "sip")}


async def test_we_cancel_while_it_rings(client: Client):
    """A call that nobody needs any more stops ringing at once."""
    call_id = await client.dial("ringer")
    await client.wait_for_news(call_id, "ringing")
    await client.control(call_id, expect=400, type="end-call")
    await client.post(f"/calls/{call_id}/cancel", {})
    call = await client.ended(call_id, within_s=5)

    assert ("ended", "api_end_call", None) == (call["status"], call["end_reason"], call["started_at"])


async def test_time_ends_what_nobody_else_ends(client: Client):
    """Five clocks side by side: the asked ring time, the assistant's longest call (a machine's, too), a target's ring time."""
    ten = {"max_duration_seconds": 10}

    async def nobody_answers() -> None:
        call = await client.ended(await client.dial("ringer", ring_timeout_seconds=5), within_s=12)

        assert ("failed", "no_answer", 19) == (call["status"], call["end_reason"], call["hangup"]["q850"])
        assert 4.5 < (moment(call, "ended_at") - moment(call, "created_at")).total_seconds() < 8

    async def the_longest_duration_counts_from_the_answer() -> None:
        call = await client.ended(await client.dial("silent", assistant_override=ten), within_s=20)

        assert ("ended", "max_duration") == (call["status"], call["end_reason"])
        assert call["duration_seconds"] == pytest.approx(10, abs=1)

    async def a_machine_answers() -> None:
        call = await client.ended(await client.dial("voicemail", assistant_override=ten), within_s=25)

        assert ("ended", "max_duration") == (call["status"], call["end_reason"])

    async def the_target_does_not_answer() -> None:
        call_id = await client.talk("silent", first_message="Hello.")
        await client.transfer(
            call_id, "ringer", timeout_seconds=5, fallback_message="Nobody is there, sorry."
        )
        told = await client.wait_for_news(call_id, "transfer_failed", within_s=15)
        await client.control(call_id, type="say", content="Goodbye then.", end_after=True)
        call = await client.ended(call_id, within_s=20)
        said = [line["content"] for line in call["messages"]]

        assert ("failed", "no_answer") == (told["status"], told["error"])
        assert ("ended", "failed") == (call["status"], call["transfer"]["status"])
        assert said.index("Nobody is there, sorry.") < said.index("Goodbye then.")

    async def a_menu_hears_our_digits_and_hangs_up() -> None:
        call_id = await client.talk("ivr", first_message="Hello.")
        await asyncio.sleep(1)
        await client.control(call_id, type="send-dtmf", digits="4711#")
        call = await client.ended(call_id)
        heard = [file.read_text().strip() for file in (client.carrier.spool_here / "digits").glob("*.txt")]

        assert ("ended", "user_hangup") == (call["status"], call["end_reason"])
        assert "4711" in heard

    await together(
        nobody_answers(),
        the_longest_duration_counts_from_the_answer(),
        a_machine_answers(),
        the_target_does_not_answer(),
        a_menu_hears_our_digits_and_hangs_up(),
    )


async def test_talks_end_when_the_caller_has_enough(client: Client):
    """Side by side, none mixed up with another: four turns, two interruptions, an announcement first, half a sentence."""

    async def four_turns_and_goodbye() -> None:
        call = await client.ended(await client.dial("talker"))
        said = [line["content"].lower() for line in call["messages"] if line["role"] == "user"]

        assert ("ended", "user_hangup", 16) == (call["status"], call["end_reason"], call["hangup"]["q850"])
        assert len(said) >= 3, call["messages"]
        assert "appointment" in said[0] and "miller" in " ".join(said)
        assert call["latency"] and call["recording_url"]

    async def an_announcement_before_the_answer_is_not_talked_to() -> None:
        call_id = await client.dial("early_media")
        call = await client.ended(call_id)
        kinds = [kind for kind, _ in await client.news(call_id)]

        assert kinds.index("early_media") < kinds.index("in-progress") < kinds.index("transcript")
        assert ("ended", "user_hangup") == (call["status"], call["end_reason"])
        assert "hold while we try" not in " ".join(line["content"] for line in call["messages"]).lower()

    async def talks_over_us_twice() -> None:
        call = await client.ended(await client.dial("interrupter", first_message=LONG))
        heard = call["messages"][0]

        assert ("ended", "user_hangup") == (call["status"], call["end_reason"])
        assert heard["interrupted"] and len(heard["content"]) < len(LONG)

    async def half_a_sentence_and_gone() -> None:
        call = await client.ended(await client.dial("mid_sentence"))

        assert ("ended", "user_hangup") == (call["status"], call["end_reason"])

    await together(
        four_turns_and_goodbye(),
        talks_over_us_twice(),
        an_announcement_before_the_answer_is_not_talked_to(),
        half_a_sentence_and_gone(),
    )


async def test_the_caller_hangs_up_while_we_speak(client: Client):
    """In the greeting, or in what is said before a transfer: the transcript has only what was heard of it."""

    async def during_the_greeting() -> None:
        call = await client.ended(await client.dial("quick", first_message=LONG))
        heard = call["messages"][0]["content"]

        assert ("ended", "user_hangup", 16) == (call["status"], call["end_reason"], call["hangup"]["q850"])
        assert call["duration_seconds"] == pytest.approx(2, abs=1)
        assert len(heard) < len(LONG) and LONG.startswith(heard.rstrip(" .…-"))

    async def during_the_announcement_of_a_transfer() -> None:
        call_id = await client.talk("quick", assistant_override={"first_message": None})
        await client.transfer(call_id, "ringer", message=LONG)
        call = await client.ended(call_id, within_s=10)

        assert ("ended", "user_hangup", "cancelled") == (
            call["status"],
            call["end_reason"],
            call["transfer"]["status"],
        )
        assert call["transfer"]["hangup"] is None, "the target was never dialled"
        assert all(len(line["content"]) < len(LONG) for line in call["messages"])

    async def while_the_target_rings() -> None:
        call_id = await client.talk("quick", first_message="Hello.")
        await client.transfer(call_id, "ringer")
        call = await client.ended(call_id, within_s=10)

        assert ("ended", "user_hangup", "cancelled") == (
            call["status"],
            call["end_reason"],
            call["transfer"]["status"],
        )

    await together(during_the_greeting(), during_the_announcement_of_a_transfer(), while_the_target_rings())


async def test_we_hang_up_once_our_last_words_were_heard(client: Client):
    """`end-call` with a message, and `say` with `end_after`."""

    async def end_call() -> None:
        call_id = await client.talk("silent")
        await client.control(call_id, type="end-call", message="Thank you, goodbye.")
        call = await client.ended(call_id, within_s=15)

        assert ("ended", "api_end_call") == (call["status"], call["end_reason"])
        assert "Thank you, goodbye." in [line["content"] for line in call["messages"]]

    async def say() -> None:
        call_id = await client.talk("silent")
        await client.control(call_id, type="say", content="We close now.", end_after=True)
        call = await client.ended(call_id, within_s=15)

        assert "ended" == call["status"]
        assert "We close now." == call["messages"][-1]["content"]

    await together(end_call(), say())


@pytest.mark.parametrize("who", ["busy", "unknown"])
async def test_a_transfer_that_fails_brings_the_caller_back(client: Client, who: str):
    """Busy or unknown: the assistant says so and the call goes on."""
    call_id = await client.talk("silent", first_message="Hello.")
    await client.transfer(call_id, who, fallback_message="Nobody is there, sorry.")
    await client.wait_for_news(call_id, "transfer_failed", within_s=15)
    await client.control(call_id, type="say", content="Goodbye then.", end_after=True)
    call = await client.ended(call_id, within_s=20)
    said = [line["content"] for line in call["messages"]]

    assert ("ended", "failed") == (call["status"], call["transfer"]["status"])
    assert said.index("Nobody is there, sorry.") < said.index("Goodbye then.")


async def test_a_transfer_can_be_cancelled_while_it_rings(client: Client):
    """`cancel-transfer` takes the caller back."""
    call_id = await client.talk("silent", first_message="Hello.")
    await client.transfer(call_id, "ringer")
    await asyncio.sleep(0.5)
    await client.control(call_id, expect=409, type="say", content="Too early.")
    await client.control(call_id, type="cancel-transfer")
    await client.wait_for_news(call_id, "transfer_failed", within_s=5)
    await client.control(call_id, type="end-call")
    call = await client.ended(call_id, within_s=10)

    assert "cancelled" == call["transfer"]["status"]


async def test_a_transfer_joins_caller_and_human_without_us(client: Client, pbx_pair: Pair):
    """After the announcement both are in one bridge, our audio is gone, and the client may still end the call."""
    call_id = await client.talk("silent", first_message="Hello.")
    await client.hand_over(call_id, "agent", message="One moment, I connect you.")
    await asyncio.sleep(0.3)
    kinds = await asyncio.to_thread(channel_kinds, pbx_pair.pbx)
    await client.control(call_id, expect=409, type="say", content="Are you still there?")
    await client.control(call_id, type="end-call")
    call = await client.ended(call_id, within_s=10)

    assert ["PJSIP", "PJSIP"] == kinds
    assert ("ended", "api_end_call", "completed") == (
        call["status"],
        call["end_reason"],
        call["transfer"]["status"],
    )
    assert "One moment, I connect you." in [line["content"] for line in call["messages"]]


async def test_after_a_hand_over_either_party_ends_the_call(client: Client):
    """`transferred`, whoever hangs up first, and the other one is not left on the line."""

    async def the_human_first() -> None:
        call_id = await client.talk("silent", first_message="Hello.")
        await client.hand_over(call_id, "quick")
        call = await client.ended(call_id, within_s=10)

        assert ("ended", "transferred", "completed") == (
            call["status"],
            call["end_reason"],
            call["transfer"]["status"],
        )
        assert call["transfer"]["ended_at"] and call["transfer"]["hangup"]["q850"] == 16

    async def the_caller_first() -> None:
        call_id = await client.talk("quick", assistant_override={"first_message": None})
        await client.hand_over(call_id, "echo")
        call = await client.ended(call_id, within_s=10)

        assert ("ended", "transferred", 16) == (call["status"], call["end_reason"], call["hangup"]["q850"])
        assert call["transfer"]["ended_at"]

    await together(the_human_first(), the_caller_first())


async def test_a_lost_media_socket_is_replaced_while_the_caller_waits(client: Client, pbx_pair: Pair):
    """The PBX drops our audio leg; a moment later the assistant speaks again in the same call."""

    def media() -> list[str]:
        return [
            each["id"]
            for each in ari(pbx_pair.pbx, "GET", "/channels")
            if each["name"].startswith("WebSocket")
        ]

    call_id = await client.talk("silent", first_message="Hello.")
    before = await asyncio.to_thread(media)
    for channel in before:
        await asyncio.to_thread(ari, pbx_pair.pbx, "DELETE", f"/channels/{channel}")
    async with asyncio.timeout(5):
        while not (after := await asyncio.to_thread(media)) or after == before:
            await asyncio.sleep(0.05)
    await client.control(call_id, type="say", content="I am back.", end_after=True)
    call = await client.ended(call_id, within_s=15)

    assert len(before) == len(after) == 1
    assert "I am back." == call["messages"][-1]["content"]
