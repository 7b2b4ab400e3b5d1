"""The commands, put together. Each lives in a file of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from trunkline import __version__
from trunkline.cli.call import call
from trunkline.cli.calls import app as calls_app
from trunkline.cli.demo.command import demo
from trunkline.cli.doctor.command import doctor
from trunkline.cli.exits import EXIT_CODES, CliError, Exit
from trunkline.cli.keys import app as keys_app
from trunkline.cli.pbx import app as pbx_app
from trunkline.cli.serve import serve
from trunkline.cli.settings_command import settings
from trunkline.core.errors import CallerError, TrunklineError, UpstreamError
from trunkline.settings import SettingsError

app = typer.Typer(
    name="trunkline",
    help="Turns an Asterisk PBX into a voice-AI calling platform.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (serve, demo, doctor, call, settings):
    app.command()(command)
app.add_typer(calls_app, name="calls", help="Lists calls, shows one.")
app.add_typer(keys_app, name="keys", help="API keys of this machine's service.")
app.add_typer(pbx_app, name="pbx", help="A real Asterisk of your own, up and down.")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"trunkline {__version__}")
        raise typer.Exit


@app.callback()
def options(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="TOML file with the configuration.", metavar="FILE")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What every command takes, before its name."""
    del version, debug  # the version was printed already; `main` looks for --debug, as errors end there
    if config is not None:
        os.environ["TRUNKLINE_CONFIG"] = str(config)


def main() -> None:
    """The entry point: errors become a sentence on stderr and an exit code."""
    try:
        app()
    except (CliError, TrunklineError, SettingsError) as error:
        if "--debug" in sys.argv:
            raise
        print(f"trunkline: {error}", file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def exit_code(error: Exception) -> Exit:
    """Which code an error ends with."""
    match error:
        case CliError():
            return error.code
        case SettingsError() | CallerError():
            return Exit.USAGE
        case UpstreamError():
            return Exit.UNREACHABLE
        case _:
            return Exit.FAILED
