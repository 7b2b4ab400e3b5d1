"""Follows the call as any client could: its event stream, and the control commands when their moments come."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote

from trunkline.cli.client import ApiClient, RefusedError
from trunkline.cli.demo.report import Report
from trunkline.cli.demo.scenario import Json, Moment, Story, due

_LIMIT_S: Final = 180.0


async def follow(
    client: ApiClient, call_id: str, script: tuple[Moment, ...], report: Report
) -> tuple[Story, dict[str, str]]:
    """Plays the script along the call, to its end.

    Returns:
        What the call told, and for each command that was refused the API's reason. A call that outlasts the limit is ended by
        the API; its story then simply lacks what did not happen.
    """
    story, refused = Story(), dict[str, str]()
    try:
        async with asyncio.timeout(_LIMIT_S), asyncio.TaskGroup() as commands:
            async for event in client.follow(call_id):
                story.hear(event)
                report.event(event)
                while (moment := due(story, script)) is not None:
                    commands.create_task(
                        _play(client, call_id, moment, report, refused), name=f"demo {moment.name}"
                    )
    except TimeoutError:
        report.progress(f"the call did not end within {_LIMIT_S:.0f} s; ending it")
        await _command(client, call_id, {"type": "end-call"})
    return story, refused


async def _play(
    client: ApiClient, call_id: str, moment: Moment, report: Report, refused: dict[str, str]
) -> None:
    await asyncio.sleep(moment.pause_s)
    reason = await _command(client, call_id, moment.body)
    report.command(moment.body, reason)
    if reason:
        refused[moment.name] = reason


async def _command(client: ApiClient, call_id: str, body: Json) -> str | None:
    try:
        await client.post(f"/calls/{quote(call_id, safe='')}/control", body)
    except RefusedError as error:
        return str(error)
    return None
