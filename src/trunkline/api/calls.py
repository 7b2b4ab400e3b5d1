"""`/calls`: list, get, dial, control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field

from trunkline.api.operation import Answer, Ask, Operation
from trunkline.api.render_call import Call, Shape, render_call
from trunkline.calls.requests import (
    CONTROL_COMMANDS,
    CallsQuery,
    ControlCommand,
    OutboundRequest,
    parse_control,
)

_TAG: Final = "Calls"
_DEPRECATED_SINCE: Final = "@1767225600"
"""RFC 9745: the moment from which the older names are deprecated, 2026-01-01."""


class Pagination(Shape):
    """Where this page is."""

    total: int = Field(ge=0, description="Calls that match, on all pages.")
    limit: int
    offset: int


class CallPage(Shape):
    """A page of calls, newest first."""

    calls: list[Call]
    pagination: Pagination


class Dialing(Shape):
    """The call was stored and handed to the PBX."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    success: Literal[True]
    call_id: str = Field(pattern=r"^call-outbound-[a-z0-9]{12}$")
    room_name: str = Field(pattern=r"^outbound-[a-z0-9]{8}$")
    status: Literal["dialing"]
    warnings: list[str] | None = Field(None, description="What was accepted but has no effect.")


class Sent(Shape):
    """The command is with the call."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    success: Literal[True]
    message: Literal["Command sent successfully"]
    warnings: list[str] | None = Field(None, description="What may not work on this call.")


async def list_calls(ask: Ask[None, CallsQuery]) -> Answer:
    """One page of the organization's calls."""
    rows, total = await ask.services.calls.list(ask.organization_id, ask.query)
    page = {"total": total, "limit": ask.query.limit, "offset": ask.query.offset}
    return Answer({"calls": [render_call(row, ask.origin) for row in rows], "pagination": page})


async def get_call(ask: Ask[None, None]) -> Answer:
    """One call, bare."""
    return Answer(render_call(await ask.services.calls.get(ask.organization_id, ask.id), ask.origin))


async def place_call(ask: Ask[OutboundRequest, None]) -> Answer:
    """Dials."""
    placed = await ask.services.calls.place(ask.organization_id, ask.body, ask.claim)
    body = {"success": True, "call_id": placed.call_id, "room_name": placed.room_name, "status": "dialing"}
    return Answer(_warned(body, placed.warnings), headers=_deprecation(ask.body.deprecated_fields))


async def control_call(ask: Ask[ControlCommand, None]) -> Answer:
    """Hands a command to a live call."""
    warnings = await ask.services.calls.control(ask.organization_id, ask.id, ask.body)
    return Answer(_warned({"success": True, "message": "Command sent successfully"}, warnings))


async def cancel_call(ask: Ask[None, None]) -> Answer:
    """Gives a call up, even while it rings."""
    await ask.services.calls.cancel(ask.organization_id, ask.id)
    return Answer({"success": True, "message": "Command sent successfully"})


def _warned(body: dict[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    return {**body, "warnings": list(warnings)} if warnings else body


def _deprecation(fields: Sequence[str]) -> dict[str, str]:
    return {"Deprecation": _DEPRECATED_SINCE} if fields else {}


_PIPELINE: Final = {
    "name": "Desk",
    "stt_config": {"provider": "whisper", "model": "tiny.en", "language": "en"},
    "llm_config": {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "You are the desk of a clinic."}],
    },
    "tts_config": {"provider": "hibari", "voice_id": "default"},
}
_DIAL_EXAMPLES: Final = {
    "A saved assistant": {
        "destination": "+31201234567",
        "assistant_id": "4f0f2c1e-8a6b-4c1d-9c55-0d5f3f9a1b22",
    },
    "An assistant for this call alone": {
        "destination": "+31201234567",
        "assistant": _PIPELINE,
        "metadata": {"ticket": "4711"},
    },
    "A saved assistant, changed for this call": {
        "destination": "+31201234567",
        "assistant_id": "4f0f2c1e-8a6b-4c1d-9c55-0d5f3f9a1b22",
        "assistant_override": {"llm_config": {"temperature": 0.2}},
        "first_message": "Good morning, this is the clinic.",
    },
}
_CONTROL_EXAMPLES: Final = {
    "Tell the model something": {
        "type": "inject-context",
        "content": "The customer is a VIP.",
        "trigger_response": True,
    },
    "Say these words": {"type": "say", "content": "One moment, please.", "end_after": False},
    "Hang up": {"type": "end-call", "message": "Goodbye."},
    "Transfer": {"type": "transfer", "destination": "+31207654321", "message": "I'm putting you through."},
}
_OF_A_CALL: Final = {
    "get": ("getCall", "/call_id"),
    "control": ("controlCall", "/call_id"),
    "cancel": ("cancelCall", "/call_id"),
    "events": ("followCall", "/call_id"),
    "recording": ("getRecording", "/call_id"),
}

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        "/calls",
        "listCalls",
        _TAG,
        "List calls, newest first",
        list_calls,
        query=CallsQuery,
        answer=CallPage,
    ),
    Operation(
        "POST",
        "/calls/outbound",
        "placeCall",
        _TAG,
        "Dial a number",
        place_call,
        description="Answers once the call is stored and handed to the PBX, not when it is answered. Exactly one of a saved "
        "assistant, an assistant for this call alone, or a saved assistant with an override.",
        body=OutboundRequest,
        answer=Dialing,
        errors=(404, 429, 502, 503),
        examples=_DIAL_EXAMPLES,
        links=_OF_A_CALL,
    ),
    Operation("GET", "/calls/{id}", "getCall", _TAG, "Get a call", get_call, answer=Call),
    Operation(
        "POST",
        "/calls/{id}/control",
        "controlCall",
        _TAG,
        "Command a call in progress",
        control_call,
        description="Answers once the command is with the call, not once it is done. Only while the call is `in-progress`.",
        body=CONTROL_COMMANDS,
        read=parse_control,
        answer=Sent,
        errors=(502,),
        limited_by_call=True,
        examples=_CONTROL_EXAMPLES,
    ),
    Operation(
        "POST",
        "/calls/{id}/cancel",
        "cancelCall",
        _TAG,
        "Give a call up",
        cancel_call,
        description="Ends a call that still rings, which `end-call` can't; one that was answered is hung up without a word.",
        answer=Sent,
        errors=(502,),
        limited_by_call=True,
    ),
)
