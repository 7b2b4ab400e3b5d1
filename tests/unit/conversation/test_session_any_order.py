"""A talk in which anything happens at any time, in virtual time: what must hold, holds."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.unit.conversation.stage import FRAME_S, FakeChannel, Stage, ToolCall, plan, play, text_of

from trunkline.conversation.silence import SilencePlan
from trunkline.core.errors import UpstreamError
from trunkline.engines.port import ChatRequest

REPLIES: list[list[Any]] = [
    text_of("Yes."),
    text_of("Let me tell you a longer story. ", "It has several sentences. ", "And an end."),
    text_of("Is that right?"),
    [*text_of("I will look. "), ToolCall("c", "nothing", "{}")],
    [0.7, *text_of("Slowly, ", "but surely.")],
    [UpstreamError("model is away")],
    [],
]
ACTS = st.one_of(
    st.tuples(
        st.just("says"), st.sampled_from(["yes", "wait a moment", "my number is", "How much is it?", "mm-hm"])
    ),
    st.tuples(st.just("coughs"), st.sampled_from([0.1, 0.4, 0.9])),
    st.tuples(st.just("say"), st.booleans()),
    st.tuples(st.just("inject"), st.booleans()),
    st.tuples(
        st.sampled_from(["pause", "resume", "lose", "key", "full", "room", "deaf", "mute", "send"]), st.none()
    ),
)
SCENES = st.lists(st.tuples(st.sampled_from([0.02, 0.1, 0.3, 0.5, 1.1, 2.5]), ACTS), max_size=14)


@settings(max_examples=60, deadline=None)
@given(scene=SCENES, order=st.permutations(range(len(REPLIES))))
def test_whatever_happens(scene: list[Any], order: list[int]) -> None:
    """No event is refused, nothing is left running, and what is recorded is what the phone played."""

    async def act() -> None:
        asked = iter(order * 100)

        def script(request: ChatRequest) -> Any:
            return text_of("Done.") if request.messages[-1].role == "tool" else REPLIES[next(asked)]

        silence = SilencePlan(
            ("Are you there?",), "Goodbye.", first_check_seconds=3, interval_seconds=3, max_attempts=2
        )
        stage = Stage(plan(greeting="Hello, who is this?", silence=silence), script)
        channels = [stage.channel]
        await stage.answer(ring_s=0.1)
        says = []
        for wait_s, (what, how) in scene:
            await asyncio.sleep(wait_s)
            await perform(stage, channels, says, what, how)
        await asyncio.sleep(1)
        await stage.hang_up()
        for channel in channels:
            await channel.close()
        await asyncio.gather(*says)
        check(stage, channels)

    with capture_logs() as logs:
        play(act)
    events = {entry["event"] for entry in logs}
    assert not events & {"turn machine refused", "work of a conversation failed", "reply failed"}


async def perform(stage: Stage, channels: list[FakeChannel], says: list[Any], what: str, how: Any) -> None:
    talk = stage.conversation
    match what:
        case "says":
            await stage.caller_says(how, 0.3 * len(how.split()))
        case "coughs":
            await stage.caller_coughs(how)
        case "say":
            wait = talk.say_and_wait("One thing more.", 4) if how else talk.say("By the way. It rains.")
            says.append(asyncio.create_task(wait))
        case "inject":
            await talk.inject("It is noon.", trigger_response=how)
        case "pause":
            talk.pause()
        case "resume":
            talk.resume()
        case "lose":
            stage.channel.cut()
            await asyncio.sleep(0.3)
            stage.connect(FakeChannel())
            channels.append(stage.channel)
        case "key":
            talk.on_digit("5")
        case "full" | "room":
            talk.on_flow(paused=what == "full")
        case "deaf":
            stage.ears.fails = not stage.ears.fails
        case "mute" | "send":
            stage.is_sending = what == "send"


def check(stage: Stage, channels: list[FakeChannel]) -> None:
    talk = stage.conversation
    assert talk._timers.running == frozenset()
    assert talk._replies.present is None
    played_s = sum(FRAME_S for channel in channels for _ in channel.played)
    recorded_s = sum(len(frames) for _, frames in stage.call.assistant) / 16000
    stops = len(stage.call.of("turn")) + len(channels)
    assert abs(played_s - recorded_s) <= 0.06 * stops
    ends = [at + len(frames) / 16000 for at, frames in stage.call.assistant]
    starts = [at for at, _ in stage.call.assistant]
    assert all(start >= end - 0.05 for start, end in zip(starts[1:], ends, strict=False))
    told = list(stage.call.of("transcript"))
    assert sorted(told, key=lambda line: line["start_ms"]) == stage.conversation.transcript()
    spoken = " ".join(stage.voice.spoken)
    for line in told:
        if line["role"] == "assistant":
            assert set(line["content"].split()) <= set(spoken.split())
            assert line["start_ms"] <= line["end_ms"]
    assert len(stage.call.ends) <= 1
