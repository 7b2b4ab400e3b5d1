"""`trunkline pbx`, as far as it goes without an Asterisk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trunkline.cli.exits import CliError
from trunkline.cli.pbx import app
from trunkline.local_pbx import instance
from trunkline.local_pbx.subscribers import SUBSCRIBERS

RUN = CliRunner()


def test_subscribers_are_listed_for_people_and_for_programs() -> None:
    """Every number is in both."""
    listed = RUN.invoke(app, ["subscribers"]).stdout
    told = json.loads(RUN.invoke(app, ["subscribers", "--json"]).stdout)
    for who in SUBSCRIBERS:
        assert who.number in listed
        assert {"key": who.key, "number": who.number, "does": who.does} in told


def test_config_writes_both_sides_and_never_overwrites(tmp_path: Path) -> None:
    """The PBX's files and the service's hold the same fresh password."""
    folder, toml = tmp_path / "trunkline", tmp_path / "trunkline.toml"
    done = RUN.invoke(app, ["config", str(folder), "--write-config", str(toml)])
    assert done.exit_code == 0
    password = next(
        line.split('"')[1] for line in toml.read_text().splitlines() if line.startswith("ari_password")
    )
    assert f"password = {password}" in (folder / "ari.conf").read_text()
    assert 'recordings_on_pbx = "/var/spool/asterisk/trunkline"' in toml.read_text()
    again = RUN.invoke(app, ["config", str(folder), "--write-config", str(toml)])
    assert isinstance(again.exception, CliError)
    assert "there already" in str(again.exception)


def test_status_of_an_instance_that_is_not_there_fails() -> None:
    """A script can rely on the exit code."""
    assert RUN.invoke(app, ["status", "--name", "nobody-by-this-name"]).exit_code == 1


def test_status_prints_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for people nor for programs."""
    from trunkline.local_pbx.reserve import for_an_asterisk_of_your_own

    state = for_an_asterisk_of_your_own(tmp_path / "x", "127.0.0.1")
    monkeypatch.setattr(instance, "instances", lambda: [state])
    for arguments in (["status"], ["status", "--json"]):
        shown = RUN.invoke(app, arguments).stdout
        assert "127.0.0.1:5060" in shown
        assert state.ari_password not in shown
        assert state.ami_secret not in shown


@pytest.mark.parametrize("command", ["up", "down", "status", "config", "subscribers"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    """People learn from examples."""
    assert "Example: trunkline pbx" in RUN.invoke(app, [command, "--help"]).stdout
