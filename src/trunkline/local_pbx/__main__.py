"""What an image runs: `python -m trunkline.local_pbx packages|install|run`. People use `trunkline pbx`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from trunkline.local_pbx import instance
from trunkline.local_pbx.errors import LocalPbxError
from trunkline.local_pbx.install import PACKAGES, get_asterisk
from trunkline.local_pbx.lines import make_lines
from trunkline.local_pbx.reserve import Order
from trunkline.local_pbx.state import write_config

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def packages() -> None:
    """The Debian packages that an Asterisk of ours needs, for an image that is a Debian with Asterisk 22."""
    typer.echo(" ".join(PACKAGES))


@app.command()
def install() -> None:
    """Finds or installs Asterisk, and makes the subscribers' lines."""
    asterisk = get_asterisk(_say)
    make_lines(asterisk, instance.HOME / "lines", _say)
    _say(f"Asterisk {asterisk.version} is in {asterisk.root or '/'}")


@app.command()
def run(
    name: str,
    *,
    role: Annotated[Literal["pbx", "carrier"], typer.Option()] = "pbx",
    peer: Annotated[str | None, typer.Option(help="The PBX that a carrier sends calls to.")] = None,
    host: Annotated[str, typer.Option(help="Address for SIP, HTTP and AMI.")] = "127.0.0.1",
    sip_port: Annotated[int | None, typer.Option()] = None,
    http_port: Annotated[int | None, typer.Option()] = None,
    ami_port: Annotated[int | None, typer.Option()] = None,
    config: Annotated[Path | None, typer.Option("--write-config")] = None,
) -> None:
    """Becomes an Asterisk in the foreground."""
    behind = instance.status(peer) if peer else None
    if peer and behind is None:
        raise LocalPbxError(f"There is no instance {peer} yet; run it first.")
    order = Order(name, role, peer, host, sip_port=sip_port, http_port=http_port, ami_port=ami_port)
    state = instance.prepare(order, get_asterisk(_say), peer=behind, progress=_say)
    if config is not None:
        write_config(state, config)
        if os.geteuid() == 0:
            os.chown(config, state.user, state.group)
    command = instance.command_of(state)
    sys.stderr.flush()
    os.execvp(command[0], command)  # noqa: S606 - our own command line, no shell


def _say(text: str) -> None:
    typer.echo(text, err=True)


if __name__ == "__main__":
    try:
        app()
    except LocalPbxError as error:
        _say(str(error))
        sys.exit(1)
