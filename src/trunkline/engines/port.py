"""What speech and language engines can do for a conversation.

Promises that every implementation keeps (tests/contract/engines holds each to them):

1. Nothing blocks the event loop: work over 1 ms runs in the bounded executor that the engine was given.
2. Cancelling is how a barge-in ends them: closing an iterator or cancelling the awaiting task frees what it used at once.
3. Failures are `UpstreamError` (with `retryable`) and name the provider, never a key, a prompt or a transcript.
4. Audio is `int16` samples, mono, at the rate agreed when the stream was opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

# --- voice activity ---------------------------------------------------------------------------------------------------


class VoiceDetector(Protocol):
    """Scores speech in a stream; keeps state, so one instance a leg. Pure computation, tens of microseconds a frame."""

    def push(self, frame: Pcm) -> float:
        """Takes the next 20 ms and returns the newest probability of speech, 0 to 1."""
        ...

    def reset(self) -> None:
        """Forgets the stream so far."""
        ...


# --- speech to text ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was understood of one utterance.

    Attributes:
        utterance: the number that `start` gave.
        is_final: false for a partial, which a later one replaces whole.
        confidence: 0 to 1 where the engine tells; None otherwise.
        decode_ms: how long the engine took for this one.
    """

    utterance: int
    text: str
    is_final: bool
    confidence: float | None = None
    decode_ms: float = 0.0


class TranscriptSink(Protocol):
    """Who listens to a transcription; called on the event loop."""

    def on_transcript(self, transcript: Transcript) -> None:
        """A partial or a final one. After the final of an utterance comes nothing more of that utterance."""
        ...

    def on_transcription_failed(self, utterance: int, error: Exception) -> None:
        """This utterance will get no (further) transcript."""
        ...


class Transcription(Protocol):
    """One caller's ear: fed all audio in order; voice activity tells it where utterances begin and end."""

    def push(self, frame: Pcm) -> None:
        """The next 20 ms. Returns at once."""
        ...

    def start(self, utterance: int, preroll_ms: int) -> None:
        """Speech began `preroll_ms` before now. Partials may come from here on."""
        ...

    def finish(self, utterance: int) -> None:
        """Speech paused: a final transcript of everything since `start` is wanted as soon as possible.

        `resume` may follow when the caller goes on within the same turn; the final given meanwhile is then superseded.
        """
        ...

    def resume(self, utterance: int) -> None:
        """The same utterance goes on: a new `finish` will give a final that covers all of it."""
        ...

    async def close(self) -> None:
        """Frees what it holds. Idempotent."""
        ...


class SpeechToText(Protocol):
    """A recogniser, shared by calls."""

    @property
    def name(self) -> str:
        """`provider/model`, for records and metrics."""
        ...

    async def warm_up(self) -> None:
        """Loads models or opens connections, so that the first call is as fast as the second."""
        ...

    async def open(
        self, rate_hz: int, sink: TranscriptSink, *, language: str = "en", hints: Sequence[str] = ()
    ) -> Transcription:
        """An ear for one call. `hints` are words to expect."""
        ...


# --- language model ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool run. `arguments` is the model's own JSON text, not yet trusted."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One entry of the model's memory. `tool_call_id` only with role `tool`; `tool_calls` only with `assistant`."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_call_id: str | None = None
    tool_calls: Sequence[ToolCall] = ()


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it. `parameters` is JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Everything a reply is made from."""

    messages: Sequence[ChatMessage]
    tools: Sequence[ToolSpec] = ()
    temperature: float = 0.7
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the reply's text, to be spoken."""

    text: str


ReplyPart = TextDelta | ToolCall


class LanguageModel(Protocol):
    """Makes replies. One instance a call, as some keep a call's state (the flow engine does)."""

    @property
    def name(self) -> str:
        """`provider/model`."""
        ...

    async def warm_up(self) -> None:
        """Opens connections."""
        ...

    def reply(self, request: ChatRequest) -> AsyncIterator[ReplyPart]:
        """Streams the reply; tool calls come whole, after the text. Closing the iterator cancels.

        An engine with state of its own changes it only when the iterator was read to its end.
        """
        ...


# --- text to speech ---------------------------------------------------------------------------------------------------


class TextToSpeech(Protocol):
    """A voice, shared by calls."""

    @property
    def name(self) -> str:
        """`provider/voice`."""
        ...

    async def warm_up(self) -> None:
        """Loads the voice."""
        ...

    def speak(self, text: str, rate_hz: int) -> AsyncIterator[Pcm]:
        """Streams the text as samples at `rate_hz`, in chunks of any size. Closing the iterator cancels."""
        ...
