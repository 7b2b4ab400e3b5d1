"""`trunkline keys`: API keys, straight in the database of the local configuration, as the first key can't come from the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer
from rich.table import Table

from trunkline.cli.exits import CliError
from trunkline.cli.options import AsJson, print_json, run, show
from trunkline.core.clock import SystemClock
from trunkline.core.ids import OrganizationId
from trunkline.resources.keys import KeyService
from trunkline.resources.organizations import OrganizationService
from trunkline.settings import load_settings
from trunkline.store.store import Store

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
    made = run(_create(name, organization))
    if as_json:
        print_json(made)
    else:
        print(
            f"{made['api_key']}\n\nIt is not shown again. Use it as:  export TRUNKLINE_API_KEY={made['api_key']}"
        )


@app.command("list")
def list_keys(organization: Organization = None, as_json: AsJson = False) -> None:
    """Lists keys: what they are for, when they were used last. Never their values."""
    keys = run(_list(organization))
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
    gone = run(_revoke(key, organization))
    print_json(gone) if as_json else print(f"{gone['prefix']}… ({gone['name']}) is revoked.")


async def _create(name: str, organization: str | None) -> dict[str, Any]:
    async with _store() as store:
        first = await OrganizationService(store, SystemClock()).first() if organization is None else None
        if first is not None:
            return {"organization_id": first[0].id, "api_key": first[1].reveal()}
        organization_id = await _organization(store, organization)
        row, value = await KeyService(store, SystemClock()).create(organization_id, name)
        return {"organization_id": organization_id, "id": row.id, "name": name, "api_key": value.reveal()}


async def _list(organization: str | None) -> list[dict[str, Any]]:
    async with _store() as store:
        return await KeyService(store, SystemClock()).list(await _organization(store, organization))


async def _revoke(key: str, organization: str | None) -> dict[str, Any]:
    async with _store() as store:
        service = KeyService(store, SystemClock())
        organization_id = await _organization(store, organization)
        return await service.revoke(organization_id, meant(key, await service.list(organization_id)))


def meant(key: str, keys: Sequence[dict[str, Any]]) -> str:
    """The id of the one key that was named, by id or by prefix.

    Raises:
        CliError: none, or several.
    """
    found = [
        one["id"] for one in keys if one["id"] == key or (one["prefix"] == key and not one["revoked_at"])
    ]
    if not found:
        raise CliError(f"There is no key {key!r}. `trunkline keys list` shows them.")
    if len(found) > 1:
        raise CliError(f"Several keys begin with {key!r}; name one by its id: {', '.join(found)}")
    return str(found[0])


async def _organization(store: Store, named: str | None) -> OrganizationId:
    if named is not None:
        return (await store.organizations.get(OrganizationId(named))).id
    rows = await store.organizations.list()
    if not rows:
        raise CliError(
            "The database has no organization yet. `trunkline keys create` makes the first one with its key."
        )
    if len(rows) > 1:
        names = ", ".join(f"{row.id} ({row.name})" for row in rows)
        raise CliError(f"There are several organizations; name one with --organization: {names}")
    return rows[0].id


@asynccontextmanager
async def _store() -> AsyncIterator[Store]:
    store = await Store.open(load_settings().database.url)
    try:
        yield store
    finally:
        await store.close()


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
