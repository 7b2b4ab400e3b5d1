"""Every setting, in one place. The only module that reads the environment.

Sources, first wins: environment (`TRUNKLINE_PBX__ARI_URL`, two underscores between levels), then the TOML file named by
`TRUNKLINE_CONFIG` or `--config` (default `./trunkline.toml`, then `/etc/trunkline/trunkline.toml`), then the defaults below.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DEFAULT_FILES = (Path("trunkline.toml"), Path("/etc/trunkline/trunkline.toml"))


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Http(_Section):
    """Where the API listens."""

    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port of the API; 0 picks a free one.")
    max_body_bytes: int = Field(1_048_576, ge=1024, description="Bigger request bodies are answered 413.")
    trusted_proxies: tuple[str, ...] = Field((), description="Addresses whose X-Forwarded-For is believed.")


class Database(_Section):
    """Where records are kept."""

    url: str = Field("sqlite:///var/trunkline.sqlite3", description="SQLAlchemy URL; SQLite by default.")
    vault_key: SecretStr | None = Field(
        None,
        description="Base64 of 32 bytes that encrypt stored passwords; default is a key file beside the database, made on first use.",
    )


class PbxSection(_Section):
    """The Asterisk that carries the calls."""

    node: str = Field("pbx-1", pattern=r"^[a-z0-9-]{1,32}$", description="Name of this PBX in records.")
    ari_url: str = Field(
        "http://127.0.0.1:8088", description="Asterisk's HTTP address; /ari and /media are below it."
    )
    ari_username: str = Field("trunkline", description="User in ari.conf.")
    ari_password: SecretStr = Field(SecretStr(""), description="That user's password.")
    ari_app: str = Field(
        "trunkline",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Stasis application; one for each running service.",
    )
    ami_host: str = Field("127.0.0.1", description="Asterisk's manager address.")
    ami_port: int = Field(5038, ge=1, le=65535, description="Asterisk's manager port.")
    ami_username: str = Field("trunkline", description="User in manager.conf.")
    ami_password: SecretStr = Field(SecretStr(""), description="That user's secret.")
    recordings_on_pbx: str = Field(
        "/var/spool/asterisk/trunkline", description="Folder for recordings, as Asterisk sees it."
    )
    recordings_here: Path = Field(
        Path("/var/spool/asterisk/trunkline"), description="The same folder, as this service sees it."
    )
    connect_timeout_s: float = Field(
        10.0, gt=0, description="How long start-up waits for the PBX before it goes on without."
    )
    sounds_language: str = Field("en", description="Language of the PBX's own prompts.")


class Calls(_Section):
    """Rules for every call."""

    ring_timeout_s: int = Field(45, ge=5, le=300, description="Ring time when the request names none.")
    max_duration_s: int = Field(
        600, ge=10, le=43200, description="Longest call when the assistant names none."
    )
    max_concurrent: int = Field(
        200, ge=1, description="Calls at once in this process; more are answered 429."
    )
    transfer_timeout_s: int = Field(30, ge=5, le=300, description="How long a transfer target may ring.")
    orphan_after_s: float = Field(
        30.0, gt=0, description="Legs of ours that no call knows are hung up after this long."
    )
    shutdown_grace_s: float = Field(
        10.0, ge=0, description="How long running calls may finish when the service is stopped."
    )
    allowed_prefixes: tuple[str, ...] = Field(
        ("+",),
        description="Destinations must start with one of these; `+` allows every country that `blocked_prefixes` does not close.",
    )
    blocked_prefixes: tuple[str, ...] = Field(
        (
            "+870",
            "+881",
            "+882",
            "+883",
            "+979",
            "+1900",
            "+1976",
            "+4490",
            "+31900",
            "+31906",
            "+31909",
            "+49900",
        ),
        description="Closed destinations: satellite, international premium and national premium ranges.",
    )
    allowed_sip_hosts: tuple[str, ...] = Field(
        (), description="Hosts that a `sip:` transfer target may name; none by default."
    )


class Media(_Section):
    """How audio is played."""

    queue_ahead_ms: int = Field(
        160, ge=40, le=1000, description="Audio queued in the PBX beyond what is being heard."
    )
    flush_timeout_ms: int = Field(
        250, ge=20, le=2000, description="How long a flush waits for the PBX's confirmation."
    )
    wideband: bool = Field(True, description="16 kHz towards legs whose codec carries it.")


class Recordings(_Section):
    """Stereo recordings: caller left, assistant right."""

    enabled: bool = Field(True, description="Record calls.")
    folder: Path = Field(Path("var/recordings"), description="Where finished recordings are kept.")


class Engines(_Section):
    """Embedded engines and their threads."""

    threads: int = Field(2, ge=1, le=64, description="Threads for speech models, shared by all calls.")
    whisper_model: Path | None = Field(
        None, description="Folder of a CTranslate2 whisper model; default is the packaged tiny.en."
    )
    warm_up: bool = Field(True, description="Load embedded models at start.")


class Providers(_Section):
    """Keys of hosted engines, when they are not given by an organization."""

    openai_api_key: SecretStr | None = Field(None, description="Key for provider `openai`.")
    mistral_api_key: SecretStr | None = Field(None, description="Key for provider `mistral`.")
    openai_base_url: str = Field("https://api.openai.com/v1", description="Address of provider `openai`.")
    mistral_base_url: str = Field("https://api.mistral.ai/v1", description="Address of provider `mistral`.")
    allowed_base_urls: tuple[str, ...] = Field(
        (),
        description="OpenAI-compatible servers that an assistant may name as `base_url`, such as http://127.0.0.1:11434/v1.",
    )


class Api(_Section):
    """Limits of the API."""

    requests_per_minute: int = Field(100, ge=1, description="For each key.")
    controls_per_minute: int = Field(10, ge=1, description="Control commands for each call.")
    unauthenticated_per_minute: int = Field(30, ge=1, description="For each address without a valid key.")
    idempotency_hours: int = Field(24, ge=24, description="How long a first answer is replayed.")


class Logs(_Section):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is written."
    )
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, JSON elsewhere."
    )
    personal_data: bool = Field(False, description="Write phone numbers and transcripts into logs.")


class Settings(BaseSettings):
    """The whole configuration, checked at start and frozen."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="TRUNKLINE_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    http: Http = Http()
    database: Database = Database()
    pbx: PbxSection = PbxSection()
    calls: Calls = Calls()
    media: Media = Media()
    recordings: Recordings = Recordings()
    engines: Engines = Engines()
    providers: Providers = Providers()
    api: Api = Api()
    logs: Logs = Logs()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments of a test, then the environment, then the file."""
        del dotenv_settings, file_secret_settings
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_file()))


class SettingsError(Exception):
    """The configuration can't be used; the message names each key and what it must be."""


def config_file() -> Path | None:
    """The TOML file in force, or None where there is none."""
    named = os.environ.get("TRUNKLINE_CONFIG")
    if named:
        return Path(named)
    return next((path for path in DEFAULT_FILES if path.is_file()), None)


def load_settings(**overrides: Any) -> Settings:
    """Reads and checks the configuration.

    Raises:
        SettingsError: with one line for each wrong key.
    """
    path = config_file()
    if path is not None and not path.is_file():
        raise SettingsError(f"TRUNKLINE_CONFIG names {path}, which is not there.")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(_explain(error, path)) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _explain(error: ValidationError, path: Path | None) -> str:
    where = f"{path} or the environment" if path else "the environment"
    lines = [f"The configuration ({where}) has {error.error_count()} problem(s):"]
    for problem in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        env = "TRUNKLINE_" + "__".join(str(part).upper() for part in problem["loc"])
        lines.append(f"  {key}: {problem['msg']} (environment: {env})")
    return "\n".join(lines)
