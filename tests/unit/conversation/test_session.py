"""A whole talk in virtual time: who is heard when, and what is remembered."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from structlog.testing import capture_logs
from tests.unit.conversation.stage import FRAME_S, FakeChannel, Stage, echo, plan, play, text_of

from trunkline.conversation.silence import SilencePlan
from trunkline.conversation.turn_taking import TurnTaking


@pytest.fixture(autouse=True)
def _machine_never_refuses():
    with capture_logs() as logs:
        yield
    refused = [
        entry for entry in logs if entry["event"] in {"turn machine refused", "work of a conversation failed"}
    ]
    assert not refused


def test_greeting_comes_with_the_answer() -> None:
    """The greeting was made while it rang: its first frame is played at the PBX's next tick after the answer."""

    async def scene() -> None:
        stage = Stage(plan(greeting="Hello, this is Harbour Dental."), echo)
        await stage.answer(ring_s=1.005)
        answered = stage.now
        await asyncio.sleep(3)
        await stage.hang_up()

        assert stage.first_heard_after(0) - answered <= FRAME_S
        assert stage.lines() == [("assistant", "Hello, this is Harbour Dental.")]
        greeting = stage.conversation.latencies()[0]
        assert (greeting["kind"], greeting["first_frame_ms"], greeting["first_audio_ms"]) == (
            "greeting",
            0,
            0,
        )

    play(scene)


def test_one_turn() -> None:
    """A complete sentence is answered once the shortest wait is over, as the reply was made during the wait."""

    async def scene() -> None:
        stage = Stage(plan(), echo)
        await stage.answer()
        await stage.caller_says("I would like an appointment please.", 2.0)
        ended = stage.now
        await asyncio.sleep(5)
        await stage.hang_up()

        wait = stage.first_heard_after(ended) - ended
        assert 0.38 <= wait <= 0.46
        assert stage.lines() == [
            ("user", "I would like an appointment please."),
            ("assistant", "You said I would like an appointment please."),
        ]
        (turn,) = stage.call.of("turn")
        assert turn["kind"] == "turn"
        assert (
            turn["final_text_ms"] < turn["first_token_ms"] < turn["first_audio_ms"] < turn["end_of_turn_ms"]
        )
        assert turn["end_of_turn_ms"] <= turn["first_frame_ms"] <= turn["first_mark_ms"]
        assert turn["barge_in_stop_ms"] is None

    play(scene)


def test_unfinished_sentence_is_waited_for() -> None:
    """A pause after "my number is" ends no turn, and the reply that was begun is dropped unheard."""

    async def scene() -> None:
        stage = Stage(plan(), lambda request: text_of("Thank you."))
        await stage.answer()
        await stage.caller_says("My number is", 1.0)
        await asyncio.sleep(1.2)
        assert stage.channel.played == []
        await stage.caller_says("five five one two.", 1.0)
        await asyncio.sleep(6)
        await stage.hang_up()

        assert stage.lines() == [
            ("user", "My number is five five one two."),
            ("assistant", "Thank you."),
        ]
        assert len(stage.model.requests) == 2
        assert stage.model.completed == 1

    play(scene)


LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."


def test_barge_in_stops_us_and_only_what_was_heard_is_remembered() -> None:
    """After 300 ms of voice nothing more is played; the memory is cut at the last word heard."""

    async def scene() -> None:
        stage = Stage(
            plan(), lambda request: text_of(LONG) if len(request.messages) == 2 else text_of("Yes it is.")
        )
        await stage.answer()
        await stage.caller_says("Tell me the way.", 1.0)
        ended = stage.now
        await asyncio.sleep(2.4)
        began = stage.now
        await stage.caller_says("Stop, is parking free?", 1.5)
        await asyncio.sleep(3)
        await stage.hang_up()

        silent_from = max(at for at, value in stage.channel.played if value == 1)
        assert silent_from - began <= 0.36
        heard_s = silent_from + FRAME_S - stage.first_heard_after(ended)
        roles = [role for role, _ in stage.lines()]
        assert roles == ["user", "assistant", "user", "assistant"]
        heard_words = stage.lines()[1][1].split()
        assert LONG.startswith(" ".join(heard_words))
        # Words are 300 ms long; the cut is at the end of a word, by proportion of characters.
        assert abs(len(heard_words) - heard_s / 0.3) <= 2
        assert stage.conversation.transcript()[1]["interrupted"]
        (barge_in,) = stage.call.of("barge_in")
        assert barge_in["heard"] == stage.lines()[1][1]
        assert 250 <= barge_in["stop_ms"] <= 340
        assert stage.model.requests[-1].messages[2].content == stage.lines()[1][1]
        assert stage.lines()[3][1] == "Yes it is."
        assert stage.conversation.latencies()[0]["barge_in_stop_ms"] == barge_in["stop_ms"]

    play(scene)


