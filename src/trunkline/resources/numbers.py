"""Numbers of an organization: which assistant answers them, on which trunk they call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from trunkline.core.clock import Clock, iso_utc
from trunkline.core.errors import InvalidField
from trunkline.core.ids import OrganizationId
from trunkline.resources.fields import Document, Number, Reference, ShortText
from trunkline.store.rows import AssistantRow, NumberRow, TrunkRow
from trunkline.store.store import Store


class _Common(Document):
    """What a new number and a patch have alike. Both names of the assistant are taken when they agree, as in an answer sent back."""

    name: ShortText | None = Field(None, description="How people call it.")
    assistant_id: Reference | None = Field(None, description="Who answers; null: nobody is assigned.")
    agent_id: Reference | None = Field(None, deprecated=True, description="Older name of `assistant_id`.")
    transfer_trunk_id: Reference | None = Field(None, description="The trunk on which transfers leave.")
    outbound_trunk_id: Reference | None = Field(
        None, description="The trunk on which calls leave; absent: the transfer trunk."
    )
    is_active: bool | None = Field(
        None, description="An inactive number takes and makes no calls; true when absent."
    )

    @model_validator(mode="after")
    def _one_assistant(self) -> Self:
        both = {"assistant_id", "agent_id"} <= self.model_fields_set
        if both and self.__dict__["assistant_id"] != self.__dict__["agent_id"]:
            raise PydanticCustomError(
                "rule",
                "is the older name of assistant_id; both were given, with different values",
                {"param": "agent_id"},
            )
        return self

    def changes(self) -> dict[str, Any]:
        """The given fields as columns."""
        columns = {name: self.__dict__[name] for name in self.model_fields_set}
        if "agent_id" in columns:
            columns["assistant_id"] = columns.pop("agent_id")
        if columns.get("is_active", True) is None:
            columns["is_active"] = True
        return columns


class NumberCreate(_Common):
    """A number that a carrier gave you."""

    phone_number: Number = Field(description="E.164; exists once.")


class NumberPatch(_Common):
    """What changes; null clears."""

    phone_number: Number = Field(default_factory=str, description="E.164; exists once.")


@dataclass(frozen=True, slots=True)
class OutboundLine:
    """Where a call leaves: the number shown, the trunk it takes, and the trunk for transfers."""

    number: NumberRow
    trunk: TrunkRow
    transfer_trunk: TrunkRow


class NumberService:
    """What can be done with numbers. Answers are the API's JSON; every unknown id is `NotFound`."""

    def __init__(self, store: Store, clock: Clock, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def create(self, organization_id: OrganizationId, request: NumberCreate) -> dict[str, Any]:
        """Saves a number.

        Raises:
            NotFound: it names an assistant or a trunk that is not there.
            Conflict: the number exists.
        """
        changes = request.changes()
        await self._check_references(organization_id, changes)
        now = self._clock.now()
        defaults = {
            "name": None,
            "assistant_id": None,
            "transfer_trunk_id": None,
            "outbound_trunk_id": None,
            "is_active": True,
        }
        row = NumberRow(
            id=self._new_id(),
            organization_id=organization_id,
            created_at=now,
            updated_at=now,
            **{**defaults, **changes},
        )
        await self._store.numbers.insert(row)
        return (await self._rendered(organization_id, [row]))[0]

    async def list(self, organization_id: OrganizationId) -> list[dict[str, Any]]:
        """All of them, newest first."""
        return list(await self._rendered(organization_id, await self._store.numbers.list(organization_id)))

    async def get(self, organization_id: OrganizationId, number_id: str) -> dict[str, Any]:
        """One of them."""
        return (
            await self._rendered(organization_id, [await self._store.numbers.get(organization_id, number_id)])
        )[0]

    async def patch(
        self, organization_id: OrganizationId, number_id: str, request: NumberPatch
    ) -> dict[str, Any]:
        """Changes the given fields.

        Raises:
            NotFound: it names an assistant or a trunk that is not there.
            Conflict: another number is the same.
        """
        changes = request.changes()
        await self._check_references(organization_id, changes)
        row = await self._store.numbers.update(organization_id, number_id, **changes)
        return (await self._rendered(organization_id, [row]))[0]

    async def delete(self, organization_id: OrganizationId, number_id: str) -> None:
        """Removes it; calls on it go on."""
        await self._store.numbers.delete(organization_id, number_id)

    async def choose(self, organization_id: OrganizationId, number_id: str | None) -> OutboundLine:
        """The number that calls: the one asked for, or the one that has rested longest.

        Raises:
            NotFound: the number is unknown.
            InvalidField: it is inactive, has no trunk, or none is available.
        """
        if number_id is None:
            row = await self._store.numbers.take(organization_id)
            if row is None:
                raise InvalidField(
                    "number_id",
                    "No active number with a trunk is available; add one, or name one by number_id.",
                    code="no_number_available",
                )
        else:
            row = await self._store.numbers.get(organization_id, number_id)
            _check_can_call(row)
            await self._store.numbers.touch(row.id)
        trunk_id = row.outbound_trunk_id or row.transfer_trunk_id
        assert trunk_id is not None
        trunk = await self._store.trunks.get(organization_id, trunk_id)
        if row.transfer_trunk_id in (None, trunk.id):
            return OutboundLine(row, trunk, trunk)
        return OutboundLine(
            row, trunk, await self._store.trunks.get(organization_id, row.transfer_trunk_id or trunk.id)
        )

    async def _check_references(self, organization_id: OrganizationId, changes: dict[str, Any]) -> None:
        if changes.get("assistant_id") is not None:
            await self._store.assistants.get(organization_id, changes["assistant_id"])
        for name in ("transfer_trunk_id", "outbound_trunk_id"):
            if changes.get(name) is not None:
                await self._store.trunks.get(organization_id, changes[name])

    async def _rendered(
        self, organization_id: OrganizationId, rows: Sequence[NumberRow]
    ) -> Sequence[dict[str, Any]]:
        assistants = {row.id: row for row in await self._store.assistants.list(organization_id)}
        trunks = {row.id: row for row in await self._store.trunks.list(organization_id)}
        return [render_number(row, assistants.get(row.assistant_id or ""), trunks) for row in rows]


def _check_can_call(row: NumberRow) -> None:
    if not row.is_active:
        raise InvalidField("number_id", "number_id names a number that is inactive.", code="number_inactive")
    if row.outbound_trunk_id is None and row.transfer_trunk_id is None:
        raise InvalidField(
            "number_id",
            "number_id names a number without a trunk; set its outbound_trunk_id.",
            code="number_without_trunk",
        )


def render_number(
    row: NumberRow, assistant: AssistantRow | None, trunks: dict[Any, TrunkRow]
) -> dict[str, Any]:
    """The number as the API answers it."""

    def trunk_name(trunk_id: str | None) -> str | None:
        trunk = trunks.get(trunk_id)
        return trunk.name if trunk else None

    return {
        "id": row.id,
        "phone_number": row.phone_number,
        "name": row.name,
        "assistant_id": row.assistant_id,
        "agent_id": row.assistant_id,
        "agent_name": assistant.name if assistant else None,
        "business_name": assistant.config.get("business_name") if assistant else None,
        "transfer_trunk_id": row.transfer_trunk_id,
        "transfer_trunk_name": trunk_name(row.transfer_trunk_id),
        "outbound_trunk_id": row.outbound_trunk_id,
        "outbound_trunk_name": trunk_name(row.outbound_trunk_id),
        "source": "sip_trunk",
        "is_active": row.is_active,
        "last_used_at": iso_utc(row.last_used_at) if row.last_used_at else None,
        "created_at": iso_utc(row.created_at),
        "updated_at": iso_utc(row.updated_at),
    }
