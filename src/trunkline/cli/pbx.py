"""`trunkline pbx`: an Asterisk on this machine, with or without the simulated carrier."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from trunkline.cli.exits import CliError
from trunkline.local_pbx import instance
from trunkline.local_pbx.errors import LocalPbxError, Progress
from trunkline.local_pbx.files import files
from trunkline.local_pbx.install import CACHE, get_asterisk
from trunkline.local_pbx.lines import make_hold_music
from trunkline.local_pbx.render import export
from trunkline.local_pbx.reserve import Order, for_an_asterisk_of_your_own
from trunkline.local_pbx.state import InstanceState, write_config
from trunkline.local_pbx.subscribers import SUBSCRIBERS

app = typer.Typer(no_args_is_help=True)

DEFAULT_NAME = "local"
RECORDINGS = "/var/spool/asterisk/trunkline"
Name = Annotated[str, typer.Option("--name", help="Which instance.", metavar="NAME")]
Root = Annotated[
    Path,
    typer.Option(
        "--root",
        envvar="TRUNKLINE_ASTERISK_ROOT",
        help="Where Asterisk is installed if the machine has none.",
        metavar="DIR",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, metavar="PORT", help="A fixed port instead of a free one.")
]


@app.command(
    epilog="Example: trunkline pbx up --carrier --write-config trunkline.toml && trunkline -c trunkline.toml serve"
)
def up(
    name: Name = DEFAULT_NAME,
    carrier: Annotated[bool, typer.Option(help="Also a simulated carrier behind a SIP trunk.")] = False,
    host: Annotated[
        str, typer.Option(help="Address for SIP, HTTP and AMI.", metavar="ADDRESS")
    ] = "127.0.0.1",
    sip_port: Port = None,
    http_port: Port = None,
    ami_port: Port = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--write-config", help="Write the service's configuration for this PBX.", metavar="FILE"
        ),
    ] = None,
    root: Root = CACHE,
    as_json: AsJson = False,
) -> None:
    """Brings up a PBX; installs Asterisk first where the machine has none (needs root once). Safe to repeat."""
    with _told() as progress:
        asterisk = get_asterisk(progress, root=root)
        order = Order(name, host=host, sip_port=sip_port, http_port=http_port, ami_port=ami_port)
        states = [instance.up(order, asterisk=asterisk, progress=progress)]
        if carrier:
            behind = Order(f"{name}-carrier", "carrier", name, host=host)
            states.append(instance.up(behind, peer=states[0], asterisk=asterisk, progress=progress))
        if config is not None:
            write_config(states[0], config)
    _show(states, as_json=as_json)
    if carrier and not as_json:
        _show_subscribers()


@app.command(epilog="Example: trunkline pbx down --remove")
def down(
    name: Name = DEFAULT_NAME,
    files: Annotated[
        bool, typer.Option("--remove", help="Delete its files too, recordings included.")
    ] = False,
) -> None:
    """Ends a PBX and its carrier. Ports and passwords are kept for the next `up` unless `--remove` is given."""
    with _told() as progress:
        for each in (f"{name}-carrier", name):
            if instance.status(each) is None:
                continue
            progress(f"Ending {each}")
            (instance.remove if files else instance.down)(each)


@app.command(epilog="Example: trunkline pbx status --json")
def status(
    name: Annotated[
        str | None, typer.Option("--name", help="Only this one and its carrier.", metavar="NAME")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows the instances of this machine. Exit code 1 when a named one is not running."""
    states = [
        state for state in instance.instances() if name is None or state.name in {name, f"{name}-carrier"}
    ]
    _show(states, as_json=as_json)
    if name is not None and not any(state.name == name and instance.is_running(state) for state in states):
        raise typer.Exit(1)


@app.command(
    name="config",
    epilog="Example: trunkline pbx config /etc/asterisk/trunkline --write-config trunkline.toml",
)
def config_files(
    folder: Annotated[Path, typer.Argument(help="A new folder, best below /etc/asterisk.", metavar="FOLDER")],
    config: Annotated[
        Path,
        typer.Option("--write-config", help="Where to write the service's configuration.", metavar="FILE"),
    ] = Path("trunkline.toml"),
    host: Annotated[
        str, typer.Option(help="Address for ARI and AMI; SIP too.", metavar="ADDRESS")
    ] = "127.0.0.1",
) -> None:
    """Writes the files that you include in an Asterisk of your own, with fresh passwords."""
    state = for_an_asterisk_of_your_own(folder, host)
    with _told():
        if config.exists():
            raise LocalPbxError(f"{config} is there already; name another file with --write-config.")
        export(folder, state)
        make_hold_music(folder / "sounds")
        write_config(state, config, recordings_on_pbx=RECORDINGS, recordings_here=RECORDINGS)
    print(f"Wrote {folder} and {config}. {files('sip_configs')}/README.md tells how to include them.")


@app.command(epilog="Example: trunkline pbx subscribers")
def subscribers(as_json: AsJson = False) -> None:
    """Lists who lives behind the simulated carrier, by number."""
    if as_json:
        print(
            json.dumps(
                [{"key": each.key, "number": each.number, "does": each.does} for each in SUBSCRIBERS],
                indent=2,
            )
        )
    else:
        _show_subscribers()


@contextmanager
def _told() -> Iterator[Progress]:
    """Progress on stderr: a spinner on a terminal, lines elsewhere. Errors become sentences."""
    console = Console(stderr=True)
    try:
        if console.is_terminal:
            with console.status("") as spinner:
                yield spinner.update
        else:
            yield lambda text: console.print(text, highlight=False)
    except LocalPbxError as error:
        raise CliError(str(error)) from None


def _show(states: list[InstanceState], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_public(state) for state in states], indent=2))
        return
    if not states:
        print("No instance. Bring one up: trunkline pbx up")
        return
    for state in states:
        shown = _public(state)
        print(f"{shown['name']}  {shown['role']}, Asterisk {shown['asterisk']}, {shown['state']}")
        for key in ("sip", "http", "ami", "rtp", "spool", "log"):
            print(f"  {key:<6} {shown[key]}")


def _public(state: InstanceState) -> dict[str, Any]:
    """What may be printed: no secret."""
    running = instance.is_running(state)
    return {
        "name": state.name,
        "role": state.role,
        "state": "running" if running else "down",
        "pid": state.pid if running else None,
        "asterisk": state.version,
        "sip": f"{state.host}:{state.sip_port}",
        "http": state.ari_url if state.role == "pbx" else "-",
        "ami": f"{state.host}:{state.ami_port}",
        "rtp": f"{state.rtp_start}-{state.rtp_end}",
        "spool": str(state.spool_here),
        "log": str(state.log_path),
    }


def _show_subscribers() -> None:
    table = Table("number", "name", "what happens", box=None, pad_edge=False)
    for each in SUBSCRIBERS:
        table.add_row(each.number, each.key, each.does)
    Console().print(table)
