"""Engines that cost nothing, so that what remains is ours: media, turn-taking, playout, recording.

The ear understands the same words whenever the caller pauses, the model answers with one sentence at once, and the voice
has that sentence as samples from the start. Voice activity is the real one (webrtcvad), as it belongs to our own cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np

from trunkline.audio.formats import AudioFormat
from trunkline.audio.voice_activity import WebRtcDetector
from trunkline.conversation.plan import ConversationEngines
from trunkline.engines.port import ChatRequest, Pcm, ReplyPart, TextDelta, Transcript, TranscriptSink
from trunkline.resources.merge import ResolvedAssistant

SENTENCE = "Certainly, I have noted that for you and somebody will look at it this afternoon."


class FreeEar:
    """Hears the same words in every utterance."""

    def __init__(self, sink: TranscriptSink) -> None:
        self._sink = sink

    def push(self, frame: Pcm) -> None:
        """Drops the frame."""

    def start(self, utterance: int, preroll_ms: int) -> None:
        """Nothing to prepare."""

    def finish(self, utterance: int) -> None:
        """The final comes with the next turn of the loop."""
        final = Transcript(utterance, "I would like to know more about it.", is_final=True)
        asyncio.get_running_loop().call_soon(self._sink.on_transcript, final)

    def resume(self, utterance: int) -> None:
        """Nothing to take back."""

    async def close(self) -> None:
        """Nothing to free."""


class FreeSpeechToText:
    """Makes ears."""

    name = "free/ear"

    async def warm_up(self) -> None:
        """Nothing to load."""

    async def open(
        self, rate_hz: int, sink: TranscriptSink, *, language: str = "en", hints: Sequence[str] = ()
    ) -> FreeEar:
        """An ear for one call."""
        del rate_hz, language, hints
        return FreeEar(sink)


class FreeModel:
    """Always the same sentence."""

    name = "free/model"

    async def warm_up(self) -> None:
        """Nothing to open."""

    async def reply(self, request: ChatRequest) -> AsyncIterator[ReplyPart]:
        """One part."""
        del request
        yield TextDelta(SENTENCE)


class FreeVoice:
    """Any text sounds the same and is there at once."""

    name = "free/voice"

    def __init__(self, speech: Pcm) -> None:
        self._speech = speech

    async def warm_up(self) -> None:
        """Nothing to load."""

    async def speak(self, text: str, rate_hz: int) -> AsyncIterator[Pcm]:
        """One chunk, 8 kHz whatever was asked."""
        del text, rate_hz
        yield self._speech


class FreeEngineRoom:
    """What the service asks for its engines."""

    def __init__(self, speech: bytes) -> None:
        self._voice = FreeVoice(np.frombuffer(speech, np.int16))

    async def warm_up(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    def for_call(self, assistant: ResolvedAssistant, audio: AudioFormat) -> ConversationEngines:
        """The same for every assistant."""
        del assistant
        return ConversationEngines(
            ears=FreeSpeechToText(),
            detector=WebRtcDetector(audio.rate_hz),
            model=FreeModel(),
            voice=self._voice,
            tools=None,
        )
