"""Assistants of an organization: made, changed, and resolved for a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from trunkline.core.clock import Clock
from trunkline.core.errors import InvalidField
from trunkline.core.ids import OrganizationId
from trunkline.resources.assistant import AssistantCreate, AssistantPatch, given, render_assistant
from trunkline.resources.merge import AssistantChoice, ResolvedAssistant, patch_config, resolve
from trunkline.resources.sealing import opened, sealed, unmasked
from trunkline.resources.validation import parse
from trunkline.store.rows import AssistantRow
from trunkline.store.store import Store
from trunkline.store.vault import Vault


class AssistantService:
    """What can be done with assistants. Answers are the API's JSON; every unknown id is `NotFound`."""

    def __init__(
        self, store: Store, vault: Vault, clock: Clock, new_id: Callable[[], str] = lambda: str(uuid4())
    ) -> None:
        self._rows = store.assistants
        self._vault = vault
        self._clock = clock
        self._new_id = new_id

    async def create(self, organization_id: OrganizationId, request: AssistantCreate) -> dict[str, Any]:
        """Saves a new assistant."""
        assistant_id = self._new_id()
        now = self._clock.now()
        row = AssistantRow(
            id=assistant_id,
            organization_id=organization_id,
            created_at=now,
            updated_at=now,
            **self._columns(assistant_id, patch_config({}, unmasked(given(request), {}))),
        )
        await self._rows.insert(row)
        return render_assistant(row)

    async def list(self, organization_id: OrganizationId) -> list[dict[str, Any]]:
        """All of them, newest first."""
        return [render_assistant(row) for row in await self._rows.list(organization_id)]

    async def get(self, organization_id: OrganizationId, assistant_id: str) -> dict[str, Any]:
        """One of them."""
        return render_assistant(await self._rows.get(organization_id, assistant_id))

    async def patch(
        self, organization_id: OrganizationId, assistant_id: str, request: AssistantPatch
    ) -> dict[str, Any]:
        """Changes the given fields: null clears, a block with `provider` replaces, a block without is patched in.

        Raises:
            InvalidField: the whole would not hold; names the field.
        """
        row = await self._rows.get(organization_id, assistant_id)
        saved = self._opened(row)
        merged = patch_config(saved, unmasked(given(request), saved))
        parse(AssistantCreate, merged)
        changed = await self._rows.update(
            organization_id, assistant_id, **self._columns(assistant_id, merged)
        )
        return render_assistant(changed)

    async def delete(self, organization_id: OrganizationId, assistant_id: str) -> None:
        """Removes it.

        Raises:
            Conflict: a number still uses it.
        """
        await self._rows.delete(organization_id, assistant_id)

    async def resolve(self, organization_id: OrganizationId, choice: AssistantChoice) -> ResolvedAssistant:
        """The assistant of one call, secrets in clear.

        Raises:
            NotFound: the saved assistant is unknown.
            InvalidField: it is inactive, or the merged configuration can't run a call.
        """
        if choice.assistant_id is None:
            return resolve(replace(choice, transient=unmasked(choice.transient, {})), None)
        row = await self._rows.get(organization_id, choice.assistant_id)
        if not row.is_active:
            raise InvalidField(
                choice.id_param,
                f"{choice.id_param} names an assistant that is inactive.",
                code="assistant_inactive",
            )
        saved = self._opened(row)
        override = None if choice.override is None else unmasked(choice.override, saved)
        return resolve(replace(choice, override=override), saved)

    def _opened(self, row: AssistantRow) -> dict[str, Any]:
        saved: dict[str, Any] = opened(
            row.config, lambda token: self._vault.unseal(token, f"assistant:{row.id}")
        )
        return saved

    def _columns(self, assistant_id: str, config: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": config["name"],
            "is_active": config.get("is_active", True),
            "config": sealed(
                dict(config), lambda secret: self._vault.seal(secret, f"assistant:{assistant_id}")
            ),
        }
