"""`trunkline calls`: the records, through the REST API."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from trunkline.cli.call_page import call_page, calls_table
from trunkline.cli.client import ApiClient, Json
from trunkline.cli.options import DEFAULT_URL, AsJson, Key, Url, print_json, run, show

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_calls(
    url: Url = DEFAULT_URL,
    key: Key = "",
    status: Annotated[str | None, typer.Option(help="connecting, in-progress, ended or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    offset: Annotated[int, typer.Option(min=0, help="How many newer ones to skip.")] = 0,
    since: Annotated[
        str | None, typer.Option(help="Created on or after this date or time (ISO 8601).")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Created on or before this date or time (ISO 8601).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Lists calls, newest first.

    \b
    trunkline calls list
    trunkline calls list --status failed --since 2026-11-01
    trunkline calls list --json --limit 1000 > calls.json
    """
    answer = run(
        _get(url, key, "/calls", status=status, limit=limit, offset=offset, start_date=since, end_date=until)
    )
    if as_json:
        print_json(answer)
        return
    show(calls_table(answer["calls"]))
    total = answer["pagination"]["total"]
    if total > offset + len(answer["calls"]):
        print(f"… {len(answer['calls'])} of {total}; --offset {offset + limit} shows the next")


@app.command("show")
def show_call(
    call_id: Annotated[str, typer.Argument(help="The call's id.", metavar="ID")],
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Shows one call: its end, its transcript, and where the time of each turn went.

    \b
    trunkline calls show call-outbound-3k9x0v7q2m1a
    """
    record = run(_get(url, key, f"/calls/{quote(call_id, safe='')}"))
    if as_json:
        print_json(record)
    else:
        show(call_page(record))


async def _get(url: str, key: str, path: str, **query: str | int | None) -> Json:
    async with ApiClient(url, key) as client:
        return await client.get(path, **query)
