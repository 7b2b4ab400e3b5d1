"""A test's own look at the PBX: ARI by hand, and what was left behind. `from tests.pbx_tools import leftovers`."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from typing import Any

from trunkline.local_pbx.state import InstanceState


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


def left_after(state: InstanceState, timeout_s: float = 5.0) -> list[str]:
    """What is still there after up to `timeout_s`: empty as soon as all is gone."""
    deadline = time.monotonic() + timeout_s
    while (left := leftovers(state)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
