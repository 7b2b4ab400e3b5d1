"""The demo from door to door: stage, call, evidence, verdict."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import quote

from trunkline.cli.client import ApiClient, Json, RefusedError
from trunkline.cli.demo.evidence import Tracks, listen, transfer_ms
from trunkline.cli.demo.far_side import far_recording, left_on_pbx
from trunkline.cli.demo.follow import follow
from trunkline.cli.demo.judge import Evidence, judge, summary
from trunkline.cli.demo.report import Report
from trunkline.cli.demo.scenario import Story, moments
from trunkline.cli.demo.stage import OUR_NUMBERS, Place, Stage, clear_stage, make_cast, set_stage
from trunkline.cli.options import run
from trunkline.local_pbx.subscribers import subscriber


def perform(place: Place, *, keep: bool) -> bool:
    """Runs the demo and says whether every fact was observed. Leaves nothing running unless `keep` is set."""
    report = Report()
    report.heading("Setting the stage")
    kept = False
    with place.alone(), _terminated_like_ctrl_c():
        try:
            stage = set_stage(place, report)
            evidence = run(_call(stage, report))
            facts = judge(evidence)
            report.record(evidence.record)
            report.verdict(facts)
            if keep:
                report.kept(stage.service.base_url, stage.service.api_key, _numbers())
            kept = keep
            report.last_line(summary(evidence, facts))
            return all(fact.holds for fact in facts)
        finally:
            if not kept:
                clear_stage(place)


def _numbers() -> dict[str, str]:
    people = {f"subscriber `{key}`": subscriber(key).number for key in ("demo", "talker", "agent")}
    return {"our numbers": ", ".join(OUR_NUMBERS), **people}


async def _call(stage: Stage, report: Report) -> Evidence:
    caller, agent = subscriber("demo"), subscriber("agent")
    async with ApiClient(stage.service.base_url, stage.service.api_key) as client:
        cast = await make_cast(client, stage.carrier)
        report.heading(f"Calling {caller.number} through the API")
        body = {
            "destination": caller.number,
            "assistant_id": cast.assistant_id,
            "number_id": cast.number_id,
            "metadata": {"made_by": "demo"},
        }
        call_id = str((await client.post("/calls/outbound", body))["call_id"])
        story, refused = await follow(client, call_id, moments(agent.number), report)
        record = await client.get(_path(call_id))
        with report.step("Listening to what both ends recorded"):
            recording = await _download(client, call_id, stage.folder)
            far = await far_recording(stage.carrier, caller.number)
            tracks = await asyncio.to_thread(listen, recording, far, transfer_ms(record))
    left = await left_on_pbx(stage.pbx)
    return _evidence(story, record, refused, recording, tracks, left)


def _evidence(
    story: Story,
    record: Json,
    refused: dict[str, str],
    recording: Path | None,
    tracks: Tracks,
    left: list[str],
) -> Evidence:
    return Evidence(
        story=story,
        record=record,
        refused=refused,
        recording=str(recording) if recording else None,
        caller=tracks.caller,
        assistant=tracks.assistant,
        after_transfer=tracks.after_transfer,
        far_heard=tracks.far_heard,
        far_heard_after=tracks.far_heard_after,
        first_sound_ms=tracks.first_sound_ms,
        caller_lines=[line.text for line in subscriber("demo").lines[:5]],
        agent_lines=[line.text for line in subscriber("agent").lines],
        left_on_pbx=left,
    )


async def _download(client: ApiClient, call_id: str, folder: Path) -> Path | None:
    target = folder / f"{call_id}.wav"
    try:
        await client.download(f"{_path(call_id)}/recording", target)
    except RefusedError:
        return None
    return target


def _path(call_id: str) -> str:
    return f"/calls/{quote(call_id, safe='')}"


@contextmanager
def _terminated_like_ctrl_c() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that what was started is ended too."""

    def unwind(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    # A shell starts background jobs with Ctrl-C ignored; a demo that can't be interrupted would leave its PBX up.
    wanted: dict[int, Any] = {signal.SIGTERM: unwind, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
