"""`trunkline call`: dials a number and, if asked, follows the call to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from trunkline.cli.call_page import call_page, transcript_line
from trunkline.cli.client import ApiClient, Json
from trunkline.cli.exits import CliError, Exit
from trunkline.cli.options import DEFAULT_URL, AsJson, Key, Url, print_json, run, show


def call(
    destination: Annotated[str, typer.Argument(help="The number to dial, E.164.", metavar="+NUMBER")],
    assistant: Annotated[
        str,
        typer.Option(
            "--assistant",
            "-a",
            help="An assistant's id, or a JSON file with a whole configuration.",
            metavar="ID|FILE",
        ),
    ],
    number: Annotated[
        str | None,
        typer.Option(
            "--number",
            "-n",
            help="Id of the number of ours that calls; any free one when left out.",
            metavar="ID",
        ),
    ] = None,
    greeting: Annotated[
        str | None, typer.Option(help="What the assistant says first.", metavar="TEXT")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="What the assistant should know about this call.", metavar="TEXT")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Show the transcript as it is spoken, and wait for the end."),
    ] = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Dials a number and puts an assistant on the line.

    With --follow the exit code is 0 only when the call was answered and ended normally.

    \b
    trunkline call +31201234567 --assistant 0b54… --number 7d21… --follow
    trunkline call +31201234567 --assistant receptionist.json --context "Anna asked us to call back."
    """
    body: Json = {"destination": destination, **_assistant(assistant)}
    optional = {"number_id": number, "first_message": greeting, "context": context}
    body |= {name: value for name, value in optional.items() if value is not None}
    record = run(_place(url, key, body, follow=follow, as_json=as_json))
    if follow and record.get("status") != "ended":
        raise CliError(f"The call failed: {record.get('error') or record.get('end_reason')}")


def _assistant(text: str) -> Json:
    path = Path(text)
    if not text.endswith(".json"):
        return {"assistant_id": text}
    try:
        return {"assistant": json.loads(path.read_text(encoding="utf-8"))}
    except OSError as error:
        raise CliError(f"{path} can't be read: {error.strerror}.", Exit.USAGE) from error
    except ValueError as error:
        raise CliError(f"{path} is not valid JSON: {error}", Exit.USAGE) from error


async def _place(url: str, key: str, body: Json, *, follow: bool, as_json: bool) -> Json:
    async with ApiClient(url, key) as client:
        placed = await client.post("/calls/outbound", body)
        call_id = placed["call_id"]
        if not follow:
            print_json(placed) if as_json else print(call_id)
            return placed
        async for event in client.follow(call_id):
            if as_json:
                print(json.dumps(event, ensure_ascii=False), flush=True)
            else:
                _show_event(event)
        record = await client.get(f"/calls/{quote(call_id, safe='')}")
    print_json(record) if as_json else show(call_page({**record, "messages": []}))
    return record


def _show_event(event: Json) -> None:
    data: dict[str, Any] = event.get("data", {})
    match event["type"]:
        case "transcript":
            show(transcript_line(data))
        case "ringing" | "early_media" | "in-progress" | "transferring" | "transferred" | "transfer_failed":
            detail = data.get("destination") or ""
            show(Text(f"         {event['type'].replace('_', ' ')} {detail}", style="dim"))
        case "barge_in":
            show(Text(f"         barge-in, silent after {data.get('stop_ms')} ms", style="dim"))
