"""Every ending is told, also when the PBX, its audio, our own service or a tool is what fails."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.acceptance.calls.calls_kit import (
    Client,
    channel_kinds,
    nothing_left,
    serving,
    together,
)
from tests.faults.engines import ScriptedRoom, SlowTool
from tests.integration.asterisk.http_relay import MEDIA, Relay

from trunkline.core.ids import CallId
from trunkline.engines.port import ChatRequest, ReplyPart, TextDelta, ToolCall
from trunkline.local_pbx import instance
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.state import InstanceState
from trunkline.store.store import Store

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="session")]

SLOW_TOOL = {
    "type": "function",
    "name": "look_up",
    "url": "http://127.0.0.1:9/look-up",
    "description": "Looks something up.",
}


@pytest.fixture(scope="module")
def own_pair(pbx_pair: Pair) -> Iterator[Pair]:
    """A PBX that a test may kill, before the carrier that all tests share."""
    name = f"test-{os.getpid()}-killed"
    pbx = instance.up(name)
    try:
        yield Pair(pbx, pbx_pair.carrier)
    finally:
        instance.remove(name)
        # A PBX that was killed said no goodbye: its calls would stay up at the carrier until their own limits.
        instance.command_line(pbx_pair.carrier, "channel request hangup all")


@pytest_asyncio.fixture(loop_scope="session")
async def relay(pbx_pair: Pair) -> AsyncIterator[tuple[Relay, str]]:
    """A relay before the PBX's HTTP port, and its address."""
    relay = Relay(pbx_pair.pbx.host, pbx_pair.pbx.http_port)
    async with relay.listening() as port:
        yield relay, f"http://127.0.0.1:{port}"


def kill(pbx: InstanceState) -> None:
    """No goodbye."""
    now = instance.status(pbx.name)
    assert now is not None and instance.is_running(now)
    os.kill(now.pid, signal.SIGKILL)


async def bring_back(client: Client, pbx: InstanceState) -> None:
    """The killed PBX comes up again on its own ports, and the service finds it."""
    await asyncio.to_thread(instance.up, pbx.name)
    async with asyncio.timeout(20):
        while not (await client.service.pbx.health()).connected:
            await asyncio.sleep(0.05)


# --- the PBX ------------------------------------------------------------------------------------------------------------


async def test_a_pbx_that_never_was_there_takes_no_call(pbx_pair: Pair, tmp_path: Path):
    """503 says so, the call is on record as failed, and its line is free."""
    with socket.socket() as closed:  # bound and not listening: whoever comes is refused
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        async with serving(pbx_pair, tmp_path, engines=ScriptedRoom(), ari_url=url, ami_port=port) as client:
            call = await client.dial_in_vain("silent")

            assert ("failed", "dial_failed", None) == (call["status"], call["end_reason"], call["started_at"])
            assert client.service.calls.lines_in_use == 0


async def test_a_pbx_that_died_takes_no_call_until_it_is_back(own_pair: Pair, tmp_path: Path):
    """The call that comes too soon is told as failed; the next one, after the PBX came back, goes through."""
    async with serving(own_pair, tmp_path, engines=ScriptedRoom()) as client:
        kill(own_pair.pbx)
        call = await client.dial_in_vain("quick")
        await bring_back(client, own_pair.pbx)
        again = await client.ended(await client.dial("quick"))

        assert ("failed", "dial_failed") == (call["status"], call["end_reason"])
        assert ("ended", "user_hangup") == (again["status"], again["end_reason"])
        await nothing_left(own_pair.pbx)


async def test_a_pbx_that_is_killed_ends_every_call_once(own_pair: Pair, tmp_path: Path):
    """Ringing, talking, in a transfer, with a human: each is told as `pbx_lost`, with the time it had."""
    async with serving(own_pair, tmp_path, engines=ScriptedRoom()) as client:
        ringing = await client.dial("ringer")
        await client.wait_for_news(ringing, "ringing")
        talking, transferring, handed_over = await together(*(client.talk("silent") for _ in range(3)))
        await client.transfer(transferring, "ringer")
        await client.hand_over(handed_over, "echo")
        kill(own_pair.pbx)
        await asyncio.sleep(2)  # long enough for us to give up on lost audio, were that all
        await bring_back(client, own_pair.pbx)
        calls = await together(
            *(client.ended(each, 20) for each in (ringing, talking, transferring, handed_over))
        )

        for call in calls:
            assert ("failed", "pbx_lost", "pbx_lost") == (
                call["status"],
                call["end_reason"],
                call["hangup"]["cause"],
            )
        assert calls[0]["started_at"] is None
        assert all(call["duration_seconds"] > 2 for call in calls[1:])
        # Whichever of the two legs was told first: nobody was reached.
        assert calls[2]["transfer"]["status"] in {"cancelled", "failed"}
        assert calls[3]["transfer"]["status"] == "completed"
        await nothing_left(own_pair.pbx)


# --- its audio ----------------------------------------------------------------------------------------------------------


async def test_a_refused_media_socket_fails_the_call_before_it_is_dialled(
    pbx_pair: Pair, tmp_path: Path, relay: tuple[Relay, str]
):
    """Nobody's phone rings for a call that could not be heard."""
    fault, url = relay
    async with serving(pbx_pair, tmp_path, engines=ScriptedRoom(), ari_url=url) as client:
        fault.refuse(MEDIA)
        call = await client.dial_in_vain("silent")
        kinds = [kind for kind, _ in await client.news(call["id"])]

        assert ("failed", "dial_failed") == (call["status"], call["end_reason"])
        assert kinds == ["ended"]


