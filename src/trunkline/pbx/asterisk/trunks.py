"""The trunks that this PBX shall have, whatever becomes of it; and what it knows of them."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from trunkline.core.errors import UpstreamError
from trunkline.core.ids import TrunkId
from trunkline.pbx.asterisk import provisioning
from trunkline.pbx.asterisk.ami import Ami
from trunkline.pbx.asterisk.ari_rest import AriError, AriRest
from trunkline.pbx.asterisk.dialling import endpoint_id
from trunkline.pbx.port import TrunkSpec, TrunkStatus

_log = structlog.get_logger()

_AT_ONCE: Final = 4
_REACHABLE: Final = {"Reachable": True, "Unreachable": False}


class TrunkBook:
    """Trunks put so far; put again after every connect, as the PBX forgets them when it restarts."""

    def __init__(self, rest: AriRest, ami: Ami) -> None:
        self._rest = rest
        self._ami = ami
        self._trunks: dict[TrunkId, TrunkSpec] = {}

    def get(self, trunk_id: TrunkId) -> TrunkSpec | None:
        """The trunk as it was put last."""
        return self._trunks.get(trunk_id)

    async def put(self, trunk: TrunkSpec) -> None:
        """Makes it usable now, and after every reconnect.

        Raises:
            InvalidField: it can't be written down for the PBX.
            UpstreamError: refused, and forgotten; or the PBX is away, and it is put once it is back.
        """
        provisioning.trunk_objects(trunk)
        before = self._trunks.get(trunk.id)
        self._trunks[trunk.id] = trunk
        try:
            await provisioning.put(self._rest, trunk)
        except AriError:
            if before is None:
                del self._trunks[trunk.id]
            else:
                self._trunks[trunk.id] = before
            raise
        await self._ask_now(trunk.id)

    async def put_all(self) -> None:
        """After a connect. One trunk that the PBX refuses does not keep the others away."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def put_one(trunk: TrunkSpec) -> None:
            async with gate:
                try:
                    await provisioning.put(self._rest, trunk)
                except AriError as error:
                    _log.error("trunk not put", trunk_id=trunk.id, error=error.message)

        async with asyncio.TaskGroup() as tasks:
            for trunk in self._trunks.values():
                tasks.create_task(put_one(trunk), name="put-trunk")

    async def ask_all(self) -> None:
        """Asks every trunk's far side for a sign of life now."""
        for trunk_id in tuple(self._trunks):
            await self._ask_now(trunk_id)

    async def remove(self, trunk_id: TrunkId) -> None:
        """Takes it away. No error when it is gone.

        Raises:
            UpstreamError: the PBX is away; it will not be put again, and vanishes with the PBX's next restart.
        """
        self._trunks.pop(trunk_id, None)
        await provisioning.remove(self._rest, trunk_id)

    async def status(self, trunk_id: TrunkId) -> TrunkStatus:
        """Reachable by the PBX's own OPTIONS, registered by its own word.

        Raises:
            UpstreamError: neither can be asked now.
        """
        trunk = self._trunks.get(trunk_id)
        if trunk is None:
            return TrunkStatus(reachable=None, reason="This PBX has no such trunk.")
        name = endpoint_id(trunk_id)
        contacts = await self._ami.contacts(name)
        registration = (await self._ami.registrations()).get(name) if trunk.register else None
        known = [_REACHABLE[status] for status, _ in contacts if status in _REACHABLE]
        reachable = any(known) if known else None
        registered = registration == "Registered" if trunk.register else None
        return TrunkStatus(
            reachable=reachable,
            registered=registered,
            rtt_ms=next((rtt for _, rtt in contacts if rtt is not None), None),
            reason=_reason(trunk, reachable=reachable, registration=registration),
        )

    async def _ask_now(self, trunk_id: TrunkId) -> None:
        """The first OPTIONS would come only after a random part of the interval."""
        try:
            await self._ami.qualify(endpoint_id(trunk_id))
        except UpstreamError as error:
            _log.debug("trunk not asked at once", trunk_id=trunk_id, error=error.message)


def _reason(trunk: TrunkSpec, *, reachable: bool | None, registration: str | None) -> str | None:
    place = f"{trunk.host}:{trunk.port}/{trunk.transport}"
    if reachable is False:
        return f"{place} does not answer OPTIONS."
    if trunk.register and registration != "Registered":
        return f"Registration at {place} is {(registration or 'missing').lower()}."
    if reachable is None:
        return f"{place} was not asked yet."
    return None
