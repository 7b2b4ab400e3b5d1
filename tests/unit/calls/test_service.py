"""The calls of one process, with a real store and the simulated PBX: placed, limited, swept, drained."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.engines import ScriptedRoom

from trunkline.app import Service
from trunkline.calls.requests import CallsQuery, OutboundRequest, parse_control
from trunkline.calls.service import CallService, PlacedCall
from trunkline.core.clock import SystemClock
from trunkline.core.errors import CallerError, LimitReached, NotFound, NotNow, UpstreamError
from trunkline.core.ids import BridgeId, CallId, LegId, OrganizationId, TrunkId
from trunkline.pbx.port import Originate
from trunkline.pbx.simulated.pbx import SimulatedPbx
from trunkline.pbx.simulated.subscriber import Answer, HangUp, Ring, Subscriber, Wait
from trunkline.resources.assistant import AssistantCreate
from trunkline.resources.assistants import AssistantService
from trunkline.resources.numbers import NumberCreate, NumberService
from trunkline.resources.organizations import OrganizationService
from trunkline.resources.trunk import TrunkCreate
from trunkline.resources.trunks import TrunkService
from trunkline.resources.validation import parse
from trunkline.settings import Settings
from trunkline.store.rows import CallRow
from trunkline.store.vault import Vault

UP, RINGER, BRIEF = "+31201000001", "+31201000002", "+31201000003"
SUBSCRIBERS = {
    UP: Subscriber((Answer(), Wait(60))),
    RINGER: Subscriber((Ring(),)),
    BRIEF: Subscriber((Answer(), Wait(0.1), HangUp())),
}
ASSISTANT = {
    "name": "Desk",
    "stt_config": {"provider": "whisper", "model": "tiny.en", "language": "en"},
    "llm_config": {"provider": "flow", "model": "receptionist"},
    "tts_config": {"provider": "hibari", "voice_id": "heart"},
}


class Pbx(SimulatedPbx):
    """The simulated PBX; `refuses` makes it refuse to dial, `loses` makes its answer get lost."""

    def __init__(self, recordings: Path) -> None:
        super().__init__(SUBSCRIBERS, clock=SystemClock(), recordings=recordings)
        self.refuses = False
        self.loses = False

    async def originate(self, order: Originate) -> None:
        if self.refuses:
            raise UpstreamError("The PBX refused.", retryable=True)
        await super().originate(order)
        if self.loses:
            raise UpstreamError("The PBX did not answer.", retryable=False)


@dataclass
class Office:
    """A service with what an organization needs to call."""

    service: Service
    pbx: Pbx
    organization_id: OrganizationId
    trunk_id: TrunkId
    assistant_id: str

    @property
    def calls(self) -> CallService:
        return self.service.calls

    async def place(self, who: str) -> PlacedCall:
        request = parse(OutboundRequest, {"destination": who, "assistant_id": self.assistant_id})
        return await self.calls.place(self.organization_id, request)

    async def row(self, call_id: str) -> CallRow:
        return await self.calls.get(self.organization_id, call_id)

    async def rows(self) -> list[CallRow]:
        return list((await self.calls.list(self.organization_id, CallsQuery()))[0])

    async def over(self, call_id: CallId) -> CallRow:
        async with asyncio.timeout(10):
            kinds = [event.type async for event in self.calls.follow(call_id)]
        assert kinds.count("ended") == 1
        return await self.row(call_id)

    def is_empty(self) -> bool:
        left = (
            self.calls.live_count,
            self.calls.lines_in_use,
            self.pbx._switch.legs,
            self.pbx._switch.bridges,
        )
        return not any(left)


def settings(folder: Path, **calls: Any) -> Settings:
    return Settings(
        http={"port": 0},
        database={"url": f"sqlite:///{folder}/trunkline.sqlite3"},
        recordings={"folder": folder / "recordings"},
        calls={"orphan_after_s": 0.01, **calls},
    )


@asynccontextmanager
async def office(
    folder: Path, *, pbx: Pbx | None = None, channels: int | None = None, **calls: Any
) -> AsyncIterator[Office]:
    """A running service; at the end it is stopped, and nothing of a call is left anywhere."""
    pbx = pbx or Pbx(folder)
    service = Service(settings(folder, **calls), pbx=pbx, engines=ScriptedRoom())
    await service.start()
    store, clock = service.store, service.clock
    organization, _ = await OrganizationService(store, clock).create("Office")
    vault = Vault.open(service.settings.database.url, None)
    trunk = await TrunkService(store, vault, pbx, clock).create(
        organization.id,
        parse(
            TrunkCreate,
            {"name": "Carrier", "provider": "c", "address": "carrier.example", "max_channels": channels},
        ),
    )
    assistant = await AssistantService(store, vault, clock).create(
        organization.id, parse(AssistantCreate, ASSISTANT)
    )
    number = {"phone_number": f"+3110{id(service) % 10_000_000:07d}", "outbound_trunk_id": trunk["id"]}
    await NumberService(store, clock).create(organization.id, parse(NumberCreate, number))
    made = Office(service, pbx, organization.id, trunk["id"], assistant["id"])
    try:
        yield made
    finally:
        await service.stop()
    assert made.is_empty()


# --- placing ------------------------------------------------------------------------------------------------------------


async def test_a_call_is_placed_talked_and_ended(tmp_path: Path):
    """The record says when it was answered, how long it was, and who ended it."""
    async with office(tmp_path) as desk:
        row = await desk.over((await desk.place(BRIEF)).call_id)

        assert ("ended", "user_hangup", 16) == (row.status, row.end_reason, (row.hangup or {})["q850"])
        assert row.started_at and row.ended_at and row.duration_seconds
        assert row.duration_seconds == pytest.approx(
            (row.ended_at - row.started_at).total_seconds(), abs=0.05
        )


@pytest.mark.parametrize(
    ("limits", "code"), [({"max_concurrent": 1}, "concurrency_limit"), ({"channels": 1}, "trunk_limit")]
)
async def test_of_two_requests_for_the_last_line_one_gets_it(
    tmp_path: Path, limits: dict[str, int], code: str
):
    """However they race; the other leaves no record and no line taken."""
    async with office(tmp_path, **limits) as desk:
        outcomes = await asyncio.gather(desk.place(UP), desk.place(UP), return_exceptions=True)
        placed = [each for each in outcomes if isinstance(each, PlacedCall)]
        (refused,) = (each for each in outcomes if isinstance(each, LimitReached))

        assert code == refused.code
        assert [placed[0].call_id] == [row.id for row in await desk.rows()]
        assert 1 == desk.calls.lines_in_use
        await desk.calls.cancel(desk.organization_id, placed[0].call_id)
        await desk.over(placed[0].call_id)
        assert await desk.place(BRIEF)


@pytest.mark.parametrize("failure", [OSError("disk full"), asyncio.CancelledError()])
async def test_a_call_that_can_not_be_stored_leaves_nothing(
    tmp_path: Path, failure: BaseException, monkeypatch: pytest.MonkeyPatch
):
    """Nothing was dialled, the line is free, and nobody holds it."""
    async with office(tmp_path) as desk:

        async def fail(*_: Any) -> None:
            raise failure

        with monkeypatch.context() as patch:
            patch.setattr(desk.service.store.calls, "insert", fail)
            with pytest.raises(type(failure)):
                await desk.place(UP)

        assert desk.is_empty()
        assert [] == await desk.rows()
        assert (await desk.over((await desk.place(BRIEF)).call_id)).status == "ended"


async def test_a_call_that_the_pbx_does_not_take_is_on_record(tmp_path: Path):
    """The caller is told that it may be tried again; the line is free."""
    async with office(tmp_path) as desk:
        desk.pbx.refuses = True
        with pytest.raises(NotNow, match="PBX refused") as told:
            await desk.place(UP)
        (row,) = await desk.rows()
        row = await desk.over(row.id)

        assert ("pbx_unavailable", True) == (told.value.code, row.id in told.value.message)
        assert ("failed", "dial_failed", 0) == (row.status, row.end_reason, row.duration_seconds)


async def test_a_dial_whose_answer_was_lost_is_hung_up_and_not_called_refused(tmp_path: Path):
    """It may have rung: 502, never a call to try again."""
    async with office(tmp_path) as desk:
        desk.pbx.loses = True
        with pytest.raises(UpstreamError, match="may have dialled"):
            await desk.place(UP)
        (row,) = await desk.rows()

        assert "failed" == (await desk.over(row.id)).status


async def test_an_end_that_can_not_be_stored_is_still_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever follows the call hears its end; the next sweep puts the record right."""
    async with office(tmp_path) as desk:

        async def fail(*_: Any, **__: Any) -> None:
            raise OSError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr(desk.service.store.calls, "end", fail)
            call_id = (await desk.place(BRIEF)).call_id
            await desk.over(call_id)
            while desk.calls.live_count:
                await asyncio.sleep(0.01)
        assert (await desk.row(call_id)).status == "in-progress"
        await desk.calls.reconcile()

        assert (await desk.row(call_id)).status == "failed"


