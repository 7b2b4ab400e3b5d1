"""A stage for one talk in virtual time: a scripted caller, fake engines with declared delays, a channel that plays in real time.

Sound carries its meaning: what caller or assistant say has a sample value of its own for each text, so the fake ear hears
only what was really sent to it, and the stage knows what the caller's phone really played, and when.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tests.unit.conversation.virtual_time import LoopClock, run_virtual

from trunkline.audio.formats import SLIN_8K
from trunkline.conversation.plan import ConversationEngines, ConversationPlan
from trunkline.conversation.session import Conversation
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import LegId
from trunkline.engines.port import ChatMessage, ChatRequest, Pcm, ReplyPart, TextDelta, ToolCall, Transcript

FRAME_S = 0.02
SAMPLES = SLIN_8K.frame_samples
NOISE = 30_000
"""Sample value of a sound without words."""


# --- the caller -------------------------------------------------------------------------------------------------------


@dataclass
class Words:
    """What the ear makes of sample values: text by value, spoken at an even pace."""

    texts: dict[int, str] = field(default_factory=dict)
    frames: dict[int, int] = field(default_factory=dict)

    def value(self, text: str, seconds: float) -> int:
        value = 2000 + 10 * len(self.texts)
        self.texts[value] = text
        self.frames[value] = round(seconds / FRAME_S)
        return value

    def heard(self, values: Sequence[int]) -> str:
        """The words of which most was heard."""
        parts = []
        for value, text in self.texts.items():
            count = sum(1 for each in values if each == value)
            words = text.split()
            share = min(1.0, (count + 1) / self.frames[value]) if count else 0.0
            parts.append(" ".join(words[: round(len(words) * share)]))
        return " ".join(part for part in parts if part)


class FakeEar:
    """Transcribes by looking words up; a final takes `final_s`, partials come every `partial_s`."""

    def __init__(self, ears: FakeEars, sink: Any) -> None:
        self.ears = ears
        self.sink = sink
        self.values: list[int] = []
        self.start_at: dict[int, int] = {}
        self.log: list[tuple[str, int]] = []
        self.open_utterance: int | None = None
        self.final: asyncio.TimerHandle | None = None
        self.is_closed = False

    def push(self, frame: Pcm) -> None:
        self.values.append(int(frame[0]))
        utterance = self.open_utterance
        if utterance is not None and self.ears.partial_s:
            since = len(self.values) - self.start_at[utterance]
            if since and since % round(self.ears.partial_s / FRAME_S) == 0:
                self._tell(utterance, is_final=False)

    def start(self, utterance: int, preroll_ms: int) -> None:
        self.log.append(("start", utterance))
        self.start_at[utterance] = max(0, len(self.values) - preroll_ms // 20)
        self.open_utterance = utterance

    def finish(self, utterance: int) -> None:
        self.log.append(("finish", utterance))
        self.open_utterance = None
        self.final = asyncio.get_running_loop().call_later(self.ears.final_s, self._finish, utterance)

    def resume(self, utterance: int) -> None:
        self.log.append(("resume", utterance))
        self.open_utterance = utterance
        if self.final is not None:
            self.final.cancel()

    async def close(self) -> None:
        self.is_closed = True
        if self.final is not None:
            self.final.cancel()

    def _finish(self, utterance: int) -> None:
        if self.ears.fails:
            self.sink.on_transcription_failed(utterance, UpstreamError("fake ears failed"))
        else:
            self._tell(utterance, is_final=True)

    def _tell(self, utterance: int, *, is_final: bool) -> None:
        text = self.ears.words.heard(self.values[self.start_at[utterance] :])
        self.sink.on_transcript(Transcript(utterance, text, is_final))


@dataclass
class FakeEars:
    words: Words
    final_s: float = 0.1
    partial_s: float = 0.4
    fails: bool = False
    refusals: int = 0
    ear: FakeEar | None = None
    name: str = "fake/ears"

    async def warm_up(self) -> None: ...

    async def open(
        self, rate_hz: int, sink: Any, *, language: str = "en", hints: Sequence[str] = ()
    ) -> FakeEar:
        if self.refusals:
            self.refusals -= 1
            raise UpstreamError("fake ears are not there")
        self.ear = FakeEar(self, sink)
        return self.ear


class FakeDetector:
    def push(self, frame: Pcm) -> float:
        return 1.0 if frame[0] else 0.0

    def reset(self) -> None: ...


# --- the assistant ----------------------------------------------------------------------------------------------------

Script = Callable[[ChatRequest], Sequence[ReplyPart | float | Exception]]


def text_of(*parts: str) -> list[ReplyPart]:
    return [TextDelta(part) for part in parts]


@dataclass
class FakeModel:
    """Replies by script: parts, pauses in seconds, failures. Remembers what it was asked, and what was read to its end."""

    script: Script
    first_s: float = 0.05
    requests: list[ChatRequest] = field(default_factory=list)
    completed: int = 0
    name: str = "fake/model"

    async def warm_up(self) -> None: ...

    async def reply(self, request: ChatRequest) -> AsyncIterator[ReplyPart]:
        self.requests.append(request)
        await asyncio.sleep(self.first_s)
        for part in self.script(request):
            if isinstance(part, Exception):
                raise part
            if isinstance(part, float):
                await asyncio.sleep(part)
            else:
                yield part
        self.completed += 1

    def last_user(self, index: int = -1) -> str:
        return next(m.content for m in reversed(self.requests[index].messages) if m.role == "user")


@dataclass
class FakeVoice:
    """A word is `word_ms` long; the first sound takes `first_s`."""

    first_s: float = 0.02
    word_ms: int = 300
    failing: str = "\0"
    spoken: list[str] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    name: str = "fake/voice"

    async def warm_up(self) -> None: ...

    async def speak(self, text: str, rate_hz: int) -> AsyncIterator[Pcm]:
        self.spoken.append(text)
        await asyncio.sleep(self.first_s)
        if self.failing in text:
            raise UpstreamError("fake voice failed")
        value = len(self.spoken)
        self.texts[value] = text
        for _ in text.split():
            yield np.full(self.word_ms * rate_hz // 1000, value, np.int16)


# --- the line ---------------------------------------------------------------------------------------------------------


class FakeChannel:
    """Plays one frame each 20 ms, answers marks when they are reached, drops its queue on a flush after `flush_s`."""

    def __init__(self, flush_s: float = 0.01) -> None:
        self.leg_id = LegId("media")
        self.audio = SLIN_8K
        self.sink: Any = None
        self.flush_s = flush_s
        self.queue: list[bytes | str] = []
        self.played: list[tuple[float, int]] = []
        self.longest_queue = 0
        self.answers_marks = True
        self.is_gone = False
        self._ticker = asyncio.get_running_loop().call_later(FRAME_S, self._tick)

    async def send(self, frames: bytes) -> None:
        if self.is_gone:
            raise UpstreamError("the channel is gone")
        assert frames and len(frames) % self.audio.frame_bytes == 0
        size = self.audio.frame_bytes
        self.queue += [frames[at : at + size] for at in range(0, len(frames), size)]
        self.longest_queue = max(self.longest_queue, sum(1 for each in self.queue if isinstance(each, bytes)))

    async def mark(self, mark_id: str) -> None:
        if self.is_gone:
            raise UpstreamError("the channel is gone")
        self.queue.append(mark_id)

    async def flush(self) -> None:
        await asyncio.sleep(self.flush_s)
        self.queue.clear()

    async def close(self) -> None:
        self._ticker.cancel()

    def cut(self) -> None:
        self.is_gone = True
        self.queue.clear()
        self._ticker.cancel()
        self.sink.on_lost("cut")

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._ticker = loop.call_at(self._ticker.when() + FRAME_S, self._tick)
        while self.queue and isinstance(self.queue[0], str):
            self._mark(self.queue.pop(0))
        if self.queue:
            frame = self.queue.pop(0)
            assert isinstance(frame, bytes)
            self.played.append((loop.time(), int(np.frombuffer(frame, "<i2").max())))
            while self.queue and isinstance(self.queue[0], str):
                self._mark(self.queue.pop(0))

    def _mark(self, mark_id: Any) -> None:
        if self.answers_marks:
            asyncio.get_running_loop().call_soon(self.sink.on_mark, mark_id)


@dataclass
class FakeCall:
    """Takes down what the conversation asks of its call."""

    told: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    ends: list[tuple[float, str]] = field(default_factory=list)
    transfers: list[tuple[str, str | None]] = field(default_factory=list)
    caller_bytes: int = 0
    assistant: list[tuple[float, bytes]] = field(default_factory=list)

    def tell(self, type: str, data: dict[str, Any]) -> None:
        self.told.append((asyncio.get_running_loop().time(), type, data))

    def request_end(self, reason: str) -> None:
        self.ends.append((asyncio.get_running_loop().time(), reason))

    def request_transfer(self, destination: str, message: str | None) -> None:
        self.transfers.append((destination, message))

    def on_caller_audio(self, frames: bytes, at_s: float) -> None:
        self.caller_bytes += len(frames)

    def on_assistant_audio(self, frames: bytes, at_s: float) -> None:
        self.assistant.append((at_s, frames))

    def of(self, type: str) -> list[dict[str, Any]]:
        return [data for _, kind, data in self.told if kind == type]


# --- the stage --------------------------------------------------------------------------------------------------------


class Stage:
    """One talk: the conversation, everything around it, and what was heard."""

    def __init__(self, plan: ConversationPlan, script: Script, tools: Any = None) -> None:
        self.words = Words()
        self.ears = FakeEars(self.words)
        self.model = FakeModel(script)
        self.voice = FakeVoice()
        self.call = FakeCall()
        self.clock = LoopClock()
        self.channel = FakeChannel()
        engines = ConversationEngines(self.ears, FakeDetector(), self.model, self.voice, tools)
        self.conversation = Conversation(
            plan, engines=engines, audio=SLIN_8K, call=self.call, clock=self.clock
        )
        self.connect(self.channel)
        self.is_sending = True
        self._sound: list[int] = []
        self._line: asyncio.Task[None] | None = None

    def connect(self, channel: FakeChannel) -> None:
        self.channel = channel
        channel.sink = self.conversation
        self.conversation.attach(channel)

    async def answer(self, ring_s: float = 1.0) -> None:
        """Rings, then answers; from now on the caller's phone sends."""
        await self.conversation.prepare()
        self._line = asyncio.create_task(self._send(), name="line")
        await asyncio.sleep(ring_s)
        self.conversation.start()

    async def caller_says(self, text: str, seconds: float) -> None:
        """Returns when the last sound was sent."""
        await self._sounds(self.words.value(text, seconds), seconds)

    async def caller_coughs(self, seconds: float) -> None:
        await self._sounds(NOISE, seconds)

    async def hang_up(self) -> None:
        await self.conversation.stop()
        if self._line is not None:
            self._line.cancel()
            await asyncio.gather(self._line, return_exceptions=True)
        await self.channel.close()

    async def _sounds(self, value: int, seconds: float) -> None:
        self._sound += [value] * round(seconds / FRAME_S)
        while self._sound:
            await asyncio.sleep(FRAME_S)

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time()
        while True:
            value = self._sound.pop(0) if self._sound else 0
            if self.is_sending:
                self.conversation.on_audio(np.full(SAMPLES, value, "<i2").tobytes())
            at += FRAME_S
            await asyncio.sleep(at - loop.time())

    # --- what happened ------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def lines(self) -> list[tuple[str, str]]:
        return [(line["role"], line["content"]) for line in self.conversation.transcript()]

    def heard_between(self, start: float, end: float) -> float:
        """Seconds of our sound that the caller's phone played in between."""
        return sum(FRAME_S for at, value in self.channel.played if value and start <= at < end)

    def first_heard_after(self, start: float) -> float:
        return next(at for at, value in self.channel.played if value and at >= start)

    def state(self) -> str:
        return self.conversation._floor.state.value


def play(scene: Callable[[], Any]) -> None:
    """Runs a scene in virtual time."""
    run_virtual(scene())


def plan(**changes: Any) -> ConversationPlan:
    values: dict[str, Any] = {"greeting": None, "messages": (ChatMessage("system", "Be kind."),)}
    return ConversationPlan(**(values | changes))


def echo(request: ChatRequest) -> list[ReplyPart]:
    """A model that repeats what it was told last."""
    last = request.messages[-1]
    return text_of(f"You said {last.content}")


__all__ = ["FakeCall", "FakeChannel", "Stage", "ToolCall", "echo", "plan", "play", "text_of"]
