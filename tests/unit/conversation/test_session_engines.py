"""Engines that fail, stall and call tools: the talk goes on, and the record knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.conversation.stage import Stage, ToolCall, echo, plan, play, text_of
from tests.unit.conversation.test_session import LONG, _machine_never_refuses  # noqa: F401

from trunkline.conversation.tools import WebhookTool
from trunkline.conversation.turn_taking import TurnTaking
from trunkline.core.errors import UpstreamError
from trunkline.engines.port import ChatRequest

FALLBACK = "I am sorry, something went wrong on my side. Could you say that again?"


@pytest.mark.parametrize("failure", [[UpstreamError("model is away")], [20.0], [ValueError("defect")]])
def test_model_that_fails_is_apologised_for(failure: list[Any]) -> None:
    """Refused, stalled or broken: the caller hears a sentence, and the next turn is served."""

    async def scene() -> None:
        stage = Stage(
            plan(), lambda request: failure if len(request.messages) == 2 else text_of("All is well.")
        )
        await stage.answer()
        await stage.caller_says("Is this on?", 1.0)
        await asyncio.sleep(18)
        await stage.caller_says("And now?", 0.8)
        await asyncio.sleep(3)
        await stage.hang_up()

        assert [text for _, text in stage.lines()] == ["Is this on?", FALLBACK, "And now?", "All is well."]
        (failed,) = stage.call.of("engine_failed")
        assert failed["engine"] == "model"

    play(scene)


def test_model_that_fails_in_the_middle_keeps_what_it_said() -> None:
    """The sentence before the failure is heard, then the apology."""

    async def scene() -> None:
        stage = Stage(plan(), lambda _: [*text_of("We are open today. "), 0.2, UpstreamError("gone")])
        await stage.answer()
        await stage.caller_says("Are you open?", 1.0)
        await asyncio.sleep(9)
        await stage.hang_up()

        assert stage.lines()[-1] == ("assistant", f"We are open today. {FALLBACK}")

    play(scene)


def test_voice_that_fails_costs_one_sentence() -> None:
    """The rest is spoken; the record does not claim that the lost sentence was heard."""

    async def scene() -> None:
        stage = Stage(plan(), lambda _: text_of("First one. ", "Broken one. ", "Last one."))
        stage.voice.failing = "Broken"
        await stage.answer()
        await stage.caller_says("Go on.", 0.8)
        await asyncio.sleep(5)
        await stage.hang_up()

        assert stage.lines()[-1] == ("assistant", "First one. Last one.")
        assert stage.call.of("engine_failed")[0]["engine"] == "voice"

    play(scene)


def test_ears_that_fail_leave_the_talk_alive() -> None:
    """A turn that nobody understood is no turn; the next is."""

    async def scene() -> None:
        stage = Stage(plan(), echo)
        stage.ears.fails, stage.ears.partial_s = True, 0
        await stage.answer()
        await stage.caller_says("Can you hear me?", 1.0)
        await asyncio.sleep(2)
        stage.ears.fails = False
        await stage.caller_says("And now?", 0.8)
        await asyncio.sleep(3)
        await stage.hang_up()

        assert [text for _, text in stage.lines()] == ["And now?", "You said And now?"]
        assert stage.call.of("engine_failed") == [{"engine": "ears", "error": "fake ears failed"}]

    play(scene)


def test_ears_that_come_late_hear_what_was_said_meanwhile() -> None:
    """The audio of the first seconds is kept for them."""

    async def scene() -> None:
        stage = Stage(plan(), echo)
        stage.ears.refusals = 2
        await stage.answer(ring_s=0.3)
        await stage.caller_says("Hello, I am early.", 0.8)
        await asyncio.sleep(4)
        await stage.hang_up()

        assert stage.lines()[-1] == ("assistant", "You said Hello, I am early.")
        assert len(stage.call.of("engine_failed")) == 2

    play(scene)


class Server:
    """Somebody's server behind a tool."""

    def __init__(self, answer: Any, seconds: float = 0.5) -> None:
        self.answer = answer
        self.seconds = seconds
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.cancelled = False

    async def run(self, tool: WebhookTool, call: ToolCall, arguments: Mapping[str, Any]) -> str:
        self.asked.append((call.name, arguments))
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