# --- commands -----------------------------------------------------------------------------------------------------------


async def test_commands_reach_only_calls_of_one_s_own_that_are_in_progress(tmp_path: Path):
    """Unknown and foreign calls are not found; a ringing and an ended one are not in progress."""
    end = parse_control({"type": "end-call"})
    async with office(tmp_path) as desk:
        ringing = (await desk.place(RINGER)).call_id
        for organization_id, call_id in (
            (desk.organization_id, "call-outbound-nobody"),
            ("org-other", ringing),
        ):
            with pytest.raises(NotFound):
                await desk.calls.control(OrganizationId(organization_id), call_id, end)
        with pytest.raises(CallerError, match="not answered"):
            await desk.calls.control(desk.organization_id, ringing, end)
        await desk.calls.cancel(desk.organization_id, ringing)
        row = await desk.over(ringing)
        while desk.calls.live_count:
            await asyncio.sleep(0.01)
        with pytest.raises(CallerError, match="not in progress any more"):
            await desk.calls.cancel(desk.organization_id, ringing)

        assert ("ended", "api_end_call", None) == (row.status, row.end_reason, row.started_at)


# --- an earlier life ----------------------------------------------------------------------------------------------------


def earlier(desk: Office, name: str, started: datetime | None) -> CallRow:
    """A call that a process which died had stored."""
    now = datetime.now(UTC)
    return CallRow(
        id=CallId(f"call-outbound-{name}"),
        organization_id=desk.organization_id,
        direction="outbound",
        status="in-progress" if started else "connecting",
        created_at=now - timedelta(minutes=2),
        updated_at=now,
        started_at=started,
        node=desk.service.settings.pbx.node,
        caller_leg_id=f"tl-{name}-caller",
        bridge_id=f"tl-{name}-bridge",
    )


