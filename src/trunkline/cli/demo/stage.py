"""Sets the stage and clears it: PBX and carrier, the service, and what the API must know before it can dial."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trunkline.cli.client import ApiClient
from trunkline.cli.demo.report import Report
from trunkline.cli.demo.scenario import ASSISTANT
from trunkline.cli.demo.service import RunningService, start_service, stop_service
from trunkline.cli.exits import CliError
from trunkline.local_pbx.instance import HOME, down, is_running, remove_pair, status, up_pair
from trunkline.local_pbx.state import InstanceState, write_config

OUR_NUMBERS: Final = ("+31207654321", "+31207654322")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run lives: the PBX is called by its name, the carrier `<name>-carrier`, files are in `var/<name>`."""

    name: str

    @property
    def folder(self) -> Path:
        """Configuration, database, logs and recordings of the run."""
        return Path("var").absolute() / self.name

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One run of this name at a time on a machine, as its PBX is found by name.

        Raises:
            CliError: another one is on.
        """
        HOME.mkdir(parents=True, exist_ok=True)
        with (HOME / f"{self.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CliError(
                    f"Another demo called {self.name!r} is running. Wait for its end, or name this one with --name."
                ) from None
            yield


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything is up."""

    folder: Path
    pbx: InstanceState
    carrier: InstanceState
    service: RunningService


@dataclass(frozen=True, slots=True)
class Cast:
    """What the API made: ids of the assistant, the trunk and the number that calls."""

    assistant_id: str
    trunk_id: str
    number_id: str


def set_stage(place: Place, report: Report) -> Stage:
    """Brings up what the demo needs, from nothing. What an earlier run left is cleared first.

    Raises:
        LocalPbxError: no PBX can be had here; the message says what to do.
        CliError: the service does not start.
    """
    folder = place.folder
    with report.step("A clean stage"):
        clear_stage(place)
        remove_pair(place.name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
    with report.step("Asterisk and a simulated carrier"):
        pair = up_pair(place.name, progress=report.progress)
    config = folder / "trunkline.toml"
    write_config(pair.pbx, config)
    with report.step("The service"):
        service = start_service(folder, config)
    return Stage(folder, pair.pbx, pair.carrier, service)


def clear_stage(place: Place) -> bool:
    """Ends service, PBX and carrier, in this order; recordings and logs stay. Says whether anything was up."""
    was_up = stop_service(place.folder)
    for name in (place.name, f"{place.name}-carrier"):
        state = status(name)
        was_up = was_up or (state is not None and is_running(state))
        down(name)
    return was_up


async def make_cast(client: ApiClient, carrier: InstanceState) -> Cast:
    """Makes assistant, trunk and two numbers through the public API."""
    assistant = (await client.post("/assistants", ASSISTANT))["assistant"]
    trunk = (
        await client.post(
            "/sip-trunks",
            {
                "name": "Simulated carrier",
                "provider": "demo",
                "address": f"{carrier.host}:{carrier.sip_port}",
            },
        )
    )["trunk"]
    numbers = [
        (
            await client.post(
                "/numbers",
                {
                    "phone_number": number,
                    "name": name,
                    "assistant_id": assistant["id"],
                    "transfer_trunk_id": trunk["id"],
                },
            )
        )["number"]
        for number, name in zip(OUR_NUMBERS, ("Reception", "Reception, second line"), strict=True)
    ]
    return Cast(assistant["id"], trunk["id"], numbers[0]["id"])
