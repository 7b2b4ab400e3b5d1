"""The PBXs that these tests talk to."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from asterisk_kit import Desk, connected

from trunkline.local_pbx import instance
from trunkline.local_pbx.instance import Pair


@pytest.fixture
async def desk(pbx_pair: Pair) -> AsyncIterator[Desk]:
    """The shared PBX."""
    async with connected(pbx_pair) as desk:
        yield desk


@pytest.fixture(scope="module")
def own_pair() -> Iterator[Pair]:
    """A PBX and a carrier that a test may kill and reconfigure."""
    name = f"fault-{os.getpid()}"
    pair = instance.up_pair(name)
    try:
        yield pair
    finally:
        instance.remove_pair(name)