def test_short_noise_does_not_stop_us() -> None:
    """A cough of 160 ms while we speak costs not one frame."""

    async def scene() -> None:
        stage = Stage(plan(), lambda _: text_of(LONG))
        await stage.answer()
        await stage.caller_says("Tell me.", 0.8)
        await asyncio.sleep(1.5)
        await stage.caller_coughs(0.16)
        await asyncio.sleep(6)
        await stage.hang_up()

        times = [at for at, value in stage.channel.played if value]
        assert times[-1] - times[0] == pytest.approx((len(times) - 1) * FRAME_S, abs=1e-6)
        assert stage.call.of("barge_in") == []
        assert stage.lines()[-1] == ("assistant", LONG)

    play(scene)


@pytest.mark.parametrize(("sound", "text"), [(0.6, ""), (0.6, "mm-hm")])
def test_false_interruption_goes_on_where_it_stopped(sound: float, text: str) -> None:
    """A longer noise, or a murmur of assent, stops us; then we go on, and everything is heard once."""

    async def scene() -> None:
        stage = Stage(plan(), lambda _: text_of(LONG))
        await stage.answer()
        await stage.caller_says("Tell me.", 0.8)
        await asyncio.sleep(1.5)
        if text:
            await stage.caller_says(text, sound)
        else:
            await stage.caller_coughs(sound)
        await asyncio.sleep(8)
        await stage.hang_up()

        assert len(stage.call.of("barge_in")) == 1
        assert stage.lines()[-1] == ("assistant", LONG)
        assert not stage.conversation.transcript()[-1]["interrupted"]
        heard = sum(FRAME_S for _, value in stage.channel.played if value)
        assert heard == pytest.approx(15 * 0.3, abs=0.05)
        assert len([entry for entry in stage.call.of("transcript") if entry["role"] == "assistant"]) == 1

    play(scene)


def test_false_interruption_ends_the_reply_where_resuming_is_switched_off() -> None:
    """With no time-out configured, what was stopped stays stopped."""

    async def scene() -> None:
        settings = TurnTaking(false_interruption_timeout=None)
        stage = Stage(plan(turn_taking=settings), lambda _: text_of(LONG))
        await stage.answer()
        await stage.caller_says("Tell me.", 0.8)
        await asyncio.sleep(1.5)
        await stage.caller_coughs(0.6)
        stopped = stage.now
        await asyncio.sleep(8)
        await stage.hang_up()

        assert stage.heard_between(stopped, stage.now) == 0
        assert stage.conversation.transcript()[-1]["interrupted"]

    play(scene)


def test_early_yes_is_an_answer() -> None:
    """A "yes" while our question ends is not lost."""

    async def scene() -> None:
        question = "Shall I book that for you now?"
        stage = Stage(plan(greeting=question), echo)
        await stage.answer()
        await asyncio.sleep(7 * 0.3 - 0.55)
        await stage.caller_says("Yes.", 0.26)
        await asyncio.sleep(4)
        await stage.hang_up()

        assert stage.lines() == [("assistant", question), ("user", "Yes."), ("assistant", "You said Yes.")]

    play(scene)


def test_say_waits_for_its_turn_and_end_after_ends_the_call_once_heard() -> None:
    """What the client wants said follows the present reply; the end is asked for after the last frame."""

    async def scene() -> None:
        stage = Stage(plan(greeting="Good morning to you."), echo)
        await stage.answer()
        await asyncio.sleep(0.3)
        await stage.conversation.say("We close now. Goodbye.", end_after=True)
        await asyncio.sleep(0.5)
        await stage.caller_says("Wait, please, one more thing.", 1.0)
        await asyncio.sleep(4)
        last = max(at for at, value in stage.channel.played if value)
        await stage.hang_up()

        assert stage.lines()[-1] == ("assistant", "We close now. Goodbye.")
        ((ended, reason),) = stage.call.ends
        assert reason == "api_end_call"
        assert last <= ended <= last + 0.1

    play(scene)


def test_say_and_wait_tells_whether_it_was_heard() -> None:
    """True once heard to the end, false when the caller cut it short or time ran out."""

    async def scene() -> None:
        stage = Stage(plan(), echo)
        await stage.answer()
        before = stage.now
        assert await stage.conversation.say_and_wait("One moment please.", 10)
        assert stage.now - before == pytest.approx(0.9, abs=0.1)

        telling = asyncio.create_task(stage.conversation.say_and_wait(LONG, 10))
        await asyncio.sleep(1)
        await stage.caller_says("No, no, listen to me.", 1.0)
        assert not await telling
        await asyncio.sleep(5)

        await stage.conversation.say(LONG)
        assert not await stage.conversation.say_and_wait("Too late.", 0.5)
        await stage.hang_up()
        assert ("assistant", "Too late.") not in stage.lines()

    play(scene)


