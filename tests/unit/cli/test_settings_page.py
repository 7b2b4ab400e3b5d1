"""The page of settings is made from the settings, so it tells the truth."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from trunkline.cli.settings_page import as_json, as_markdown, as_toml, sections
from trunkline.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[3]


def test_every_setting_is_told_with_what_it_does() -> None:
    """No key lacks a description, and none of the configuration's keys is missing."""
    told = {(one.section, one.key) for _name, _about, settings in sections() for one in settings}
    real = {
        (section, key)
        for section, values in Settings.model_construct().model_dump().items()
        for key in values
    }

    assert told == real
    assert [one for _name, _about, settings in sections() for one in settings if not one.description] == []


def test_example_file_is_the_current_one() -> None:
    """`trunkline settings --format toml` and the file in sip_configs/ are the same."""
    assert (ROOT / "sip_configs" / "trunkline.example.toml").read_text(encoding="utf-8") == as_toml()


def uncommented(text: str) -> str:
    keys = (
        line.removeprefix("# ")
        for line in text.splitlines()
        if line.startswith("[") or (" = " in line and "(not set)" not in line)
    )
    return "\n".join(line for line in keys if line.startswith("[") or line.partition(" = ")[0].isidentifier())


def test_example_file_holds_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every # taken away the file is valid and changes nothing."""
    path = tmp_path / "trunkline.toml"
    path.write_text(uncommented(as_toml()), encoding="utf-8")
    monkeypatch.setenv("TRUNKLINE_CONFIG", str(path))

    assert len(tomllib.loads(path.read_text(encoding="utf-8"))) == len(Settings.model_fields)
    assert load_settings() == Settings()


def test_environment_names_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each environment name that the page tells reaches its key."""
    for one in as_json():
        if one["accepts"].startswith("integer"):
            monkeypatch.setenv(one["environment"], one["default"])
    monkeypatch.setenv("TRUNKLINE_HTTP__PORT", "9123")

    assert load_settings().http.port == 9123


def test_markdown_has_a_row_for_each_setting() -> None:
    """The page to read is complete."""
    rows = [line for line in as_markdown().splitlines() if line.startswith("| `")]

    assert len(rows) == len(as_json())
    assert "| `port` | integer, ≥ 0, ≤ 65535 | `8080` | `TRUNKLINE_HTTP__PORT` |" in as_markdown()


def test_secrets_have_no_default_to_read() -> None:
    """The page never shows a password, not even an empty one from the environment."""
    passwords = [one for one in as_json() if "password" in one["key"] or "api_key" in one["key"]]

    assert passwords
    assert all(one["default"] in (None, '""') for one in passwords)
