"""From a request to a call that can be dialled: assistant, number, trunk, policy.

Everything that can be refused is refused here, before anything is stored or dialled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trunkline.audio.formats import AudioFormat
from trunkline.calls.dial_policy import DialPolicy, check_destination
from trunkline.calls.order import CallOrder, leg_audio
from trunkline.calls.planning import conversation_plan
from trunkline.calls.requests import OutboundRequest
from trunkline.conversation.plan import ConversationEngines
from trunkline.core.clock import Clock
from trunkline.core.ids import (
    BridgeId,
    Choose,
    LegId,
    OrganizationId,
    new_leg_id,
    new_outbound_call_id,
    new_room_name,
)
from trunkline.core.numbers import E164
from trunkline.resources.assistants import AssistantService
from trunkline.resources.merge import ResolvedAssistant
from trunkline.resources.numbers import NumberService, OutboundLine
from trunkline.resources.trunk import DEFAULTS as TRUNK_DEFAULTS
from trunkline.settings import Settings
from trunkline.store.rows import CallRow, NumberRow


class EngineRoom(Protocol):
    """Where conversations get their engines."""

    async def warm_up(self) -> None:
        """Loads what every call needs."""
        ...

    def for_call(self, assistant: ResolvedAssistant, audio: AudioFormat) -> ConversationEngines:
        """Engines for one call.

        Raises:
            InvalidField: a provider that can't be used here, or lacks its key; names the block.
        """
        ...

    async def close(self) -> None:
        """Frees connections, models and threads."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that may be dialled."""

    order: CallOrder
    row: CallRow
    engines: ConversationEngines
    max_channels: int | None
    warnings: tuple[str, ...]


async def prepare(
    organization_id: OrganizationId,
    request: OutboundRequest,
    *,
    assistants: AssistantService,
    numbers: NumberService,
    engines: EngineRoom,
    settings: Settings,
    clock: Clock,
    choose: Choose,
) -> Prepared:
    """Resolves a request.

    Raises:
        InvalidField, NotFound: what is wrong with it.
    """
    check_destination(E164(request.destination), policy(settings))
    assistant = await assistants.resolve(organization_id, request.choice)
    line = await numbers.choose(organization_id, request.number_id)
    trunk = {**TRUNK_DEFAULTS, **line.trunk.config}
    audio = leg_audio(trunk["codecs"], wideband=settings.media.wideband)
    chosen = engines.for_call(assistant, audio)
    order = _order(
        organization_id,
        request,
        assistant=assistant,
        line=line,
        audio=audio,
        settings=settings,
        choose=choose,
    )
    return Prepared(
        order=order,
        row=_row(
            order,
            request,
            assistant=assistant,
            number=line.number,
            settings=settings,
            clock=clock,
            choose=choose,
        ),
        engines=chosen,
        max_channels=trunk["max_channels"],
        warnings=assistant.warnings,
    )


def policy(settings: Settings) -> DialPolicy:
    """The operator's dial policy."""
    calls = settings.calls
    return DialPolicy(calls.allowed_prefixes, calls.blocked_prefixes, calls.allowed_sip_hosts)


def _order(
    organization_id: OrganizationId,
    request: OutboundRequest,
    *,
    assistant: ResolvedAssistant,
    line: OutboundLine,
    audio: AudioFormat,
    settings: Settings,
    choose: Choose,
) -> CallOrder:
    call_id = new_outbound_call_id(choose)
    document = assistant.document
    return CallOrder(
        call_id=call_id,
        organization_id=organization_id,
        leg_id=new_leg_id(call_id, "caller", choose),
        bridge_id=BridgeId(new_leg_id(call_id, "bridge", choose)),
        destination=request.destination,
        caller_id=line.number.phone_number,
        trunk_id=line.trunk.id,
        transfer_trunk_id=line.transfer_trunk.id,
        ring_timeout_s=request.ring_timeout_seconds or settings.calls.ring_timeout_s,
        max_duration_s=document.max_duration_seconds or settings.calls.max_duration_s,
        transfer_timeout_s=settings.calls.transfer_timeout_s,
        audio=audio,
        plan=conversation_plan(
            assistant, queue_ahead_ms=settings.media.queue_ahead_ms, metadata=request.metadata
        ),
        record=settings.recordings.enabled and not document.gdpr_mode,
        keep_content=not document.gdpr_mode,
    )


def _row(
    order: CallOrder,
    request: OutboundRequest,
    *,
    assistant: ResolvedAssistant,
    number: NumberRow,
    settings: Settings,
    clock: Clock,
    choose: Choose,
) -> CallRow:
    now = clock.now()
    return CallRow(
        id=order.call_id,
        organization_id=order.organization_id,
        direction="outbound",
        status="connecting",
        created_at=now,
        updated_at=now,
        caller_phone=order.destination,
        assistant_phone=order.caller_id,
        room_name=new_room_name(choose),
        number_id=number.id,
        trunk_id=order.trunk_id,
        assistant_id=assistant.id,
        agent_name=assistant.name,
        business_name=assistant.document.business_name,
        assistant=assistant.record(),
        metadata=request.metadata,
        warnings=list(assistant.warnings),
        recording_path=f"{order.call_id}.wav" if order.record else None,
        node=settings.pbx.node,
        caller_leg_id=order.leg_id,
        bridge_id=order.bridge_id,
    )


class LegNamer:
    """Makes the ids of a call's legs and remembers them, so that a sweep knows whose they are."""

    def __init__(self, order: CallOrder, choose: Choose) -> None:
        self._order = order
        self._choose = choose
        self.legs: set[LegId] = {order.leg_id}

    def __call__(self, role: str) -> LegId:
        """A new id for a leg in this role."""
        leg_id = new_leg_id(self._order.call_id, role, self._choose)
        self.legs.add(leg_id)
        return leg_id
