"""`trunkline keys`: API keys, straight in the database of the local configuration, as the first key can't come from the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from trunkline.cli.options import AsJson, print_json, run, show

app = typer.Typer(no_args_is_help=True)

Organization = Annotated[
    str | None,
    typer.Option("--organization", help="Whose keys; may be left out while there is only one.", metavar="ID"),
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")] = "command line",
    organization: Organization = None,
    as_json: AsJson = False,
) -> None:
    """Makes a key and shows it, this once. In an empty database it makes the first organization too.

    \b
    trunkline keys create
    trunkline keys create "billing system" --json
    """
    from trunkline.cli import key_work  # noqa: PLC0415 - SQLAlchemy takes longer to import than most commands to run

    made = run(key_work.create_key(name, organization))
    if as_json:
        print_json(made)
    else:
        print(
            f"{made['api_key']}\n\nIt is not shown again. Use it as:  export TRUNKLINE_API_KEY={made['api_key']}"
        )


@app.command("list")
def list_keys(organization: Organization = None, as_json: AsJson = False) -> None:
    """Lists keys: what they are for, when they were used last. Never their values."""
    from trunkline.cli import key_work  # noqa: PLC0415 - SQLAlchemy takes longer to import than most commands to run

    keys = run(key_work.list_keys_of(organization))
    print_json({"keys": keys}) if as_json else show(_table(keys))


@app.command()
def revoke(
    key: Annotated[
        str, typer.Argument(help="The key's id, or its beginning as `list` shows it.", metavar="ID")
    ],
    organization: Organization = None,
    as_json: AsJson = False,
) -> None:
    """Ends a key; who uses it gets 401 from then on.

    \b
    trunkline keys revoke tl_Ab3dEf
    """
    from trunkline.cli import key_work  # noqa: PLC0415 - SQLAlchemy takes longer to import than most commands to run

    gone = run(key_work.revoke_key(key, organization))
    print_json(gone) if as_json else print(f"{gone['prefix']}… ({gone['name']}) is revoked.")


def _table(keys: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("prefix", "name", "created", "last used", "state", "id"):
        table.add_column(heading, no_wrap=True)
    for key in keys:
        state = "revoked" if key["revoked_at"] else "active"
        table.add_row(
            f"{key['prefix']}…",
            key["name"],
            _day(key["created_at"]),
            _day(key["last_used_at"]),
            state,
            key["id"],
        )
    return table


def _day(time: str | None) -> str:
    return time[:16].replace("T", " ") if time else "never"