async def leave_behind(desk: Office, name: str) -> None:
    """A bridge with a leg that nobody holds."""
    bridge_id = BridgeId(f"tl-{name}-bridge")
    await desk.pbx.open_bridge(bridge_id)
    order = Originate(LegId(f"tl-{name}-caller"), desk.trunk_id, UP, None, 30, 60, bridge_id=bridge_id)
    await SimulatedPbx.originate(desk.pbx, order)


async def test_calls_of_an_earlier_life_are_ended_and_hung_up(tmp_path: Path):
    """Talking or ringing when the process died: failed, with the time since the answer; live calls are left alone."""
    async with office(tmp_path) as desk:
        answered = datetime.now(UTC) - timedelta(minutes=1)
        for row in (earlier(desk, "talked", answered), earlier(desk, "rang", None)):
            await desk.service.store.calls.insert(row)
        await leave_behind(desk, "talked")
        own = (await desk.place(UP)).call_id
        repairs = await desk.calls.reconcile()
        talked, rang = [await desk.row(f"call-outbound-{name}") for name in ("talked", "rang")]

        assert {"call-outbound-talked", "call-outbound-rang"} == set(repairs.end)
        assert ("failed", "error") == (talked.status, talked.end_reason) == (rang.status, rang.end_reason)
        assert talked.duration_seconds == pytest.approx(60, abs=5)
        assert (0, None) == (rang.duration_seconds, rang.started_at)
        assert "tl-talked-bridge" not in desk.pbx._switch.bridges
        assert (await desk.row(own)).status in {"connecting", "in-progress"}
        assert not (await desk.calls.reconcile()).end


