"""AMI, against a scripted manager on loopback that loses, delays and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from trunkline.core.errors import UpstreamError
from trunkline.pbx.asterisk import ami as ami_module
from trunkline.pbx.asterisk.ami import Ami, AmiRefused

Fields = dict[str, str]
Script = Callable[[Fields], str | None]


class Manager:
    """Answers each action by the script: text to send, "" to stay silent, None to cut the connection."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.actions: list[Fields] = []
        self.logins = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.server.close()
        self.cut()
        await self.server.wait_closed()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            writer.write(b"Asterisk Call Manager/11.0.0\r\n")
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in text.strip().split("\r\n"))
                if (reply := self._reply(fields)) is None:
                    return
                writer.write(reply.encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            self._writers.discard(writer)

    def _reply(self, fields: Fields) -> str | None:
        if fields["Action"] == "Login":
            self.logins += 1
            return message(
                fields, Response="Success" if fields["Secret"] == "right" else "Error", Message="login"
            )
        self.actions.append(fields)
        return self.script(fields)


def message(fields: Fields, **headers: str) -> str:
    return (
        "".join(f"{key}: {value}\r\n" for key, value in {**headers, "ActionID": fields["ActionID"]}.items())
        + "\r\n"
    )


def success(fields: Fields) -> str:
    return message(fields, Response="Success", Message="ok")


@pytest.fixture
async def talking() -> AsyncIterator[Callable[..., object]]:
    started: list[tuple[Manager, asyncio.Task[None]]] = []

    async def talk(script: Script = success, secret: str = "right") -> tuple[Ami, Manager]:
        manager = Manager(script)
        ami = Ami("127.0.0.1", await manager.start(), "user", secret, on_connected=lambda: None)
        started.append((manager, asyncio.create_task(ami.run())))
        if secret == "right":
            await asyncio.wait_for(ami.connected.wait(), 3)
        return ami, manager

    yield talk
    for manager, task in started:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await manager.stop()


async def test_a_ping_is_answered(talking):
    """The simplest proof of life."""
    ami, manager = await talking()
    await ami.ping()

    assert [action["Action"] for action in manager.actions] == ["Ping"]


async def test_a_recording_is_started_by_leg_and_stopped_by_its_own_id(talking):
    """Another recording of the same leg would go on."""
    ami, manager = await talking(lambda f: message(f, Response="Success", MixMonitorID="0x77"))
    monitor_id = await ami.mix_monitor("tl-1", "r(/a.wav)t(/b.wav)S")

    assert await ami.stop_mix_monitor("tl-1", monitor_id)
    assert manager.actions[0]["Options"] == "r(/a.wav)t(/b.wav)S"
    assert manager.actions[1]["MixMonitorID"] == "0x77"


async def test_stopping_what_is_gone_is_no_error(talking):
    """The leg ended first."""
    ami, _ = await talking(
        lambda f: message(f, Response="Error", Message="Could not stop monitoring channel")
    )

    assert not await ami.stop_mix_monitor("tl-1", "")


async def test_a_refusal_is_told(talking):
    """With the PBX's own words."""
    ami, _ = await talking(lambda f: message(f, Response="Error", Message="No such channel"))
    with pytest.raises(AmiRefused, match="No such channel"):
        await ami.mix_monitor("tl-1", "S")


async def test_registrations_are_listed_by_name(talking):
    """A list comes as several messages."""

    def script(fields: Fields) -> str:
        return (
            message(
                fields,
                Response="Success",
                EventList="start",
                Message="Following are Events for each Outbound registration",
            )
            + message(fields, Event="OutboundRegistrationDetail", ObjectName="tl-a", Status="Registered")
            + message(fields, Event="AuthDetail", ObjectName="tl-a", Password="secret")
            + message(fields, Event="OutboundRegistrationDetail", ObjectName="tl-b", Status="Rejected")
            + message(
                fields, Event="OutboundRegistrationDetailComplete", EventList="Complete", Registered="1"
            )
        )

    ami, _ = await talking(script)

    assert await ami.registrations() == {"tl-a": "Registered", "tl-b": "Rejected"}


async def test_an_empty_list_is_answered_as_an_error_and_is_empty(talking):
    """So does Asterisk when there is nothing."""
    ami, _ = await talking(lambda f: message(f, Response="Error", Message="No outbound registrations found"))

    assert await ami.registrations() == {}


async def test_contacts_tell_their_state_and_round_trip(talking):
    """Microseconds become milliseconds; none becomes None."""

    def script(fields: Fields) -> str:
        return (
            message(
                fields, Response="Success", EventList="start", Message="Following are Events for each object"
            )
            + message(fields, Event="ContactStatusDetail", Status="Reachable", RoundtripUsec="1250")
            + message(fields, Event="ContactStatusDetail", Status="Unreachable", RoundtripUsec="0")
            + message(fields, Event="EndpointDetailComplete", EventList="Complete")
        )

    ami, _ = await talking(script)

    assert await ami.contacts("tl-a") == [("Reachable", 1.25), ("Unreachable", None)]


@pytest.mark.parametrize("value", ["x\r\nAction: Command\r\nCommand: core stop now", "x\ny", "x\x00", "\x7f"])
async def test_control_characters_never_reach_the_pbx(talking, value: str):
    """A line break would begin an action of somebody else's making."""
    ami, manager = await talking()
    with pytest.raises(ValueError, match="control characters"):
        await ami.mix_monitor("tl-1", value)

    assert manager.actions == []


async def test_an_unanswered_action_fails_when_the_link_breaks_and_is_not_sent_again(talking):
    """The PBX may have carried it out."""
    ami, manager = await talking(lambda f: None if f["Action"] == "MixMonitor" else success(f))
    with pytest.raises(UpstreamError, match="ended"):
        await ami.mix_monitor("tl-1", "S")
    async with asyncio.timeout(5):
        while manager.logins < 2:
            await asyncio.sleep(0.05)
    await asyncio.wait_for(ami.connected.wait(), 3)
    await ami.ping()

    assert [action["Action"] for action in manager.actions] == ["MixMonitor", "Ping"]


async def test_an_action_that_is_never_answered_ends_in_time(talking, monkeypatch):
    """And the link goes on."""
    monkeypatch.setattr(ami_module, "_ACTION_TIMEOUT_S", 0.1)
    ami, _ = await talking(lambda f: "" if f["Action"] == "MixMonitor" else success(f))
    with pytest.raises(UpstreamError, match="in time"):
        await ami.mix_monitor("tl-1", "S")

    await ami.ping()


async def test_a_link_that_is_dead_in_the_middle_is_found_by_a_ping(talking, monkeypatch):
    """Nothing else would tell."""
    monkeypatch.setattr(ami_module, "_ACTION_TIMEOUT_S", 0.1)
    monkeypatch.setattr(ami_module, "_PING_EVERY_S", 0.05)
    _, manager = await talking(lambda f: "")
    async with asyncio.timeout(5):
        while manager.logins < 2:
            await asyncio.sleep(0.02)


async def test_without_a_connection_an_action_fails_at_once():
    """Certainly nothing was sent."""
    ami = Ami("127.0.0.1", 1, "user", "right", on_connected=lambda: None)
    with pytest.raises(UpstreamError) as caught:
        await ami.ping()

    assert caught.value.retryable


async def test_a_refused_login_is_not_a_connection(talking, monkeypatch):
    """It is tried again later, and never counts as connected."""
    monkeypatch.setattr(ami_module, "_FIRST_PAUSE_S", 0.05)
    ami, manager = await talking(secret="wrong")
    async with asyncio.timeout(5):
        while manager.logins < 2:
            await asyncio.sleep(0.02)

    assert not ami.connected.is_set()


async def test_closing_during_the_pause_before_a_reconnect_ends_it(talking):
    """No connection is made afterwards."""
    manager = Manager(success)
    ami = Ami("127.0.0.1", await manager.start(), "user", "right", on_connected=lambda: None)
    task = asyncio.create_task(ami.run())
    await asyncio.wait_for(ami.connected.wait(), 3)
    manager.cut()
    async with asyncio.timeout(3):
        while ami.connected.is_set():
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.6)
    await manager.stop()

    assert manager.logins == 1