def test_injected_context_is_answered_when_asked() -> None:
    """With `trigger_response` the model answers at once; without, it only knows."""

    async def scene() -> None:
        stage = Stage(plan(), echo)
        await stage.answer()
        await stage.conversation.inject("quietly", trigger_response=False)
        await asyncio.sleep(2)
        assert stage.model.requests == []
        asked = stage.now
        await stage.conversation.inject("The parking is free.", trigger_response=True)
        await asyncio.sleep(3)
        await stage.hang_up()

        assert stage.first_heard_after(asked) - asked <= 0.15
        assert [m.content for m in stage.model.requests[0].messages] == [
            "Be kind.",
            "quietly",
            "The parking is free.",
        ]
        assert stage.lines()[-1] == ("assistant", "You said The parking is free.")

    play(scene)


def test_pause_stops_speech_and_listening_and_resume_brings_both_back() -> None:
    """On hold nothing is said or understood; what waits to be said is said afterwards."""

    async def scene() -> None:
        stage = Stage(plan(), echo)
        await stage.answer()
        await stage.conversation.say(LONG)
        await asyncio.sleep(1)
        stage.conversation.pause()
        paused = stage.now
        await stage.caller_says("Is anybody there?", 1.0)
        await stage.conversation.say("I am back.")
        await asyncio.sleep(2)
        assert stage.heard_between(paused + 0.05, stage.now) == 0
        stage.conversation.resume()
        await asyncio.sleep(2)
        await stage.caller_says("Good.", 0.6)
        await asyncio.sleep(3)
        await stage.hang_up()

        assert [text for _, text in stage.lines()[1:]] == ["I am back.", "Good.", "You said Good."]

    play(scene)


def test_lost_channel_goes_on_on_the_next() -> None:
    """A reply cut by a lost channel continues on the new one, and is told once and whole."""

    async def scene() -> None:
        stage = Stage(plan(greeting=LONG), echo)
        await stage.answer()
        await asyncio.sleep(1.5)
        lost = stage.channel
        lost.cut()
        await asyncio.sleep(0.7)
        stage.connect(FakeChannel())
        await asyncio.sleep(6)
        await stage.hang_up()

        heard = sum(FRAME_S for _, value in [*lost.played, *stage.channel.played] if value)
        assert heard == pytest.approx(15 * 0.3, abs=0.1)
        assert stage.lines() == [("assistant", LONG)]

    play(scene)


def test_queue_in_the_pbx_stays_short() -> None:
    """Never more than the configured 160 ms lie in the PBX, and it never runs dry while we speak."""

    async def scene() -> None:
        stage = Stage(plan(greeting=LONG), echo)
        await stage.answer()
        await asyncio.sleep(6)
        await stage.hang_up()

        times = [at for at, value in stage.channel.played if value]
        assert times[-1] - times[0] == pytest.approx((len(times) - 1) * FRAME_S, abs=1e-6)
        assert stage.channel.longest_queue <= 9

    play(scene)


def test_marks_that_never_come_back_do_not_stop_the_talk() -> None:
    """Without a single mark the reply is still spoken and ended."""

    async def scene() -> None:
        stage = Stage(plan(greeting="Hello there."), echo)
        stage.channel.answers_marks = False
        await stage.answer()
        await asyncio.sleep(12)
        await stage.caller_says("Good morning.", 0.8)
        await asyncio.sleep(1.5)
        await stage.hang_up()

        assert stage.lines()[1] == ("user", "Good morning.")

    play(scene)


def test_full_pbx_is_respected() -> None:
    """Between XOFF and XON nothing is sent; afterwards everything is."""

    async def scene() -> None:
        stage = Stage(plan(greeting=LONG), echo)
        await stage.answer()
        await asyncio.sleep(0.5)
        stage.conversation.on_flow(paused=True)
        await asyncio.sleep(0.2)
        paused = stage.now
        await asyncio.sleep(1)
        assert stage.heard_between(paused, stage.now) == 0
        stage.conversation.on_flow(paused=False)
        await asyncio.sleep(5)
        await stage.hang_up()

        assert stage.lines() == [("assistant", LONG)]

    play(scene)


