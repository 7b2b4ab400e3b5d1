"""What every test may use: the real PBX with the carrier behind it, and a look at what a test left on it."""

from __future__ import annotations

import base64
import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from trunkline.local_pbx import instance
from trunkline.local_pbx.errors import LocalPbxError
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.state import InstanceState


@pytest.fixture(scope="session")
def pbx_pair() -> Iterator[Pair]:
    """A PBX and its carrier for this test run alone; both are gone afterwards."""
    name = f"test-{os.getpid()}"
    try:
        pair = instance.up_pair(name)
    except LocalPbxError as error:
        pytest.fail(f"The PBX for tests can't be had: {error}")
    try:
        yield pair
    finally:
        instance.remove_pair(name)


def ari(state: InstanceState, method: str, path: str, body: object = None) -> Any:
    """One request to the PBX's ARI, answered as JSON (None without a body). `path` begins after `/ari`."""
    token = base64.b64encode(f"{state.ari_username}:{state.ari_password}".encode()).decode()
    request = urllib.request.Request(
        f"{state.ari_url}/ari{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def leftovers(state: InstanceState) -> list[str]:
    """Names of the channels and bridges that are on the PBX right now."""
    channels = [f"channel {channel['name']}" for channel in ari(state, "GET", "/channels")]
    bridges = [f"bridge {bridge['id']}" for bridge in ari(state, "GET", "/bridges")]
    return channels + bridges
