"""Sets the stage and clears it: PBX and carrier, the service, and what the API must know before it can dial."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trunkline.cli.client import ApiClient
from trunkline.cli.demo.report import Report
from trunkline.cli.demo.scenario import ASSISTANT
from trunkline.cli.demo.service import RunningService, start_service, stop_service
from trunkline.local_pbx.instance import down, is_running, remove_pair, status, up_pair
from trunkline.local_pbx.state import InstanceState, write_config

NAME: Final = "demo"
"""Of the PBX; its carrier is `demo-carrier`."""

FOLDER: Final = Path("var/demo")
OUR_NUMBERS: Final = ("+31207654321", "+31207654322")


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


def set_stage(report: Report) -> Stage:
    """Brings up what the demo needs, from nothing. What an earlier run left is cleared first.

    Raises:
        LocalPbxError: no PBX can be had here; the message says what to do.
        CliError: the service does not start.
    """
    folder = FOLDER.absolute()
    with report.step("A clean stage"):
        clear_stage()
        remove_pair(NAME)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
    with report.step("Asterisk and a simulated carrier"):
        pair = up_pair(NAME, progress=report.progress)
    config = folder / "trunkline.toml"
    write_config(pair.pbx, config)
    with report.step("The service"):
        service = start_service(folder, config)
    return Stage(folder, pair.pbx, pair.carrier, service)


def clear_stage() -> bool:
    """Ends service, PBX and carrier, in this order; recordings and logs stay. Says whether anything was up."""
    was_up = stop_service(FOLDER.absolute())
    for name in (NAME, f"{NAME}-carrier"):
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
