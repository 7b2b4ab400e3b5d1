"""Options that several commands share, and how they print."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console, RenderableType

Url = Annotated[
    str, typer.Option("--url", envvar="TRUNKLINE_URL", help="Address of the service.", metavar="URL")
]
Key = Annotated[
    str,
    typer.Option(
        "--key", envvar="TRUNKLINE_API_KEY", help="API key; `trunkline keys create` makes one.", metavar="KEY"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

_T = TypeVar("_T")

_PIPE_WIDTH = 200

DEFAULT_URL = "http://127.0.0.1:8080"


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs a command's coroutine on the fastest loop there is."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop halves what a frame costs; where it has no wheel, asyncio's own loop does."""
    try:
        import uvloop  # noqa: PLC0415 - absent on some machines
    except ImportError:
        return None
    return uvloop.new_event_loop


def console() -> Console:
    """Stdout for people: as wide as the terminal, and wide enough for whole lines where there is none."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def show(page: RenderableType) -> None:
    """Prints for people, on stdout; plain text where stdout is not a terminal."""
    console().print(page)


def print_json(document: object) -> None:
    """Prints for programs, on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False, default=str))