async def test_stray_legs_and_bridges_are_put_away(tmp_path: Path):
    """A leg once it is old enough, a bridge once it was seen twice."""
    async with office(tmp_path) as desk:
        await leave_behind(desk, "stray")
        await asyncio.sleep(0.05)
        first = await desk.calls.reconcile()
        second = await desk.calls.reconcile()

        assert (["tl-stray-caller"], []) == (first.hang_up, first.close)
        assert ([], ["tl-stray-bridge"]) == (second.hang_up, second.close)
        assert desk.is_empty()


async def test_a_restart_finds_what_the_last_life_left(tmp_path: Path):
    """The start itself puts it right, before the first request."""
    async with office(tmp_path) as desk:
        row = replace(earlier(desk, "died", datetime.now(UTC)), organization_id=desk.organization_id)
        await desk.service.store.calls.insert(row)
        organization_id = desk.organization_id
    again = Service(settings(tmp_path), pbx=Pbx(tmp_path), engines=ScriptedRoom())
    await again.start()
    try:
        found = await again.calls.get(organization_id, row.id)
    finally:
        await again.stop()

    assert ("failed", "error") == (found.status, found.end_reason)


# --- stopping -----------------------------------------------------------------------------------------------------------


async def test_draining_refuses_new_calls_and_ends_those_that_take_too_long(tmp_path: Path):
    """A call that ends in time ends as it would; the others are told why."""
    async with office(tmp_path) as desk:
        brief, long = (await desk.place(BRIEF)).call_id, (await desk.place(UP)).call_id
        draining = asyncio.create_task(desk.calls.drain(1.0))
        await asyncio.sleep(0)
        with pytest.raises(NotNow) as refused:
            await desk.place(UP)
        await draining
        ends = [(row.end_reason, row.error) for row in (await desk.row(brief), await desk.row(long))]

        assert "draining" == refused.value.code
        assert [("user_hangup", None), ("error", "The service was stopped.")] == ends
        assert desk.is_empty()


@pytest.mark.parametrize("slow", ["resolve", "insert"])
async def test_a_call_that_is_being_placed_does_not_outlive_the_drain(
    tmp_path: Path, slow: str, monkeypatch: pytest.MonkeyPatch
):
    """Wherever it is on its way when the service stops: refused, or ended before the drain returns."""

    def slowed(work: Callable[..., Any]) -> Callable[..., Any]:
        async def later(*given: Any, **named: Any) -> Any:
            reached.set()
            await asyncio.sleep(0.2)
            return await work(*given, **named)

        return later

    reached = asyncio.Event()
    async with office(tmp_path) as desk:
        holder, name = (
            (desk.calls._assistants, "resolve") if slow == "resolve" else (desk.service.store.calls, "insert")
        )
        monkeypatch.setattr(holder, name, slowed(getattr(holder, name)))
        placing = asyncio.create_task(desk.place(UP))
        await reached.wait()
        await desk.calls.drain(0.0)
        held, ended = desk.calls.live_count, [row.status for row in await desk.rows()]
        await asyncio.gather(placing, return_exceptions=True)

        assert (0, []) == (held, [status for status in ended if status not in {"ended", "failed"}])
        assert 0 == desk.calls.live_count
        assert all(row.status in {"ended", "failed"} for row in await desk.rows())