def test_recording_tap_gets_what_was_heard_when_it_was_heard() -> None:
    """The assistant's side of the recording is the phone's sound, at its time to within a frame or two."""

    async def scene() -> None:
        stage = Stage(plan(greeting=LONG), echo)
        await stage.answer()
        await asyncio.sleep(2)
        await stage.caller_says("Stop it right now.", 1.0)
        await asyncio.sleep(0.1)
        await stage.hang_up()

        size = sum(len(frames) for _, frames in stage.call.assistant)
        played = [at for at, value in stage.channel.played if value == 1]
        assert abs(size / 16000 - len(played) * FRAME_S) <= 0.04
        assert abs(stage.call.assistant[0][0] - played[0]) <= 0.04
        position = 0.0
        for at, frames in stage.call.assistant:
            assert abs(at - (played[0] + position)) <= 0.045
            position += len(frames) / 16000

    play(scene)


def test_silence_is_broken_and_then_ends_the_call() -> None:
    """Two questions, then goodbye, then the end; a word from the caller would have started it over."""

    async def scene() -> None:
        silence = SilencePlan(
            ("Still there?",), "Goodbye then.", first_check_seconds=3, interval_seconds=5, max_attempts=2
        )
        stage = Stage(plan(greeting="Hello.", silence=silence), echo)
        await stage.answer()
        await asyncio.sleep(20)
        await stage.hang_up()

        assert [text for _, text in stage.lines()] == [
            "Hello.",
            "Still there?",
            "Still there?",
            "Goodbye then.",
        ]
        assert [reason for _, reason in stage.call.ends] == ["silence_timeout"]
        starts = [line["start_ms"] for line in stage.conversation.transcript()]
        assert [round((b - a) / 100) for a, b in pairwise(starts)] == [33, 56, 56]

    play(scene)


def test_speech_resets_the_silence() -> None:
    """After an answer the questions begin anew."""

    async def scene() -> None:
        silence = SilencePlan(
            ("Still there?",), None, first_check_seconds=3, interval_seconds=5, max_attempts=1
        )
        stage = Stage(plan(greeting="Hello.", silence=silence), echo)
        await stage.answer()
        await asyncio.sleep(5)
        await stage.caller_says("Yes, I am.", 0.8)
        await asyncio.sleep(7.5)
        await stage.hang_up()

        assert [text for _, text in stage.lines()] == [
            "Hello.",
            "Still there?",
            "Yes, I am.",
            "You said Yes, I am.",
            "Still there?",
        ]
        assert stage.call.ends == []

    play(scene)


def test_keys_are_a_turn() -> None:
    """Keys are handed to the model together, after a pause or at `#`, and stop us while we speak."""

    async def scene() -> None:
        stage = Stage(plan(greeting=LONG), echo)
        await stage.answer()
        await asyncio.sleep(1)
        for digit in "12#":
            stage.conversation.on_digit(digit)
            await asyncio.sleep(0.3)
        await asyncio.sleep(3)
        stage.conversation.on_digit("7")
        await asyncio.sleep(5)
        await stage.hang_up()

        said = [text for role, text in stage.lines() if role == "user"]
        assert said == ["Keys pressed: 12#", "Keys pressed: 7"]
        assert stage.conversation.transcript()[0]["interrupted"]

    play(scene)


def test_phone_that_sends_nothing_in_silence_is_answered_all_the_same() -> None:
    """A caller whose phone stops sending has paused."""

    async def scene() -> None:
        stage = Stage(plan(), echo)
        await stage.answer()
        await stage.caller_says("Hello there.", 0.8)
        stage.is_sending = False
        await asyncio.sleep(3)
        await stage.hang_up()

        assert stage.lines()[-1] == ("assistant", "You said Hello there.")

    play(scene)


def test_early_media_is_ignored() -> None:
    """What is heard before the answer is nobody's turn."""

    async def scene() -> None:
        stage = Stage(plan(), echo)
        asyncio.get_running_loop().call_later(0.1, stage._sound.extend, [3000] * 30)
        await stage.answer(ring_s=2)
        await asyncio.sleep(2)
        await stage.hang_up()

        assert stage.call.caller_bytes == pytest.approx(2 * 16000, abs=700)
        assert stage.call.told == []

    play(scene)


def test_stop_is_idempotent_and_leaves_nothing() -> None:
    """Stopped in the middle of a reply: what was heard is kept, the ear is closed, no task is left."""

    async def scene() -> None:
        stage = Stage(plan(greeting=LONG), echo)
        await stage.answer()
        await asyncio.sleep(2)
        await stage.hang_up()
        await stage.conversation.stop()

        assert stage.ears.ear is not None
        assert stage.ears.ear.is_closed
        (line,) = stage.conversation.transcript()
        assert line["interrupted"]
        assert 5 <= len(line["content"].split()) <= 8
        assert stage.conversation._timers.running == frozenset()

    play(scene)
