"""From a resolved assistant to the plan of one conversation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from trunkline.conversation.plan import ConversationPlan
from trunkline.conversation.silence import SilencePlan
from trunkline.conversation.turn_taking import TurnTaking
from trunkline.engines.port import ChatMessage
from trunkline.resources.merge import ResolvedAssistant
from trunkline.resources.speech_config import SilenceConfig, SpeechConfig, TurnTakingConfig

_DEFAULT_PROMPTS: Final = ("Are you still there?", "Hello? Can you hear me?")
_DEFAULT_FAREWELL: Final = "I can not hear you, so I will hang up now. Goodbye."


def conversation_plan(
    assistant: ResolvedAssistant, *, queue_ahead_ms: int, metadata: dict[str, Any] | None = None
) -> ConversationPlan:
    """What the conversation needs to know, every default filled in.

    Args:
        assistant: merged and checked.
        queue_ahead_ms: audio queued in the PBX beyond what is heard.
        metadata: the request's; its strings fill `{{name}}` placeholders of greeting and prompts.
    """
    document = assistant.document
    llm = document.llm_config
    assert llm is not None, "resolve() lets no assistant without a language model through"
    speech = document.speech_config or SpeechConfig()
    names = {key: value for key, value in (metadata or {}).items() if isinstance(value, str)}
    return ConversationPlan(
        greeting=_filled(_greeting(assistant), names),
        messages=tuple(_messages(assistant, names)),
        turn_taking=_turn_taking(speech.turn_taking or TurnTakingConfig()),
        tools=tuple(assistant.tools),
        temperature=0.7 if llm.temperature is None else llm.temperature,
        max_tokens=llm.max_completion_tokens,
        language=document.stt_config.language if document.stt_config else "en",
        hints=tuple((document.stt_config.keyterms or ()) if document.stt_config else ()),
        pronunciation=tuple((entry.from_, entry.to) for entry in speech.pronunciation or ()),
        silence=_silence(assistant, speech.silence or SilenceConfig()),
        end_call_phrases=tuple(speech.end_call_phrases or ()),
        end_call_message=speech.end_call_message,
        queue_ahead_ms=queue_ahead_ms,
    )


def _greeting(assistant: ResolvedAssistant) -> str | None:
    """The notice of recording, where it is asked for, comes before the first word of talk."""
    consent = assistant.document.recording_consent
    notice = consent.message if consent is not None and consent.enabled else None
    said = [text for text in (notice, assistant.greeting) if text]
    return " ".join(said) or None


def _messages(assistant: ResolvedAssistant, names: dict[str, str]) -> Sequence[ChatMessage]:
    llm = assistant.document.llm_config
    assert llm is not None
    started = [
        ChatMessage(message.role, _filled(message.content, names) or "") for message in llm.messages or ()
    ]
    return [*started, ChatMessage("system", assistant.context)] if assistant.context else started


def _turn_taking(config: TurnTakingConfig) -> TurnTaking:
    return TurnTaking(
        endpointing_min_delay=config.endpointing_min_delay,
        endpointing_max_delay=max(config.endpointing_min_delay, config.endpointing_max_delay),
        interruption_min_duration=config.interruption_min_duration,
        interruption_min_words=config.interruption_min_words,
        false_interruption_timeout=config.false_interruption_timeout,
    )


def _silence(assistant: ResolvedAssistant, config: SilenceConfig) -> SilencePlan | None:
    if not assistant.document.autonomous_silence_handling:
        return None
    return SilencePlan(
        messages=tuple(config.messages or _DEFAULT_PROMPTS),
        final_message=config.final_message or _DEFAULT_FAREWELL,
        first_check_seconds=config.first_check_seconds,
        interval_seconds=config.interval_seconds,
        max_attempts=config.max_attempts,
    )


def _filled(text: str | None, names: dict[str, str]) -> str | None:
    for name, value in names.items():
        text = text.replace("{{" + name + "}}", value) if text else text
    return text
