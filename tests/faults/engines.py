"""Engines without models: a voice of tones, deaf ears, a model and a tool that do what a test wrote down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trunkline.audio.formats import AudioFormat
from trunkline.audio.voice_activity import WebRtcDetector
from trunkline.conversation.plan import ConversationEngines
from trunkline.conversation.tools import WebhookTool
from trunkline.engines.port import ChatRequest, Pcm, ReplyPart, TextDelta, ToolCall
from trunkline.resources.merge import ResolvedAssistant

Script = Callable[[ChatRequest], Sequence[ReplyPart]]
WORD_MS = 200


def echo(request: ChatRequest) -> list[ReplyPart]:
    """Repeats what it was told last."""
    return [TextDelta(f"You said {request.messages[-1].content}")]


class ToneVoice:
    """Every word is a tone of 200 ms."""

    name = "test/tones"

    async def warm_up(self) -> None: ...

    async def speak(self, text: str, rate_hz: int) -> AsyncIterator[Pcm]:
        at = np.arange(WORD_MS * rate_hz // 1000)
        word = (np.sin(2 * np.pi * 440 * at / rate_hz) * 8000).astype(np.int16)
        for _ in text.split():
            yield word
            await asyncio.sleep(0)


class DeafEar:
    """Understands nothing."""

    def push(self, frame: Pcm) -> None: ...

    def start(self, utterance: int, preroll_ms: int) -> None: ...

    def finish(self, utterance: int) -> None: ...

    def resume(self, utterance: int) -> None: ...

    async def close(self) -> None: ...


class DeafEars:
    name = "test/deaf"

    async def warm_up(self) -> None: ...

    async def open(
        self, rate_hz: int, sink: Any, *, language: str = "en", hints: Sequence[str] = ()
    ) -> DeafEar:
        return DeafEar()


class ScriptedModel:
    """Replies as its script says."""

    name = "test/script"

    def __init__(self, script: Script) -> None:
        self._script = script

    async def warm_up(self) -> None: ...

    async def reply(self, request: ChatRequest) -> AsyncIterator[ReplyPart]:
        for part in self._script(request):
            yield part
            await asyncio.sleep(0)


class SlowTool:
    """A server that answers after `seconds`; tells when it was asked, and what became of that."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.answered = 0

    async def run(self, tool: WebhookTool, call: ToolCall, arguments: Mapping[str, Any]) -> str:
        self.asked.set()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.answered += 1
        return "{}"


class ScriptedRoom:
    """An engine room for a whole service, or for one call."""

    def __init__(self, script: Script = echo, tool: SlowTool | None = None) -> None:
        self._script = script
        self._tool = tool

    async def warm_up(self) -> None: ...

    def engines(self, audio: AudioFormat) -> ConversationEngines:
        return ConversationEngines(
            DeafEars(), WebRtcDetector(audio.rate_hz), ScriptedModel(self._script), ToneVoice(), self._tool
        )

    def for_call(self, assistant: ResolvedAssistant, audio: AudioFormat) -> ConversationEngines:
        return self.engines(audio)

    async def close(self) -> None: ...
