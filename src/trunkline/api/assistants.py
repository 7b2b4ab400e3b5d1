"""`/assistants`, and `/agents`, its older name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from pydantic import Field

from trunkline.api.crud import Resource, crud
from trunkline.api.operation import Operation
from trunkline.api.render_call import TIME
from trunkline.resources.assistant import Assistant, AssistantCreate, AssistantPatch


class SavedAssistant(Assistant):
    """An assistant as it is kept; secrets are masked."""

    id: str = Field(description="Its id.")
    name: str = Field(description="How people call it.")
    is_active: bool = Field(description="An inactive assistant takes no calls.")
    created_at: str = Field(description="When it was created.", pattern=TIME)
    updated_at: str = Field(description="When it was changed last.", pattern=TIME)


_DESK: Final = {
    "name": "Desk",
    "first_message": "Good morning, this is the clinic. How can I help?",
    "stt_config": {"provider": "whisper", "model": "tiny.en", "language": "en"},
    "llm_config": {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "You are the desk of a clinic. Keep it short."}],
    },
    "tts_config": {"provider": "hibari", "voice_id": "default"},
}
_ASSISTANTS: Final = Resource(
    path="/assistants",
    tag="Assistants",
    noun="assistant",
    service=lambda services: services.assistants,
    create=AssistantCreate,
    patch=AssistantPatch,
    shape=SavedAssistant,
    one=("assistant",),
    many=("assistants",),
    examples={"The desk of a clinic": _DESK, "A name is enough": {"name": "Night desk"}},
)
_AGENTS: Final = replace(
    _ASSISTANTS,
    path="/agents",
    tag="Agents",
    noun="agent",
    one=("agent", "assistant"),
    many=("agents", "assistants"),
)

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (*crud(_ASSISTANTS), *crud(_AGENTS))
