"""`trunkline demo`: one real call, end to end, and the verdict on it."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.cli.exits import CliError, Exit
from trunkline.local_pbx.errors import LocalPbxError


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave PBX, carrier and service up.")] = False,
    name: Annotated[
        str, typer.Option("--name", help="Of this run, where several run side by side.", metavar="NAME")
    ] = "demo",
    stop: Annotated[
        bool, typer.Option("--stop", help="End what --keep left up, and do nothing else.")
    ] = False,
) -> None:
    """Makes one real call and judges it.

    Sets up a real Asterisk and a simulated carrier where they are missing, starts the service, and through the public API alone
    makes an assistant, a trunk and two numbers, then dials. The caller behind the carrier books an appointment, interrupts once,
    asks for a human and is transferred. Both ends record; the recordings are listened to. The last line is JSON.

    Exit code 0 only when each fact was observed.

    \b
    trunkline demo
    trunkline demo --keep     leaves everything up and prints base URL, API key and numbers
    trunkline demo --stop     ends it
    """
    # `--help` should not load speech models.
    from trunkline.cli.demo.performance import perform  # noqa: PLC0415
    from trunkline.cli.demo.stage import Place, clear_stage  # noqa: PLC0415

    place = Place(name)
    try:
        if stop:
            print("Ended." if clear_stage(place) else "Nothing was up.")
            return
        holds = perform(place, keep=keep)
    except LocalPbxError as error:
        raise CliError(str(error)) from error
    if not holds:
        raise typer.Exit(Exit.FAILED)
