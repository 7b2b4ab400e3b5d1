"""What every test may use: the real PBX with the carrier behind it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pbx_tools import ari, leftovers
from trunkline.local_pbx import instance
from trunkline.local_pbx.errors import LocalPbxError
from trunkline.local_pbx.instance import Pair

__all__ = ["ari", "leftovers", "pbx_pair"]


@pytest.fixture(scope="session")
def pbx_pair() -> Iterator[Pair]:
    """A PBX and its carrier for this test run alone; both are gone afterwards."""
    _clear_earlier_runs()
    name = f"test-{os.getpid()}"
    try:
        pair = instance.up_pair(name)
    except LocalPbxError as error:
        pytest.fail(f"The PBX for tests can't be had: {error}")
    try:
        yield pair
    finally:
        instance.remove_pair(name)


def _clear_earlier_runs() -> None:
    """Removes what a killed test run left behind; runs that are alive are left alone."""
    for state in instance.instances():
        match = re.fullmatch(r"test-(\d+)", state.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            instance.remove_pair(state.name)
