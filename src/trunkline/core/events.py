"""What a call tells the world while it lives: one catalogue for live streams, webhooks and the console."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from trunkline.core.ids import CallId, OrganizationId

CallEventType = Literal[
    "ringing",  # data: {}
    "early_media",  # data: {}
    "in-progress",  # data: {}                               the far side answered
    "transcript",  # data: {role, content, start_ms, end_ms, interrupted}     final, as heard
    "partial",  # data: {role: "user", content}          may still change
    "turn",  # data: one TurnLatency as JSON
    "barge_in",  # data: {stop_ms, heard}
    "engine_failed",  # data: {engine: "ears"|"model"|"voice", error}   the talk went on without it
    "control",  # data: {type}                           a command reached the call
    "transferring",  # data: {destination, mode}
    "transferred",  # data: {destination, mode}
    "transfer_failed",  # data: {destination, mode, error}
    "ended",  # data: {status, end_reason, error, hangup}   always the last one
]


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One thing that happened, in order within its call (`seq` starts at 1 and has no gaps)."""

    organization_id: OrganizationId
    call_id: CallId
    seq: int
    at: datetime
    type: CallEventType
    data: dict[str, Any] = field(default_factory=dict)
