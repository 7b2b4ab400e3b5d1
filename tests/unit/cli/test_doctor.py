"""Doctor tells what is missing and what to do; it never says ok to what it has not seen."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from rich.console import Console

from trunkline.cli.doctor import machine, pbx
from trunkline.cli.doctor.command import examine, page
from trunkline.cli.doctor.finding import Finding, ok, problem, warning
from trunkline.cli.doctor.manager import AmiProbe, AmiRefusedError
from trunkline.settings import Database, Http, PbxSection, Recordings, Settings


def test_python_is_named() -> None:
    """The interpreter that runs the tests is a supported one."""
    assert machine.python().verdict == "ok"


def test_empty_passwords_are_a_problem(tmp_path: Path) -> None:
    """Both missing passwords are named as keys."""
    finding = machine.configuration(Settings())

    assert finding.verdict == "problem"
    assert "pbx.ari_password and pbx.ami_password" in finding.found


def test_a_full_configuration_is_ok() -> None:
    """With passwords set there is nothing to say."""
    section = PbxSection(ari_password=SecretStr("a"), ami_password=SecretStr("b"))

    assert machine.configuration(Settings(pbx=section)).verdict == "ok"


async def test_a_port_in_use_is_a_problem() -> None:
    """Somebody else's server on the API's port is told, with what to change."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finding = await machine.api_port(Settings(http=Http(port=port)))

    assert (finding.verdict, "http.port" in finding.advice) == ("problem", True)


async def test_a_free_port_is_ok(unused_tcp_port: int) -> None:
    """A port that can be bound is free."""
    assert (await machine.api_port(Settings(http=Http(port=unused_tcp_port)))).verdict == "ok"


def test_a_recordings_folder_that_can_t_be_written_is_a_problem(tmp_path: Path) -> None:
    """A file where the folder should be can't hold recordings."""
    blocker = tmp_path / "file"
    blocker.write_text("x", encoding="utf-8")

    [finding] = machine.folders(Settings(recordings=Recordings(folder=blocker / "recordings")))
    assert finding.verdict == "problem"


def test_a_recordings_folder_that_will_be_made_is_ok(tmp_path: Path) -> None:
    """A folder that is not there yet is fine where it can be made."""
    [finding] = machine.folders(Settings(recordings=Recordings(folder=tmp_path / "a" / "b")))

    assert (finding.verdict, (tmp_path / "a").exists()) == ("ok", False)


async def test_database_is_opened_for_real(tmp_path: Path) -> None:
    """A good address answers with its time, a bad one with its reason."""
    good = await machine.database(Settings(database=Database(url=f"sqlite:///{tmp_path}/t.sqlite3")))
    bad = await machine.database(Settings(database=Database(url="sqlite:////proc/none/t.sqlite3")))

    assert (good.verdict, bad.verdict) == ("ok", "problem")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("22.10.1~dfsg", "ok"),
        ("22.8.0", "ok"),
        ("23.0.0", "ok"),
        ("22.7.0", "problem"),
        ("20.15.2", "problem"),
        ("certified-20.7", "problem"),
        ("GIT-master", "warning"),
        ("", "warning"),
    ],
)
def test_versions_are_compared_as_numbers(text: str, verdict: str) -> None:
    """22.10 is newer than 22.8; an unknown form is a warning, not a pass."""
    assert pbx.version({"system": {"version": text}}).verdict == verdict


def test_a_missing_codec_is_as_bad_as_its_use() -> None:
    """Without mu-law calls fail; without G.722 they only sound worse."""
    every = {"codec_ulaw", "codec_alaw", "codec_g722", "codec_resample"}

    assert pbx.codecs(every).verdict == "ok"
    assert pbx.codecs(every - {"codec_g722"}).verdict == "warning"
    assert pbx.codecs(every - {"codec_ulaw"}).verdict == "problem"