BOOK = {
    "name": "book",
    "parameters": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
    "url": "https://x.example",
    "message": "One moment please.",
}


def booking(arguments: str = '{"day": "Monday"}') -> Any:
    def script(request: ChatRequest) -> Any:
        if request.messages[-1].role == "tool":
            return text_of(f"The answer is {request.messages[-1].content}.")
        return [*text_of("I will look. "), ToolCall("c1", "book", arguments)]

    return script


@pytest.mark.parametrize(
    ("arguments", "answer", "seconds", "told"),
    [
        ('{"day": "Monday"}', "booked", 0.5, "booked"),
        ('{"day": "Monday"}', UpstreamError("server said 500"), 0.5, '{"error": "server said 500"}'),
        ('{"day": "Monday"}', "booked", 30, '{"error": "book gave no answer within 10 seconds."}'),
        ('{"day": "Monday"}', ValueError("defect"), 0.5, '{"error": "book failed."}'),
        ("{nonsense", "booked", 0.5, '{"error": "The arguments are not valid JSON."}'),
    ],
)
def test_tool_gives_the_model_a_result_whatever_happens(
    arguments: str, answer: Any, seconds: float, told: str
) -> None:
    """The caller hears a sentence meanwhile, the model an answer or an error."""

    async def scene() -> None:
        stage = Stage(plan(tools=(BOOK,)), booking(arguments), tools=Server(answer, seconds))
        await stage.answer()
        await stage.caller_says("Book me in please.", 1.0)
        await asyncio.sleep(20)
        await stage.hang_up()

        assert [m.content for m in stage.model.requests[-1].messages if m.role == "tool"] == [told]
        waiting = " One moment please." if "{nonsense" not in arguments else ""
        assert stage.lines()[-1] == ("assistant", f"I will look.{waiting} The answer is {told}.")
        roles = [m.role for m in stage.conversation._replies.memory.messages()]
        assert roles[:5] == [
            "system",
            "user",
            "assistant",
            "assistant" if waiting else "tool",
            "tool" if waiting else "assistant",
        ]

    play(scene)


def test_no_tool_runs_for_a_reply_that_is_withheld() -> None:
    """A caller who goes on speaking has booked nothing."""

    async def scene() -> None:
        server = Server("booked")
        settings = TurnTaking(endpointing_min_delay=1.0)
        stage = Stage(plan(tools=(BOOK,), turn_taking=settings), booking(), tools=server)
        await stage.answer()
        await stage.caller_says("Book me now.", 0.8)
        await asyncio.sleep(0.5)
        assert len(stage.model.requests) == 1
        await stage.caller_says("Or rather not.", 1.0)
        await asyncio.sleep(0.9)
        assert server.asked == []
        await asyncio.sleep(5)
        await stage.hang_up()

        assert len(server.asked) == 1
        assert stage.model.last_user() == "Book me now. Or rather not."

    play(scene)


def test_hanging_up_during_a_tool_ends_it() -> None:
    """The question to the server is cancelled, and nothing dangles in the memory."""

    async def scene() -> None:
        server = Server("booked", seconds=8)
        stage = Stage(plan(tools=(BOOK,)), booking(), tools=server)
        await stage.answer()
        await stage.caller_says("Book me now.", 0.8)
        await asyncio.sleep(4)
        await stage.hang_up()

        assert server.cancelled
        assert all(not m.tool_calls for m in stage.conversation._replies.memory.messages())

    play(scene)


def test_async_tool_is_not_waited_for() -> None:
    """The model goes on at once."""

    async def scene() -> None:
        server = Server("booked", seconds=8)
        stage = Stage(plan(tools=({**BOOK, "async": True, "message": None},)), booking(), tools=server)
        await stage.answer()
        await stage.caller_says("Book me now.", 0.8)
        await asyncio.sleep(3.5)

        assert stage.lines()[-1] == ("assistant", f"I will look. The answer is {json.dumps({'ok': True})}.")
        await stage.hang_up()

    play(scene)


