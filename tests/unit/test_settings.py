"""The configuration is checked at start, and its errors name the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from trunkline.settings import SettingsError, config_file, load_settings


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "trunkline.toml"
    monkeypatch.setenv("TRUNKLINE_CONFIG", str(path))
    path.write_text(
        '[http]\nport = 9000\n[calls]\nring_timeout_s = 20\n[pbx]\nari_password = "s3cret"\n',
        encoding="utf-8",
    )
    return path


def test_file_wins_over_defaults_and_environment_over_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment, then file, then default; neighbours in the same section stay."""
    monkeypatch.setenv("TRUNKLINE_HTTP__PORT", "9001")
    settings = load_settings()

    assert (settings.http.port, settings.http.host, settings.calls.ring_timeout_s) == (9001, "127.0.0.1", 20)
    assert settings.pbx.ari_password.get_secret_value() == "s3cret"


def test_file_beside_the_process_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name, ./trunkline.toml counts."""
    monkeypatch.delenv("TRUNKLINE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trunkline.toml").write_text("[http]\nport = 9002\n", encoding="utf-8")

    assert config_file() == Path("trunkline.toml")
    assert load_settings().http.port == 9002


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[http]\nport = 70000\n", ["http.port", "TRUNKLINE_HTTP__PORT"]),
        ("[http]\nprot = 80\n", ["http.prot"]),
        ('[logs]\nlevel = "loud"\n', ["logs.level", "debug"]),
        (
            "[calls]\nring_timeout_s = 1\nmax_concurrent = 0\n",
            ["2 problem", "calls.ring_timeout_s", "calls.max_concurrent"],
        ),
        ("[http\n", ["not valid TOML"]),
    ],
)
def test_errors_name_the_key(config: Path, text: str, named: list[str]) -> None:
    """Each wrong key is named with its environment name; all are told at once."""
    config.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert [word for word in named if word not in str(caught.value)] == []


def test_a_wrong_secret_is_not_told(config: Path) -> None:
    """An error about a secret does not show it."""
    config.write_text('[pbx]\nari_password = ["hunter2"]\n', encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert "pbx.ari_password" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_named_file_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error in TRUNKLINE_CONFIG does not silently become the defaults."""
    monkeypatch.setenv("TRUNKLINE_CONFIG", "/nowhere/trunkline.toml")
    with pytest.raises(SettingsError, match="/nowhere/trunkline"):
        load_settings()


def test_settings_do_not_change(config: Path) -> None:
    """Settings are frozen, sections too."""
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.http.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.http = settings.http  # type: ignore[misc]


def test_secrets_do_not_print(config: Path) -> None:
    """A configuration in a log or a traceback shows no password."""
    assert "s3cret" not in f"{load_settings()!r}{load_settings()}"
