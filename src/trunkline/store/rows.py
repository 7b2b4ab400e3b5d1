"""What the store keeps, a frozen dataclass a table. No behaviour; JSON columns hold plain dicts and lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from trunkline.core.ids import CallId, OrganizationId, TrunkId

CallStatus = Literal["connecting", "in-progress", "ended", "failed"]
Direction = Literal["inbound", "outbound"]
EndReason = Literal[
    "user_hangup",
    "assistant_hangup",
    "api_end_call",
    "transferred",
    "max_duration",
    "silence_timeout",
    "voicemail",
    "no_answer",
    "busy",
    "declined",
    "invalid_number",
    "dial_failed",
    "carrier_blocked",
    "rejected",
    "pbx_lost",
    "error",
]


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """A tenant. Everything else belongs to one."""

    id: OrganizationId
    name: str
    created_at: datetime
    parent_id: OrganizationId | None = None


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """A key, by its SHA-256; the value itself was shown once and is not kept. `prefix` is what lists show."""

    id: str
    organization_id: OrganizationId
    name: str
    prefix: str
    sha256: str
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AssistantRow:
    """An assistant; `config` is the validated document as JSON, secrets left out or encrypted."""

    id: str
    organization_id: OrganizationId
    name: str
    is_active: bool
    config: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TrunkRow:
    """A SIP trunk. `secret` is the encrypted password."""

    id: TrunkId
    organization_id: OrganizationId
    name: str
    config: dict[str, Any]
    secret: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A number of ours (a DID). Calls leave on `outbound_trunk_id`, or else on `transfer_trunk_id`."""

    id: str
    organization_id: OrganizationId
    phone_number: str
    name: str | None
    assistant_id: str | None
    transfer_trunk_id: TrunkId | None
    outbound_trunk_id: TrunkId | None
    is_active: bool
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call, from intent to its end.

    Attributes:
        assistant: the resolved configuration it ran with.
        hangup: `{q850, sip, cause}` once ended.
        transfer: `{destination, mode, status, started_at, answered_at, ended_at, ...}` of the last transfer.
        latency: stage times in milliseconds, one entry a turn.
        media: `{codec, jitter_ms, loss_percent, mos, ...}`.
        recording_path: file name in the recordings folder.
        node, caller_leg_id, bridge_id: where it lives on the PBX, for recovery.
    """

    id: CallId
    organization_id: OrganizationId
    direction: Direction
    status: CallStatus
    created_at: datetime
    updated_at: datetime
    caller_phone: str | None = None
    assistant_phone: str | None = None
    room_name: str | None = None
    number_id: str | None = None
    trunk_id: TrunkId | None = None
    assistant_id: str | None = None
    agent_name: str | None = None
    business_name: str | None = None
    assistant: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    end_reason: EndReason | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    summary: str | None = None
    analysis_result: dict[str, Any] | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    hangup: dict[str, Any] | None = None
    transfer: dict[str, Any] | None = None
    latency: list[dict[str, Any]] = field(default_factory=list)
    media: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    recording_path: str | None = None
    node: str | None = None
    caller_leg_id: str | None = None
    bridge_id: str | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyRow:
    """The first answer to a key, replayed to repeats. `status` and `body` are None while the first still runs."""

    organization_id: OrganizationId
    endpoint: str
    key: str
    body_sha256: str
    created_at: datetime
    status: int | None = None
    body: str | None = None
