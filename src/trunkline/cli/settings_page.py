"""Every setting as a page: Markdown to read, TOML to start from. Made from the settings themselves, so it can't lag behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from trunkline.settings import Settings


@dataclass(frozen=True, slots=True)
class Setting:
    """One key. `default` is in TOML's spelling; None where the key is not set by default."""

    section: str
    key: str
    environment: str
    default: str | None
    accepts: str
    description: str


def sections() -> Iterator[tuple[str, str, list[Setting]]]:
    """Each section's name, its own description and its settings, in the order of the configuration."""
    for name, field in Settings.model_fields.items():
        model = field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        yield (
            name,
            (model.__doc__ or "").strip(),
            [_setting(name, key, info) for key, info in model.model_fields.items()],
        )


def _setting(section: str, key: str, info: FieldInfo) -> Setting:
    return Setting(
        section=section,
        key=key,
        environment=f"TRUNKLINE_{section}__{key}".upper(),
        default=_toml(info.default),
        accepts=_accepts(info),
        description=info.description or "",
    )


def _toml(value: Any) -> str | None:
    match value:
        case None:
            return None
        case SecretStr():
            return '""'
        case bool() | int() | float():
            return json.dumps(value)
        case Path():
            return json.dumps(str(value))
        case tuple():
            return json.dumps(list(value))
        case _:
            return json.dumps(value)


def _accepts(info: FieldInfo) -> str:
    annotation = info.annotation
    if get_origin(annotation) is Literal:
        return " | ".join(str(choice) for choice in get_args(annotation))
    words = {bool: "true | false", int: "integer", float: "number", SecretStr: "secret", Path: "path"}
    kinds = [
        kind
        for kind in (get_args(annotation) or (annotation,))
        if kind is not type(None) and kind is not Ellipsis
    ]
    word = "list of strings" if get_origin(annotation) is tuple else words.get(kinds[0], "string")
    return f"{word}{_bounds(info)}"


def _bounds(info: FieldInfo) -> str:
    parts = []
    for rule in info.metadata:
        match rule:
            case Ge():
                parts.append(f"≥ {rule.ge}")
            case Gt():
                parts.append(f"> {rule.gt}")
            case Le():
                parts.append(f"≤ {rule.le}")
            case Lt():
                parts.append(f"< {rule.lt}")
    return f", {', '.join(parts)}" if parts else ""


def as_markdown() -> str:
    """A table a section."""
    lines = [
        "# Settings",
        "",
        "First wins: environment, then the TOML file (`TRUNKLINE_CONFIG`, `--config`, `./trunkline.toml`,",
    ]
    lines += [
        "`/etc/trunkline/trunkline.toml`), then the default. Two underscores stand between section and key.",
        "",
    ]
    for name, about, settings in sections():
        lines += [
            f"## [{name}]",
            "",
            about,
            "",
            "| key | accepts | default | environment | what it does |",
            "|---|---|---|---|---|",
        ]
        for one in settings:
            default = "not set" if one.default is None else f"`{one.default}`"
            accepts = one.accepts.replace("|", "\\|")
            lines.append(f"| `{one.key}` | {accepts} | {default} | `{one.environment}` | {one.description} |")
        lines.append("")
    return "\n".join(lines)


def as_toml() -> str:
    """A file to start from: every key with its default, commented out."""
    lines = [
        "# Trunkline's configuration. Every key is shown with its default; take the # away to change one.",
        "# The environment wins over this file: TRUNKLINE_<SECTION>__<KEY>, such as TRUNKLINE_HTTP__PORT=8080.",
        "# Copy it to ./trunkline.toml or /etc/trunkline/trunkline.toml, or name it by TRUNKLINE_CONFIG.",
    ]
    for name, about, settings in sections():
        lines += ["", f"# {about}", f"[{name}]"]
        for one in settings:
            lines += ["", f"# {one.description} ({one.accepts})"]
            lines.append(
                f"# {one.key} =   (not set)" if one.default is None else f"# {one.key} = {one.default}"
            )
    return "\n".join(lines) + "\n"


def as_json() -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "section": one.section,
            "key": one.key,
            "environment": one.environment,
            "default": one.default,
            "accepts": one.accepts,
            "description": one.description,
        }
        for _name, _about, settings in sections()
        for one in settings
    ]
