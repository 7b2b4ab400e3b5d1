"""`GET /calls/{id}/recording`: the stereo WAV, caller left, assistant right."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from trunkline.api.operation import Ask, Operation
from trunkline.core.errors import NotFound


async def get_recording(ask: Ask[None, None]) -> web.StreamResponse:
    """The file, whole or the range that was asked for."""
    call = await ask.services.calls.get(ask.organization_id, ask.id)
    name = Path(call.recording_path or "").name  # the folder is ours; a record never leads out of it
    path = ask.services.settings.recordings.folder / name
    if not name or not await asyncio.to_thread(path.is_file):
        raise NotFound("This call has no recording.", code="no_recording")
    disposition = f'inline; filename="{name}"'
    return web.FileResponse(path, headers={"Content-Type": "audio/wav", "Content-Disposition": disposition})


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        "/calls/{id}/recording",
        "getRecording",
        "Calls",
        "Get a call's recording",
        get_recording,
        description="Stereo WAV: the caller on the left channel, the assistant on the right. Ranges are supported.",
        content="audio/wav",
    ),
)
