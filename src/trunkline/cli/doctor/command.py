"""`trunkline doctor`: runs every check and says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Final

import aiohttp
import typer
from rich.table import Table
from rich.text import Text

from trunkline.cli.doctor import machine, media, pbx
from trunkline.cli.doctor.ari import AriProbe, AriRefusedError, ari_probe
from trunkline.cli.doctor.finding import Finding, problem, why
from trunkline.cli.exits import Exit
from trunkline.cli.options import AsJson, print_json, run, show
from trunkline.settings import Settings, SettingsError, load_settings

_STYLES: Final = {
    "ok": ("✓ ok", "green"),
    "warning": ("! warning", "yellow"),
    "problem": ("✗ problem", "bold red"),
}


def doctor(
    skip_engines: Annotated[
        bool, typer.Option("--skip-engines", help="Do not load the speech engines.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Checks everything a call needs and says what to do about what is missing.

    It tries the real thing: logs in to ARI and AMI, opens a media leg and plays marks through it, records a file and reads it,
    speaks a sentence and understands it. It dials nobody. Exit code 0 only where there is no problem; warnings do not count.

    \b
    trunkline doctor
    trunkline --config /etc/trunkline/trunkline.toml doctor
    trunkline doctor --json
    """
    findings = run(examine(skip_engines=skip_engines))
    print_json([finding.as_json() for finding in findings]) if as_json else show(page(findings))
    if any(finding.verdict == "problem" for finding in findings):
        raise typer.Exit(Exit.FAILED)


async def examine(*, skip_engines: bool = False) -> list[Finding]:
    """Every check's finding, in the order in which a person would mend things."""
    findings = [machine.python()]
    try:
        settings = load_settings()
    except SettingsError as error:
        return [
            *findings,
            problem(
                "configuration", str(error), "Mend the keys named above; `trunkline settings` explains each."
            ),
        ]
    findings += [
        machine.configuration(settings),
        await machine.api_port(settings),
        *machine.folders(settings),
    ]
    findings += [await machine.database(settings), machine.clock()]
    findings += [finding async for finding in _pbx(settings)]
    if not skip_engines:
        from trunkline.cli.doctor.engines import engines  # noqa: PLC0415 - loads numpy and the engines' code only where asked for

        findings += [finding async for finding in engines(settings.engines)]
    return findings


async def _pbx(settings: Settings) -> AsyncIterator[Finding]:
    async with ari_probe(settings.pbx) as ari:
        reached, info = await pbx.reach(ari, settings.pbx)
        yield reached
        yield await pbx.manager(settings.pbx)
        if info is None:
            return
        yield pbx.version(info)
        yield pbx.clocks(ari)
        try:
            async for finding in _inside(ari, settings):
                yield finding
        except (AriRefusedError, aiohttp.ClientError, OSError) as error:
            yield problem(
                "PBX", why(error), "The PBX went away meanwhile; see its log, then run doctor again."
            )


async def _inside(ari: AriProbe, settings: Settings) -> AsyncIterator[Finding]:
    async for finding in pbx.modules(ari):
        yield finding
    audio = await media.audio_path(ari)
    yield audio
    if audio.verdict != "problem":
        yield await media.recording_folder(ari, settings.pbx)
    yield await pbx.sessions(ari)
    for finding in await pbx.trunks(ari):
        yield finding


def page(findings: Iterable[Finding]) -> Table:
    """A line a finding; what to do stands below what was found."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    counts = {"ok": 0, "warning": 0, "problem": 0}
    for finding in findings:
        word, style = _STYLES[finding.verdict]
        counts[finding.verdict] += 1
        table.add_row(Text(word, style=style), Text(finding.check, style="bold"), Text(finding.found))
        if finding.advice:
            table.add_row("", "", Text(f"→ {finding.advice}", style=style))
    table.add_row()
    table.add_row(
        "",
        "",
        Text(f"{counts['problem']} problems, {counts['warning']} warnings, {counts['ok']} ok", style="bold"),
    )
    return table
