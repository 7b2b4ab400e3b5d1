"""What a conversation is given: its plan, its engines, and the call that it asks for things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from trunkline.conversation.phrases import PhraseCache
from trunkline.conversation.silence import SilencePlan
from trunkline.conversation.tools import ToolRunner
from trunkline.conversation.turn_taking import TurnTaking
from trunkline.core.events import CallEventType
from trunkline.engines.port import ChatMessage, LanguageModel, SpeechToText, TextToSpeech, VoiceDetector
from trunkline.store.rows import EndReason


@dataclass(frozen=True, slots=True)
class ConversationPlan:
    """How the assistant talks in one call.

    Attributes:
        greeting: said first; None lets the caller begin.
        messages: the system prompt and what else the model knows from the start.
        tools: as the assistant document has them, every shape.
        hints: words the ear may expect.
        pronunciation: pairs of a written form and how it is said.
        end_call_phrases: once the assistant has said one of them, the call ends.
        end_call_message: said before the assistant ends the call by its tool.
        queue_ahead_ms: audio queued in the PBX beyond what is being heard.
        fallback_sentence: said where the model gave no reply.
    """

    greeting: str | None
    messages: tuple[ChatMessage, ...]
    turn_taking: TurnTaking = field(default_factory=TurnTaking)
    tools: tuple[Mapping[str, Any], ...] = ()
    temperature: float = 0.7
    max_tokens: int | None = None
    language: str = "en"
    hints: tuple[str, ...] = ()
    pronunciation: tuple[tuple[str, str], ...] = ()
    silence: SilencePlan | None = None
    end_call_phrases: tuple[str, ...] = ()
    end_call_message: str | None = None
    queue_ahead_ms: int = 160
    fallback_sentence: str = "I am sorry, something went wrong on my side. Could you say that again?"


@dataclass(frozen=True, slots=True)
class ConversationEngines:
    """What a conversation hears, thinks and speaks with. `detector` and `model` belong to this call alone."""

    ears: SpeechToText
    detector: VoiceDetector
    model: LanguageModel
    voice: TextToSpeech
    tools: ToolRunner | None = None
    phrases: PhraseCache = field(default_factory=PhraseCache)


class CallSide(Protocol):
    """What a conversation asks of its call. Everything returns at once."""

    def tell(self, type: CallEventType, data: dict[str, Any]) -> None:
        """Passes news on."""
        ...

    def request_end(self, reason: EndReason) -> None:
        """The conversation is over and everything was heard."""
        ...

    def request_transfer(self, destination: str, message: str | None) -> None:
        """The model wants somebody else to take over; `message` is to be said first."""
        ...

    def on_caller_audio(self, frames: bytes, at_s: float) -> None:
        """What the caller said, as it came in."""
        ...

    def on_assistant_audio(self, frames: bytes, at_s: float) -> None:
        """What the caller heard of us, with the monotonic time at which it began to be heard."""
        ...
