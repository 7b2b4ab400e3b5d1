"""The assistant as clients write it: whole, as a patch, once for one call; and as it is answered."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, JsonValue

from trunkline.core.clock import iso_utc
from trunkline.resources.engine_config import (
    REALTIME,
    LlmConfig,
    LlmPatch,
    SttConfig,
    SttPatch,
    TtsConfig,
    TtsPatch,
)
from trunkline.resources.fields import WHOLE, Block, Document, Email, Name, Phrase, ShortText, Url
from trunkline.resources.sealing import masked
from trunkline.resources.speech_config import SpeechConfig
from trunkline.store.rows import AssistantRow

WebhookEvent = Literal["assistant-request", "tool-calls", "status-update", "end-of-call-report"]
DEFAULT_MAX_DURATION_S: Final = 600


class RecordingConsent(Block):
    """Tells callers that they are recorded."""

    enabled: bool = Field(default=False, description="Whether the message is spoken.")
    message: Phrase | None = Field(None, description="Spoken before the greeting.")


class AnalysisMessage(Block):
    """One message of the analysis prompt; may hold `{{schema}}`, `{{transcript}}` and `{{ended_reason}}`."""

    role: Literal["system", "user", "assistant"] = Field(description="Who says it.")
    content: Annotated[str, Field(max_length=200_000)] = Field(description="The text with its placeholders.")


class StructuredDataPlan(Block):
    """What is read out of a finished call."""

    enabled: bool = Field(default=False, description="Whether it is done.")
    schema_: dict[str, Any] | None = Field(None, alias="schema", description="JSON Schema of the result.")
    messages: list[AnalysisMessage] | None = Field(
        None, max_length=50, description="The prompt; a good one is built in."
    )


class AnalysisPlan(Block):
    """What happens after a call; the result is the call's `analysis_result`."""

    structured_data_plan: StructuredDataPlan | None = Field(
        None, description="What is read out of the transcript."
    )
    min_messages_threshold: Annotated[int, WHOLE] = Field(
        2, ge=0, le=1000, description="Shorter conversations are not analysed."
    )


class _Common(Document):
    """What a whole assistant and a patch have alike."""

    business_name: ShortText | None = Field(None, description="On whose behalf it speaks.")
    first_message: Phrase | None = Field(
        None, description="Its greeting; absent or blank: the caller speaks first."
    )
    is_active: bool | None = Field(
        None, description="An inactive assistant takes no calls; true when absent."
    )
    max_duration_seconds: Annotated[int, Field(ge=10, le=43_200), WHOLE] | None = Field(
        None, description="Longest call, from the answer; 600 when absent."
    )
    autonomous_silence_handling: bool | None = Field(
        None, description="Prompts a silent caller, then hangs up."
    )
    silence_timeout_seconds: Annotated[int, Field(ge=1, le=3600), WHOLE] | None = Field(
        None, description="Hangs up after this much silence of both sides."
    )
    voicemail_detection: bool | None = Field(None, description="Outbound: notices that a machine answered.")
    voicemail_message: Phrase | None = Field(
        None, description="Spoken after the beep; absent: hangs up at once."
    )
    gdpr_mode: bool | None = Field(None, description="Keeps no transcript, summary, analysis or recording.")
    recording_consent: RecordingConsent | None = Field(
        None, description="Tells callers that they are recorded."
    )
    notification_emails: list[Email] | None = Field(
        None, max_length=5, description="Who gets a mail after each call."
    )
    webhook_url: Url | None = Field(None, description="Address of this assistant's webhooks.")
    webhook_secret: ShortText | None = Field(None, description="Signs webhooks; answered masked.")
    webhook_events: list[WebhookEvent] | None = Field(
        None, max_length=10, description="Which webhooks are sent; absent: all."
    )
    metadata: dict[str, Any] | None = Field(None, description="Anything of yours; comes back in webhooks.")
    analysis_plan: AnalysisPlan | None = Field(None, description="What happens after a call.")
    speech_config: SpeechConfig | None = Field(None, description="How it behaves in the air.")


class Assistant(_Common):
    """A whole assistant. Every optional field may be null, which is the same as leaving it out."""

    name: Name | None = Field(None, description="How people call it.")
    stt_config: SttConfig | None = Field(None, description="Speech to text; not for realtime models.")
    llm_config: LlmConfig | None = Field(None, description="The language model; needed to take calls.")
    tts_config: TtsConfig | None = Field(None, description="Text to speech; not for realtime models.")


class AssistantCreate(Assistant):
    """A new assistant. Only `name` is needed; the engines can follow."""

    name: Name = Field(description="How people call it.")


_RUNNABLE: Final[list[JsonValue]] = [
    {
        "properties": {
            "llm_config": {
                "required": ["provider"],
                "properties": {"provider": {"enum": [*sorted(REALTIME)]}},
            }
        }
    },
    {
        "required": ["stt_config", "tts_config"],
        "properties": {"stt_config": {"type": "object"}, "tts_config": {"type": "object"}},
    },
]


class TransientAssistant(Assistant):
    """An assistant for one call, not saved. Speech engines are needed beside every model that isn't realtime."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _RUNNABLE})

    llm_config: LlmConfig = Field(description="The language model.")


class AssistantPatch(_Common):
    """What changes: null clears, a block with `provider` replaces, a block without is patched in."""

    name: Name = Field(default_factory=str, description="How people call it.")
    stt_config: SttPatch | None = Field(None, description="Speech to text; not for realtime models.")
    llm_config: LlmPatch | None = Field(None, description="The language model.")
    tts_config: TtsPatch | None = Field(None, description="Text to speech; not for realtime models.")


KEEP_NULL: Final = frozenset({"false_interruption_timeout"})
"""Where null is a value of its own ("never") and not an absence."""


def given(document: Document) -> dict[str, Any]:
    """What the client wrote, checked and normalised, as JSON; nothing that was left out."""
    return document.model_dump(mode="json", by_alias=True, exclude_unset=True)


_DEFAULTS: Final[dict[str, Any]] = {
    "business_name": None,
    "first_message": None,
    "is_active": True,
    "max_duration_seconds": DEFAULT_MAX_DURATION_S,
    "autonomous_silence_handling": False,
    "silence_timeout_seconds": None,
    "voicemail_detection": False,
    "voicemail_message": None,
    "gdpr_mode": False,
    "recording_consent": None,
    "notification_emails": [],
    "webhook_url": None,
    "webhook_secret": None,
    "webhook_events": None,
    "metadata": None,
    "analysis_plan": None,
    "stt_config": None,
    "llm_config": None,
    "tts_config": None,
    "speech_config": None,
}


def render_assistant(row: AssistantRow) -> dict[str, Any]:
    """The assistant as the API answers it: every field, secrets masked."""
    return {
        "id": row.id,
        "name": row.name,
        **_DEFAULTS,
        **masked(row.config),
        "is_active": row.is_active,
        "created_at": iso_utc(row.created_at),
        "updated_at": iso_utc(row.updated_at),
    }
