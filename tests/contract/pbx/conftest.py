"""Every adapter of the PBX port, in a world of its own: the same promises for each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pbx_kit import TRUNK_ID, World

from trunkline.core.clock import SystemClock
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.state import settings_for
from trunkline.local_pbx.subscribers import SUBSCRIBERS
from trunkline.pbx.asterisk.pbx import AsteriskPbx
from trunkline.pbx.port import Pbx, TrunkSpec
from trunkline.pbx.simulated.pbx import SimulatedPbx
from trunkline.pbx.simulated.subscriber import BEHAVIOURS
from trunkline.settings import Media, PbxSection


def simulated(folder: Path) -> tuple[Pbx, TrunkSpec]:
    """The PBX in memory, with the carrier's subscribers by the carrier's numbers."""
    subscribers = {known.number: BEHAVIOURS[known.key] for known in SUBSCRIBERS}
    return SimulatedPbx(subscribers, clock=SystemClock(), recordings=folder), TrunkSpec(
        TRUNK_ID, "carrier.example", 5060
    )


def asterisk(pair: Pair) -> tuple[Pbx, TrunkSpec]:
    """A real Asterisk whose trunk leads to another one, which plays the carrier."""
    pbx = AsteriskPbx(PbxSection(**settings_for(pair.pbx)), Media(), SystemClock())
    return pbx, TrunkSpec(TRUNK_ID, pair.carrier.host, pair.carrier.sip_port, codecs=("ulaw",))


@pytest.fixture(params=["simulated", pytest.param("asterisk", marks=pytest.mark.asterisk)])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A PBX that is up, with a trunk; nothing may be on it when a test is over."""
    pbx, trunk = (
        simulated(tmp_path) if request.param == "simulated" else asterisk(request.getfixturevalue("pbx_pair"))
    )
    await pbx.start()
    try:
        await pbx.put_trunk(trunk)
        world = World(pbx, trunk)
        yield world
        await world.assert_empty()
    finally:
        await pbx.close()
