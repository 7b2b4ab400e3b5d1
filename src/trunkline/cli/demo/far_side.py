"""The other ends of the line: what the carrier recorded, and what is left on the PBX."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import aiohttp

from trunkline.local_pbx.carrier import takes
from trunkline.local_pbx.state import InstanceState

_FILE_LIMIT_S: Final = 5.0
_LEFT_LIMIT_S: Final = 3.0
_OURS: Final = "tl-"


async def far_recording(carrier: InstanceState, number: str) -> Path | None:
    """What the subscriber heard in the newest call to `number`, as the carrier recorded it; None where there is nothing."""
    for _ in range(int(_FILE_LIMIT_S / 0.2)):
        found = await asyncio.to_thread(takes, carrier, number)
        if found:
            return found[-1].heard
        await asyncio.sleep(0.2)
    return None


async def left_on_pbx(pbx: InstanceState) -> list[str]:
    """Legs and bridges of ours that the PBX still has; waits a moment for the last ones to go."""
    headers = {"Authorization": aiohttp.encode_basic_auth(pbx.ari_username, pbx.ari_password)}
    left: list[str] = []
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=5)) as session:
        for _ in range(int(_LEFT_LIMIT_S / 0.2)):
            left = [
                *await _ours(session, f"{pbx.ari_url}/ari/channels"),
                *await _ours(session, f"{pbx.ari_url}/ari/bridges"),
            ]
            if not left:
                break
            await asyncio.sleep(0.2)
    return left


async def _ours(session: aiohttp.ClientSession, url: str) -> list[str]:
    async with session.get(url) as answer:
        answer.raise_for_status()
        return [str(thing["id"]) for thing in await answer.json() if str(thing["id"]).startswith(_OURS)]
