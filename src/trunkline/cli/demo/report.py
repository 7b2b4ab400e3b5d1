"""What the terminal shows: the steps, the live transcript, the tables, the verdict. Plain text outside a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.table import Table
from rich.text import Text

from trunkline.cli.call_page import ending, transcript_line, waterfall
from trunkline.cli.demo.judge import Fact, turn_times
from trunkline.cli.options import console

Json = Mapping[str, Any]


class Report:
    """Writes the demo for a person, and one JSON line for a program."""

    def __init__(self) -> None:
        self._console = console()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A piece of the set-up, with the time it took."""
        started = time.monotonic()
        with self._console.status(title):
            yield
        self._line("✓", "green", f"{title} [dim]({time.monotonic() - started:.1f} s)[/dim]")

    def progress(self, text: str) -> None:
        """A detail of the step that runs."""
        self._console.print(Text(f"    {text}", style="dim"))

    def heading(self, text: str) -> None:
        """Parts one section from the next."""
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def event(self, event: Json) -> None:
        """One event of the live call."""
        data: Json = event.get("data") or {}
        match event.get("type"):
            case "transcript":
                self._console.print(transcript_line(data))
            case "ringing" | "early_media" | "transferring" | "transferred" | "transfer_failed":
                self._aside(f"{event['type'].replace('_', ' ')} {data.get('destination') or ''}")
            case "in-progress":
                self._aside("answered")
            case "barge_in":
                self._aside(f"barge-in: assistant silent after {data.get('stop_ms')} ms")
            case "ended":
                self._aside(f"ended: {data.get('end_reason')}")

    def command(self, body: Json, refusal: str | None) -> None:
        """A command that was sent to the API, and whether it took it."""
        what = body.get("content") or body.get("destination") or ""
        self._aside(
            f"→ POST control {body['type']} {what}" + (f"  refused: {refusal}" if refusal else ""),
            "yellow" if not refusal else "red",
        )

    def record(self, call: Json) -> None:
        """The facts of the end and a waterfall of each turn."""
        self.heading("Latency of each turn, in ms since the caller's last word")
        self._console.print(waterfall(call.get("latency") or ()))
        self._console.print(_first_audio(call))
        self.heading("The record")
        self._console.print(ending(call))

    def verdict(self, facts: Sequence[Fact]) -> None:
        """Each fact, and what was observed."""
        self.heading("What was observed")
        for fact in facts:
            mark, style = ("✓", "green") if fact.holds else ("✗", "bold red")
            line = Text(f"  {mark} ", style=style)
            line.append(f"{fact.name.replace('_', ' '):<24}")
            line.append(fact.seen, style="dim" if fact.holds else "red")
            self._console.print(line)

    def kept(self, base_url: str, api_key: str, numbers: Mapping[str, str]) -> None:
        """How to go on with what was left up."""
        self.heading("Left up")
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_row("base URL", base_url)
        table.add_row("API key", api_key)
        for role, number in numbers.items():
            table.add_row(role, number)
        table.add_row("ends with", "make stop")
        self._console.print(table)

    def last_line(self, summary: Mapping[str, Any]) -> None:
        """One JSON line, always the last one on stdout."""
        self._console.print()
        sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def _aside(self, text: str, style: str = "dim") -> None:
        self._console.print(Text(f"         · {text}", style=style))

    def _line(self, mark: str, style: str, text: str) -> None:
        self._console.print(f"[{style}]{mark}[/{style}] {text}")


def _first_audio(call: Json) -> Text:
    times = turn_times(call)
    if not times:
        return Text("no turn was timed", style="red")
    return Text(f"first audio of each answer: {', '.join(f'{ms:.0f}' for ms in times)} ms", style="dim")