async def test_lost_audio_that_can_not_be_restored_ends_the_call(
    pbx_pair: Pair, tmp_path: Path, relay: tuple[Relay, str]
):
    """The caller is not left in silence: hung up, and told as our failure."""
    fault, url = relay
    async with serving(pbx_pair, tmp_path, engines=ScriptedRoom(), ari_url=url) as client:
        call_id = await client.talk("silent")
        fault.refuse(MEDIA)
        assert fault.cut(MEDIA) == 1
        call = await client.ended(call_id, within_s=10)

        assert ("failed", "error", 16) == (call["status"], call["end_reason"], call["hangup"]["q850"])
        assert "audio" in call["error"]


# --- the model's tools --------------------------------------------------------------------------------------------------


def uses_the_tool(request: ChatRequest) -> list[ReplyPart]:
    """Calls the tool as soon as it is told anything."""
    return [TextDelta("Let me see."), ToolCall("1", "look_up", "{}")]


async def test_the_caller_hangs_up_while_a_tool_runs(pbx_pair: Pair, tmp_path: Path):
    """The server's ten seconds are not waited for: the tool is cancelled and the call ends with the caller."""
    tool = SlowTool(10)
    async with serving(pbx_pair, tmp_path, engines=ScriptedRoom(uses_the_tool, tool)) as client:
        override = {"first_message": None, "llm_config": {"tools": [SLOW_TOOL]}}
        call_id = await client.talk("quick", assistant_override=override)
        await client.control(call_id, type="inject-context", content="Look it up.", trigger_response=True)
        async with asyncio.timeout(2):
            await tool.asked.wait()
        call = await client.ended(call_id, within_s=8)

        assert ("ended", "user_hangup", 16) == (call["status"], call["end_reason"], call["hangup"]["q850"])
        assert call["duration_seconds"] == pytest.approx(2, abs=1)
        assert tool.cancelled.is_set() and tool.answered == 0


# --- our own service ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drain", [False, True], ids=["at once", "drained"])
async def test_a_service_that_is_stopped_ends_its_calls_first(pbx_pair: Pair, tmp_path: Path, drain: bool):
    """Ringing, talking, transferred: each is told as stopped by us; draining lets a call end by itself that is quick enough."""
    async with serving(pbx_pair, tmp_path, engines=ScriptedRoom(), calls={"shutdown_grace_s": 3}) as client:
        ringing = await client.dial("ringer")
        talking, handed_over = await together(*(client.talk("silent") for _ in range(2)))
        await client.hand_over(handed_over, "echo")
        quick = await client.talk("quick")
        calls = client.service.calls
        dialled, client.dialled = client.dialled, []
        stopping = asyncio.create_task(client.service.stop(drain=drain), name="stop")
        await asyncio.sleep(0.2)
        if drain:
            refused = await client.post("/calls/outbound", client.order("silent"), 503)
            assert refused["code"] == "draining"
        news = {each: await client.news(each) for each in dialled}
        await stopping
        ends = {each: told[-1][1] for each, told in news.items()}

        assert all([kind for kind, _ in told].count("ended") == 1 for told in news.values())
        for call_id in (ringing, talking, handed_over):
            assert ("failed", "error") == (ends[call_id]["status"], ends[call_id]["end_reason"]), ends[
                call_id
            ]
        assert ("user_hangup" if drain else "error") == ends[quick]["end_reason"]
        assert (0, 0) == (calls.lines_in_use, calls.live_count)
        await nothing_left(pbx_pair.pbx)
        store = await Store.open(client.service.settings.database.url, client.service.clock)
        rows = [await store.calls.find(CallId(each)) for each in dialled]
        await store.close()
        for row in rows:
            assert row is not None
            told = {
                "status": row.status,
                "end_reason": row.end_reason,
                "error": row.error,
                "hangup": row.hangup,
            }
            assert told == ends[row.id]


async def test_a_repeated_order_dials_once(pbx_pair: Pair, tmp_path: Path):
    """The same `Idempotency-Key` gets the first answer again, side by side or later, and the phone rings once."""
    async with serving(pbx_pair, tmp_path, engines=ScriptedRoom()) as client:
        order, headers = client.order("silent"), {"Idempotency-Key": "order-4711"}
        both = await together(
            *(client.request("POST", "/calls/outbound", json=order, headers=headers) for _ in range(2))
        )
        # The second is told to wait where the first still runs.
        assert {status for status, _ in both} in ({200}, {200, 409})
        first = next(told for status, told in both if status == 200)
        again = await client.post("/calls/outbound", order, headers=headers)
        client.dialled.append(first["call_id"])
        await client.until(first["call_id"], "in-progress")
        kinds = await asyncio.to_thread(channel_kinds, pbx_pair.pbx)
        _, listed = await client.request("GET", "/calls")
        await client.control(first["call_id"], type="end-call")
        await client.ended(first["call_id"])

        assert first == again
        assert kinds.count("PJSIP") == 1
        assert listed["pagination"]["total"] == 1
