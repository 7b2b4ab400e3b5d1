"""A call record as text: transcript, a waterfall of each turn, the end. Pure: from the API's JSON to rich renderables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Json = Mapping[str, Any]

STAGES: Final = (
    "final_text",
    "end_of_turn",
    "request",
    "first_token",
    "first_audio",
    "first_frame",
    "first_mark",
)
"""The stages of a turn, as the record names them; a test holds this to the conversation's own list."""

_BAR_WIDTH: Final = 32
_SPEAKERS: Final = {
    "assistant": ("assistant", "cyan"),
    "user": ("caller", "green"),
    "system": ("system", "yellow"),
    "agent": ("agent", "magenta"),
}


def clock(ms: float | None) -> str:
    """`0:07.3`: minutes, seconds and tenths since the answer; blank where unknown."""
    if ms is None:
        return ""
    tenths = max(0, round(ms / 100))
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def transcript_line(message: Json) -> Text:
    """Who said what, when; an interrupted line ends in a dash."""
    name, colour = _SPEAKERS.get(str(message.get("role")), (str(message.get("role")), "white"))
    line = Text()
    line.append(f"{clock(message.get('start_ms')):>7}  ", style="dim")
    line.append(f"{name:<9}  ", style=f"bold {colour}")
    line.append(str(message.get("content", "")))
    if message.get("interrupted"):
        line.append(" —", style="bold red")
        line.append(" interrupted", style="dim")
    return line


def transcript(messages: Iterable[Json]) -> Group:
    """All lines, in order."""
    return Group(*(transcript_line(message) for message in messages))


def stage_times(turn: Json) -> list[tuple[str, float]]:
    """The stages of a turn in milliseconds since the end of the caller's speech, earliest first."""
    times = [(stage, turn.get(f"{stage}_ms")) for stage in STAGES]
    told = [(stage, float(time)) for stage, time in times if isinstance(time, int | float)]
    return sorted(told, key=lambda item: item[1])


def waterfall(turns: Sequence[Json]) -> Table:
    """A bar for each stage of each answer to the caller: where it starts and how long it took, on one scale."""
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    table.add_column("turn", justify="right")
    table.add_column("stage")
    table.add_column("ms", justify="right")
    table.add_column("since end of caller's speech")
    answers = [turn for turn in turns if turn.get("kind", "turn") == "turn"]
    longest = max((time for turn in answers for _stage, time in stage_times(turn)), default=1.0)
    for number, turn in enumerate(answers, start=1):
        before = 0.0
        for place, (stage, time) in enumerate(stage_times(turn)):
            table.add_row(
                str(number) if place == 0 else "",
                stage.replace("_", " "),
                f"{time:.0f}",
                _bar(before, time, longest),
            )
            before = max(before, time)
    return table


def _bar(start: float, end: float, longest: float) -> Text:
    scale = _BAR_WIDTH / max(longest, 1.0)
    lead = round(max(0.0, min(start, end)) * scale)
    size = max(1, round((end - start) * scale))
    return Text(" " * lead + "━" * size, style="cyan")


def ending(call: Json) -> Table:
    """The facts of the end, one a line; what the record does not have is left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in _facts(call):
        table.add_row(name, value)
    return table


def _facts(call: Json) -> Iterable[tuple[str, str]]:
    yield "call", str(call.get("id"))
    yield "status", " · ".join(str(part) for part in (call.get("status"), call.get("end_reason")) if part)
    if call.get("error"):
        yield "error", str(call["error"])
    if call.get("hangup"):
        yield "hang-up", hangup_text(call["hangup"])
    if call.get("duration_seconds") is not None:
        yield "duration", f"{call['duration_seconds']:.1f} s"
    if call.get("transfer"):
        yield "transfer", f"{call['transfer'].get('status')} → {call['transfer'].get('destination')}"
    if call.get("media"):
        yield (
            "media",
            " · ".join(f"{key} {value}" for key, value in call["media"].items() if value is not None),
        )
    if call.get("recording_url"):
        yield "recording", str(call["recording_url"])


def hangup_text(hangup: Json) -> str:
    """`16 normal_clearing`, with the SIP status where there was one."""
    sip = f" (SIP {hangup['sip']})" if hangup.get("sip") else ""
    return f"{hangup.get('q850')} {hangup.get('cause')}{sip}"


def call_page(call: Json) -> RenderableType:
    """The whole record."""
    parts: list[RenderableType] = [ending(call)]
    if call.get("messages"):
        parts += [Text(), Text("Transcript", style="bold"), transcript(call["messages"])]
    if call.get("latency"):
        parts += [Text(), Text("Latency", style="bold"), waterfall(call["latency"])]
    return Group(*parts)


def calls_table(calls: Sequence[Json]) -> Table:
    """A line a call, newest first as the API gives them."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "direction", "party", "status", "end", "seconds", "created"):
        table.add_column(name, justify="right" if name == "seconds" else "left", no_wrap=name == "id")
    for call in calls:
        seconds = call.get("duration_seconds")
        table.add_row(
            str(call.get("id")),
            str(call.get("direction") or ""),
            str(call.get("caller_phone") or "anonymous"),
            str(call.get("status")),
            str(call.get("end_reason") or ""),
            "" if seconds is None else f"{seconds:.0f}",
            str(call.get("created_at") or "").replace("T", " ")[:19],
        )
    return table