def test_page_tells_what_to_do_below_what_was_found() -> None:
    """Every finding has a line; advice follows it; the counts close the page."""
    out = io.StringIO()
    findings = [
        ok("Python", "3.11"),
        warning("clock", "not synchronised", "Start chrony."),
        problem("ARI", "refused", "Start the PBX."),
    ]
    Console(file=out, width=120).print(page(findings))

    assert "→ Start the PBX." in out.getvalue()
    assert "1 problems, 1 warnings, 1 ok" in out.getvalue()


async def test_no_pbx_is_told_once_for_each_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port_factory: Callable[[], int]
) -> None:
    """With no PBX there are two problems, ARI and AMI, and no check pretends to have looked inside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUNKLINE_PBX__ARI_URL", f"http://127.0.0.1:{unused_tcp_port_factory()}")
    monkeypatch.setenv("TRUNKLINE_PBX__AMI_PORT", str(unused_tcp_port_factory()))
    findings = {finding.check: finding for finding in await examine(skip_engines=True)}

    assert (findings["ARI"].verdict, findings["AMI"].verdict) == ("problem", "problem")
    assert not {"version", "modules", "audio path"} & findings.keys()


# --- AMI ----------------------------------------------------------------------------------------------------------------

Ami = Callable[..., Any]


@pytest.fixture
async def ami() -> AsyncIterator[Ami]:
    """A server with AMI's greeting that answers each action with the next of the given messages."""
    servers: list[asyncio.Server] = []

    async def start(*answers: str, greeting: str = "Asterisk Call Manager/11.0.0") -> int:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(f"{greeting}\r\n".encode())
            for answer in answers:
                action = (await reader.readuntil(b"\r\n\r\n")).decode()
                action_id = next(
                    line.partition(": ")[2] for line in action.split("\r\n") if line.startswith("ActionID")
                )
                writer.write(answer.replace("<id>", action_id).replace("\n", "\r\n").encode() + b"\r\n\r\n")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


LOGIN = "Response: Success\nActionID: <id>\nMessage: Authentication accepted"


async def test_ami_answers_are_matched_to_their_question(ami: Ami) -> None:
    """Events and other answers in between are passed over."""
    port = await ami(
        LOGIN,
        "Event: FullyBooted\n\nResponse: Success\nActionID: other\n\nResponse: Success\nActionID: <id>\nPing: Pong",
    )
    async with AmiProbe("127.0.0.1", port, "u", "p") as probe:
        assert (await probe.ask("Ping"))["Ping"] == "Pong"


async def test_a_refused_login_tells_asterisk_s_words(ami: Ami) -> None:
    """A wrong password is told from a closed port."""
    port = await ami("Response: Error\nActionID: <id>\nMessage: Authentication failed")
    finding = await pbx.manager(PbxSection(ami_port=port))

    assert (finding.verdict, "Authentication failed" in finding.found) == ("problem", True)


async def test_a_server_that_is_not_ami_is_told(ami: Ami) -> None:
    """An SSH port in the configuration is named as what it is."""
    port = await ami(greeting="SSH-2.0-OpenSSH")
    with pytest.raises(AmiRefusedError, match="not AMI"):
        await AmiProbe("127.0.0.1", port, "u", "p").__aenter__()


async def test_missing_rights_are_named(ami: Ami) -> None:
    """A user who may not record is found before the first transfer."""
    port = await ami(
        LOGIN, "Response: Success\nActionID: <id>\nMixMonitor: Record a call\nStopMixMonitor: Stop"
    )
    finding = await pbx.manager(PbxSection(ami_port=port))

    assert (finding.verdict, "PJSIPShowRegistrationsOutbound" in finding.found) == ("problem", True)


async def test_line_breaks_can_t_smuggle_actions(ami: Ami) -> None:
    """A value with a line break never reaches the wire."""
    port = await ami(LOGIN)
    async with AmiProbe("127.0.0.1", port, "u", "p") as probe:
        with pytest.raises(ValueError, match="line breaks"):
            await probe.ask("MixMonitor", {"Channel": "x\r\nAction: Command"})


def test_findings_are_plain_json() -> None:
    """Programs get every field."""
    assert Finding("a", "ok", "b").as_json() == {"check": "a", "verdict": "ok", "found": "b", "advice": ""}
