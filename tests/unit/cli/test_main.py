"""The command line ends with a sentence and an exit code, never with a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trunkline.cli.exits import CliError, Exit
from trunkline.cli.main import app, exit_code
from trunkline.core.errors import InternalError, InvalidField, UpstreamError
from trunkline.settings import SettingsError

COMMANDS = [
    "serve",
    "demo",
    "doctor",
    "call",
    "settings",
    "calls list",
    "calls show",
    "keys create",
    "keys list",
    "keys revoke",
    "pbx up",
    "pbx down",
    "pbx status",
]


def trunkline(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TRUNKLINE_DATABASE__URL": f"sqlite:///{folder}/t.sqlite3", **environment}
    return subprocess.run(
        [sys.executable, "-m", "trunkline", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    """--help names the command's purpose and shows an example."""
    result = CliRunner().invoke(app, [*command.split(), "--help"], terminal_width=200)

    assert result.exit_code == 0
    assert f"trunkline {command.split(maxsplit=1)[0]}" in result.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CliError("no", Exit.UNREACHABLE), 3),
        (SettingsError("http.port"), 2),
        (InvalidField("limit", "limit must be 1 to 1000."), 2),
        (UpstreamError("The PBX is away."), 3),
        (InternalError("defect"), 1),
    ],
)
def test_errors_have_their_exit_codes(error: Exception, code: int) -> None:
    """Wrong usage, unreachable and failed are told apart for scripts."""
    assert exit_code(error) == code


def test_a_wrong_configuration_is_a_sentence(tmp_path: Path) -> None:
    """The key is named; there is no traceback unless asked for."""
    plain = trunkline("keys", "list", folder=tmp_path, TRUNKLINE_HTTP__PORT="many")
    debug = trunkline("--debug", "keys", "list", folder=tmp_path, TRUNKLINE_HTTP__PORT="many")

    assert (plain.returncode, "http.port" in plain.stderr, "Traceback" in plain.stderr) == (2, True, False)
    assert "Traceback" in debug.stderr


def test_an_unreachable_service_is_a_sentence(tmp_path: Path, unused_tcp_port: int) -> None:
    """It says how to start the service."""
    result = trunkline("calls", "list", "--url", f"http://127.0.0.1:{unused_tcp_port}", folder=tmp_path)

    assert (result.returncode, "trunkline serve" in result.stderr, "Traceback" in result.stderr) == (
        3,
        True,
        False,
    )


def test_keys_live_from_creation_to_revocation(tmp_path: Path) -> None:
    """The first key makes the organization; a value is shown once; a revoked key says so."""
    first = json.loads(trunkline("keys", "create", "--json", folder=tmp_path).stdout)
    second = json.loads(trunkline("keys", "create", "billing", "--json", folder=tmp_path).stdout)
    trunkline("keys", "revoke", second["id"], folder=tmp_path)
    listed = trunkline("keys", "list", "--json", folder=tmp_path).stdout
    keys = json.loads(listed)["keys"]

    assert first["organization_id"] == second["organization_id"]
    assert [(key["name"], bool(key["revoked_at"])) for key in keys] == [
        ("first key", False),
        ("billing", True),
    ]
    assert first["api_key"] not in listed


def test_an_unknown_key_can_t_be_revoked(tmp_path: Path) -> None:
    """A typing error is told with what to do."""
    trunkline("keys", "create", folder=tmp_path)
    result = trunkline("keys", "revoke", "tl_nobody", folder=tmp_path)

    assert (result.returncode, "trunkline keys list" in result.stderr) == (1, True)


def test_settings_in_force_hide_secrets(tmp_path: Path) -> None:
    """What is shown can be pasted into a question."""
    result = trunkline("settings", "--current", folder=tmp_path, TRUNKLINE_PBX__ARI_PASSWORD="hunter2")

    assert json.loads(result.stdout)["settings"]["pbx"]["ari_password"] == "set"
    assert "hunter2" not in result.stdout


def test_stopping_what_is_not_up_is_no_error(tmp_path: Path) -> None:
    """`make stop` can be repeated."""
    result = trunkline("demo", "--stop", "--name", "never-started", folder=tmp_path)

    assert (result.returncode, result.stdout) == (0, "Nothing was up.\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_well(tmp_path: Path, number: signal.Signals, unused_tcp_port: int) -> None:
    """The service comes up without a PBX, tells its address and its first key, and a signal ends it with code 0."""
    settings = {
        "TRUNKLINE_DATABASE__URL": f"sqlite:///{tmp_path}/t.sqlite3",
        "TRUNKLINE_RECORDINGS__FOLDER": str(tmp_path / "recordings"),
        "TRUNKLINE_PBX__ARI_URL": f"http://127.0.0.1:{unused_tcp_port}",
        "TRUNKLINE_PBX__AMI_PORT": str(unused_tcp_port),
        "TRUNKLINE_PBX__CONNECT_TIMEOUT_S": "0.2",
        "TRUNKLINE_ENGINES__WARM_UP": "false",
    }
    command = [sys.executable, "-m", "trunkline", "serve", "--port", "0", "--json"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(number)
        _out, log = process.communicate(timeout=30)

    assert ready["base_url"].startswith("http://127.0.0.1:")
    assert ready["api_key"].startswith("tl_")
    assert (process.returncode, ready["api_key"] in log) == (0, False)
