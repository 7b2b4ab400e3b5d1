"""`trunkline settings`: every key, or what is in force."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from trunkline.cli.options import print_json
from trunkline.cli.settings_page import as_json, as_markdown, as_toml
from trunkline.settings import config_file, load_settings


class Page(StrEnum):
    """How the settings are printed."""

    MARKDOWN = "markdown"
    TOML = "toml"
    JSON = "json"


def settings(
    form: Annotated[
        Page, typer.Option("--format", help="A page to read, a file to start from, or JSON.")
    ] = Page.MARKDOWN,
    current: Annotated[
        bool, typer.Option("--current", help="What is in force now, as JSON; secrets are hidden.")
    ] = False,
) -> None:
    """Every setting: its default, what it accepts, its environment name, what it does.

    \b
    trunkline settings                                a page to read
    trunkline settings --format toml > trunkline.toml  a file to start from
    trunkline settings --current                      what is in force here
    """
    if current:
        print_json({"file": config_file(), "settings": _hidden(load_settings().model_dump())})
    elif form is Page.JSON:
        print_json(as_json())
    else:
        print(as_toml() if form is Page.TOML else as_markdown(), end="")


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(inner) for key, inner in value.items()}
    if isinstance(value, SecretStr):
        return "set" if value.get_secret_value() else "not set"
    return value
