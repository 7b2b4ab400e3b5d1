"""The Call object, as answers show it, and the model that documents it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from trunkline.core.clock import iso_utc
from trunkline.store.rows import CallRow, CallStatus, Direction, EndReason

TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
"""How every answer writes a moment: ISO 8601, UTC, milliseconds."""


class Shape(BaseModel):
    """Documents an answer. Answers are rendered as plain dicts; a test holds them to their shape."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Message(Shape):
    """One thing said."""

    role: Literal["assistant", "user", "system"] = Field(description="Who said it.")
    content: str = Field(description="What was said; for the assistant, what was heard of it.")


class HangupObject(Shape):
    """Why the line was cleared."""

    q850: int = Field(description="ITU-T Q.850 cause value; 0 where the PBX told none.", examples=[16])
    sip: int | None = Field(description="Last SIP status, where the PBX told it.", examples=[486])
    cause: str = Field(description="The verdict by name.", examples=["normal_clearing"])


class Call(Shape):
    """One call, from intent to its end."""

    id: str = Field(examples=["call-outbound-a1b2c3d4e5f6"])
    direction: Direction
    status: CallStatus = Field(
        description="`connecting`: being dialled or ringing. Finer detail is in `end_reason`."
    )
    caller_phone: str | None = Field(
        description="The remote party in E.164; null when withheld.", examples=["+31201234567"]
    )
    assistant_phone: str | None = Field(description="Our number.", examples=["+31207654321"])
    phone_number: str | None = Field(description="The same as `assistant_phone`.")
    error: str | None = Field(description="A sentence; null unless the call failed.")
    end_reason: EndReason | None = Field(description="Why it ended; null while it lives.")
    hangup: HangupObject | None = Field(description="The PBX's own words on the end.")
    created_at: str = Field(pattern=TIME)
    updated_at: str = Field(pattern=TIME)
    started_at: str | None = Field(description="When it was answered.", pattern=TIME)
    ended_at: str | None = Field(pattern=TIME)
    duration_seconds: float | None = Field(description="From the answer to the end.")
    summary: str | None
    analysis_result: dict[str, Any] | None
    messages: list[Message] = Field(description="The transcript, as heard.")
    agent_id: str | None = Field(description="The same as `assistant_id`.")
    assistant_id: str | None
    agent_name: str | None
    business_name: str | None
    number_id: str | None
    room_name: str | None
    recording_url: str | None = Field(description="Where the stereo recording is; null until there is one.")
    metadata: dict[str, Any] | None = Field(description="What the request gave.")
    transfer: dict[str, Any] | None = Field(
        description="The last transfer: destination, mode, status, times."
    )
    latency: list[dict[str, Any]] = Field(description="Stage times in milliseconds, one entry a turn.")
    media: dict[str, Any] | None = Field(description="Codec, jitter, loss and MOS as the PBX measured them.")
    warnings: list[str] = Field(description="What was accepted but has no effect.")


_ROLES = frozenset(get_args(Message.model_fields["role"].annotation))


def render_call(row: CallRow, origin: str) -> dict[str, Any]:
    """The full Call object of a record.

    Args:
        row: the record.
        origin: scheme, host and port the client used, for `recording_url`.
    """
    recording = f"{origin}/calls/{quote(row.id, safe='')}/recording" if row.recording_path else None
    return {
        "id": row.id,
        "direction": row.direction,
        "status": row.status,
        "caller_phone": row.caller_phone,
        "assistant_phone": row.assistant_phone,
        "phone_number": row.assistant_phone,
        "error": row.error if row.status == "failed" else None,
        "end_reason": row.end_reason,
        "hangup": row.hangup,
        "created_at": iso_utc(row.created_at),
        "updated_at": iso_utc(row.updated_at),
        "started_at": _time(row.started_at),
        "ended_at": _time(row.ended_at),
        "duration_seconds": row.duration_seconds,
        "summary": row.summary,
        "analysis_result": row.analysis_result,
        "messages": [_message(message) for message in row.messages if message.get("role") in _ROLES],
        "agent_id": row.assistant_id,
        "assistant_id": row.assistant_id,
        "agent_name": row.agent_name,
        "business_name": row.business_name,
        "number_id": row.number_id,
        "room_name": row.room_name,
        "recording_url": recording,
        "metadata": row.metadata,
        "transfer": row.transfer,
        "latency": row.latency,
        "media": row.media,
        "warnings": row.warnings,
    }


def _time(moment: datetime | None) -> str | None:
    return iso_utc(moment) if moment else None


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """`{role, content}` first; what else the transcript keeps (times, interrupted) stays beside it."""
    return {"role": message["role"], "content": str(message.get("content") or ""), **message}
