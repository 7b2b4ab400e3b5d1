"""One reply: what made us give it, its sentences and sound, what it does once it was heard. And who writes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from trunkline.conversation.latency import TurnLatency
from trunkline.conversation.plan import ConversationEngines, ConversationPlan
from trunkline.conversation.sentences import SentenceSplitter
from trunkline.conversation.streams import LimitedStream, limited
from trunkline.conversation.synthesis import Sentence, Synthesis
from trunkline.conversation.tool_use import AfterHeard, EndCall, ToolUse
from trunkline.conversation.utterance import Utterance
from trunkline.core.clock import Clock
from trunkline.core.errors import UpstreamError
from trunkline.engines.port import ChatMessage, ChatRequest, ReplyPart, TextDelta, ToolCall

_log = structlog.get_logger()
_PART_LIMIT_S: Final = 10.0
_TOOL_ROUNDS: Final = 5
_RIPE_WAIT_S: Final = 0.06
"""So long a text that reads like a sentence waits for what may still follow it."""


@dataclass(slots=True, eq=False)
class Reply:
    """A reply while it lives.

    Attributes:
        base: what the model knows when it is asked.
        entries: what the model is to remember of it, before it is cut to what was heard.
        released: set once it may be heard; nothing with an effect on the world is done before.
        after: what is to be done once it was heard.
        waiter: somebody who wants to know whether it was heard to its end.
        is_last: nothing is said after it; the call ends with it.
        is_playing: it is released, and not over.
        heard_from_s, heard_to_s: when its first and its latest sound was heard, monotonic seconds.
    """

    utterance: Utterance
    synthesis: Synthesis
    latency: TurnLatency
    base: Sequence[ChatMessage] = ()
    entries: list[ChatMessage] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    after: AfterHeard | None = None
    waiter: asyncio.Future[bool] | None = None
    is_last: bool = False
    is_playing: bool = False
    heard_from_s: float | None = None
    heard_to_s: float = 0.0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def say(self, text: str, *, is_fixed: bool = False) -> None:
        """Adds text that is known whole, and what the model is to remember of it."""
        splitter = SentenceSplitter()
        sentences = [*splitter.push(text), *splitter.flush()]
        self.entries.append(ChatMessage("assistant", " ".join(sentences)))
        for sentence in sentences:
            await self.synthesis.say(Sentence(sentence, is_fixed))


class ReplyWriter:
    """Writes replies for one call: from the model, with its tools, or from given text."""

    def __init__(
        self,
        plan: ConversationPlan,
        engines: ConversationEngines,
        tool_use: ToolUse,
        *,
        clock: Clock,
        on_failed: Callable[[str, Exception], None],
    ) -> None:
        self._plan = plan
        self._engines = engines
        self._tool_use = tool_use
        self._clock = clock
        self._on_failed = on_failed
        self._end_phrases = tuple(phrase.lower() for phrase in plan.end_call_phrases if phrase.strip())

    async def recite(self, reply: Reply, text: str) -> None:
        """Says `text`."""
        await reply.say(text, is_fixed=True)
        await reply.synthesis.close()

    async def answer(self, reply: Reply) -> None:
        """Lets the model reply; where it fails, says the fallback sentence."""
        try:
            await self._rounds(reply)
        except UpstreamError as error:
            await self._fall_back(reply, error)
        except Exception as error:  # noqa: BLE001 (a guest of ours failed; logged)
            _log.exception("reply failed", model=self._engines.model.name)
            await self._fall_back(reply, error)
        await reply.synthesis.close()

    async def _fall_back(self, reply: Reply, error: Exception) -> None:
        self._on_failed("model", error)
        await reply.say(self._plan.fallback_sentence, is_fixed=True)

    async def _rounds(self, reply: Reply) -> None:
        for _ in range(_TOOL_ROUNDS):
            calls = await self._round(reply)
            if not calls:
                return
            await reply.released.wait()
            use = await self._tool_use.carry_out(calls, lambda text: reply.say(text, is_fixed=True))
            reply.entries.extend(use.results)
            if use.after is not None:
                reply.after = use.after
                if isinstance(use.after, EndCall) and self._plan.end_call_message:
                    await reply.say(self._plan.end_call_message, is_fixed=True)
                return

    async def _round(self, reply: Reply) -> tuple[ToolCall, ...]:
        """One answer of the model; returns the tools it wants run."""
        request = ChatRequest(
            messages=(*reply.base, *reply.entries),
            tools=self._tool_use.specs,
            temperature=self._plan.temperature,
            max_tokens=self._plan.max_tokens,
        )
        reply.latency.note("request", self._clock.monotonic())
        writing = _Writing(reply, self._clock)
        model = self._engines.model
        async with limited(model.reply(request), _PART_LIMIT_S, model.name) as parts:
            await writing.read(parts)
        self._look_for_end(reply, writing.text)
        return tuple(writing.calls)

    def _look_for_end(self, reply: Reply, text: str) -> None:
        said = text.lower()
        if any(phrase in said for phrase in self._end_phrases):
            reply.after = EndCall("assistant_hangup")


class _Writing:
    """One answer of the model as it comes in.

    While the reply is withheld, no more is read than its first sentence or tool call: an engine that keeps a state of its
    own changes it at the end of its stream, and must not for a reply that may be dropped.
    """

    def __init__(self, reply: Reply, clock: Clock) -> None:
        self._reply = reply
        self._clock = clock
        self._splitter = SentenceSplitter()
        self._sentences: list[str] = []
        self._entry: int | None = None
        self.calls: list[ToolCall] = []

    @property
    def text(self) -> str:
        """What was said so far."""
        return " ".join(self._sentences)

    async def read(self, parts: LimitedStream[ReplyPart]) -> None:
        while True:
            await self._wait_for_release()
            if self._splitter.is_ripe and not await parts.is_ready_within(_RIPE_WAIT_S):
                await self._say(self._splitter.flush())
            part = await parts.next()
            if part is None:
                break
            self._reply.latency.note("first_token", self._clock.monotonic())
            if isinstance(part, TextDelta):
                await self._say(self._splitter.push(part.text))
            else:
                self.calls.append(part)
                self._remember()
        await self._say(self._splitter.flush())

    async def _wait_for_release(self) -> None:
        if self._reply.released.is_set():
            return
        if self._splitter.is_ripe:
            await self._say(self._splitter.flush())
        if self._sentences or self.calls:
            await self._reply.released.wait()

    async def _say(self, sentences: list[str]) -> None:
        for sentence in sentences:
            self._sentences.append(sentence)
            self._remember()
            await self._reply.synthesis.say(Sentence(sentence))

    def _remember(self) -> None:
        """Keeps the reply's entry up to date, as the reply may be dropped at any moment."""
        entries = self._reply.entries
        entry = ChatMessage("assistant", self.text, tool_calls=tuple(self.calls))
        if self._entry is None:
            self._entry = len(entries)
            entries.append(entry)
        else:
            entries[self._entry] = entry