def test_end_call_tool_ends_the_call_once_everything_was_heard() -> None:
    """The model's words, then the assistant's last message, then the end."""

    async def scene() -> None:
        stage = Stage(
            plan(tools=({"type": "end_call"},), end_call_message="Have a nice day."),
            lambda _: [*text_of("It was a pleasure. "), ToolCall("c", "end_call", "{}")],
        )
        await stage.answer()
        await stage.caller_says("That was all, thank you.", 1.0)
        await asyncio.sleep(6)
        last = max(at for at, value in stage.channel.played if value)
        await stage.hang_up()

        assert stage.lines()[-1] == ("assistant", "It was a pleasure. Have a nice day.")
        ((ended, reason),) = stage.call.ends
        assert reason == "assistant_hangup"
        assert last <= ended <= last + 0.1

    play(scene)


def test_caller_who_objects_keeps_the_call() -> None:
    """Barging in on the goodbye takes the end back."""

    async def scene() -> None:
        def script(request: ChatRequest) -> Any:
            if len(request.messages) > 2:
                return text_of("Of course.")
            return [*text_of(LONG), ToolCall("c", "end_call", "{}")]

        stage = Stage(plan(tools=({"type": "end_call"},)), script)
        await stage.answer()
        await stage.caller_says("Bye.", 0.6)
        await asyncio.sleep(2)
        await stage.caller_says("Oh wait, one more thing.", 1.5)
        await asyncio.sleep(4)
        await stage.hang_up()

        assert stage.call.ends == []
        assert stage.lines()[-1] == ("assistant", "Of course.")

    play(scene)


def test_end_call_phrase_ends_the_call() -> None:
    """Said by the assistant, in any case."""

    async def scene() -> None:
        stage = Stage(plan(end_call_phrases=("good bye",)), lambda _: text_of("Thank you and Good Bye!"))
        await stage.answer()
        await stage.caller_says("That was all.", 1.0)
        await asyncio.sleep(4)
        await stage.hang_up()

        assert [reason for _, reason in stage.call.ends] == ["assistant_hangup"]

    play(scene)


def test_transfer_tool_asks_for_the_transfer_once_the_words_were_heard() -> None:
    """The call side says the destination's message."""

    async def scene() -> None:
        transfer = {
            "type": "transfer_call",
            "destinations": [{"number": "+31201234567", "message": "Here is Ann."}],
        }
        stage = Stage(
            plan(tools=(transfer,)),
            lambda _: [*text_of("I will connect you. "), ToolCall("c", "transfer_call", "{}")],
        )
        await stage.answer()
        await stage.caller_says("A human please.", 1.0)
        await asyncio.sleep(1)
        assert stage.call.transfers == []
        await asyncio.sleep(3)
        await stage.hang_up()

        assert stage.call.transfers == [("+31201234567", "Here is Ann.")]

    play(scene)


def test_fixed_phrases_are_synthesised_once() -> None:
    """The second time they come from the cache."""

    async def scene() -> None:
        stage = Stage(plan(), echo)
        await stage.answer()
        for _ in range(2):
            assert await stage.conversation.say_and_wait("One moment please.", 5)
        await stage.hang_up()

        assert stage.voice.spoken == ["One moment please."]

    play(scene)


def test_voice_is_one_sentence_ahead_of_what_is_heard() -> None:
    """Of a long reply that is cut early, the end was never synthesised."""

    async def scene() -> None:
        stage = Stage(plan(), lambda _: text_of(*(f"This is sentence number {n}. " for n in range(10))))
        await stage.answer()
        await stage.caller_says("Talk.", 0.8)
        await asyncio.sleep(2.5)
        await stage.caller_says("No, stop it please.", 1.0)
        await asyncio.sleep(0.2)
        await stage.hang_up()

        assert len(stage.voice.spoken) <= 5

    play(scene)


def test_slow_writer_is_spoken_sentence_by_sentence() -> None:
    """A finished sentence does not wait for the next one to begin."""

    async def scene() -> None:
        stage = Stage(
            plan(), lambda _: [*text_of("Let", " me", " see."), 2.0, *text_of(" Here", " it", " is.")]
        )
        await stage.answer()
        await stage.caller_says("Find it please.", 1.0)
        ended = stage.now
        await asyncio.sleep(6)
        await stage.hang_up()

        assert stage.first_heard_after(ended) - ended <= 0.5
        assert stage.lines()[-1] == ("assistant", "Let me see. Here it is.")

    play(scene)
