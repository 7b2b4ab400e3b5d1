"""What every bench needs: a real PBX, the service beside it, SIPp as the far side, and a client of the REST API."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import soundfile
from numpy.typing import NDArray

from trunkline.local_pbx import instance
from trunkline.local_pbx.state import InstanceState, settings_for

ASSISTANT = {
    "name": "Bench",
    "first_message": "Harbour Dental, good morning. How can I help you?",
    "max_duration_seconds": 3600,
    "stt_config": {"provider": "whisper", "model": "tiny.en", "language": "en"},
    "llm_config": {"provider": "flow", "model": "receptionist"},
    "tts_config": {"provider": "hibari", "voice_id": "heart"},
}
_SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")


@contextmanager
def pbx() -> Iterator[InstanceState]:
    """A PBX of this bench alone."""
    name = f"bench-{os.getpid()}"
    try:
        yield instance.up(name)
    finally:
        instance.remove(name)


def human(name: str) -> NDArray[np.int16]:
    """A human's recorded prompt of Debian's asterisk-core-sounds-en-wav, 8 kHz."""
    file = _SOUNDS / f"{name}.wav"
    if not file.is_file():
        raise SystemExit("The benches need recorded speech: apt-get install asterisk-core-sounds-en-wav")
    samples, _ = soundfile.read(file, dtype="int16")
    return np.asarray(samples, np.int16)


def silence(seconds: float) -> NDArray[np.int16]:
    """Nothing, 8 kHz."""
    return np.zeros(int(seconds * 8000), np.int16)


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port that nobody has now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Serving:
    """The service's process. `settle` starts the loop's statistics anew, `report` ends it and says how the loop was."""

    process: subprocess.Popen[str]
    base_url: str
    api_key: str

    def settle(self) -> None:
        """What came before does not count."""
        self._line()

    def report(self) -> dict[str, float]:
        """The loop's lag since `settle`."""
        self._line()
        assert self.process.stdout is not None
        facts: dict[str, float] = json.loads(self.process.stdout.readline())
        return facts

    def _line(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def serving(
    state: InstanceState, folder: Path, *, assistant_speech: bytes | None = None, **sections: Any
) -> Iterator[Serving]:
    """The service in its own process, on the PBX, with wide limits."""
    order: dict[str, Any] = {
        "settings": {
            "http": {"port": 0},
            "database": {"url": f"sqlite:///{folder}/bench.sqlite3"},
            "pbx": settings_for(state),
            "recordings": {"folder": str(folder / "recordings")},
            "calls": {"max_concurrent": 2000, "shutdown_grace_s": 0},
            "api": {"requests_per_minute": 1_000_000, "controls_per_minute": 1_000_000},
            "logs": {"level": "warning"},
            **sections,
        }
    }
    if assistant_speech is not None:
        (folder / "assistant.raw").write_bytes(assistant_speech)
        order["assistant_speech"] = str(folder / "assistant.raw")
    (folder / "order.json").write_text(json.dumps(order))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.serve", str(folder / "order.json")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first:
            raise SystemExit("The service did not start; its error is above.")
        ready = json.loads(first)
        yield Serving(process, ready["base_url"], ready["api_key"])
    finally:
        process.terminate()
        process.wait(20)


class Client:
    """The REST API with one assistant, one trunk to a SIP port of ours, and one number."""

    def __init__(self, service: Serving, session: aiohttp.ClientSession) -> None:
        self._base_url = service.base_url
        self._session = session
        session.headers["Authorization"] = f"Bearer {service.api_key}"
        self._assistant_id = ""
        self._number_id = ""

    async def prepare(self, sip_port: int, **assistant: Any) -> None:
        """Makes what a call needs."""
        self._assistant_id = (await self.post("/assistants", {**ASSISTANT, **assistant}))["assistant"]["id"]
        trunk = await self.post(
            "/sip-trunks",
            {"name": "SIPp", "provider": "SIPp", "address": f"127.0.0.1:{sip_port}", "codecs": ["ulaw"]},
        )
        number = {"phone_number": "+31101234567", "outbound_trunk_id": trunk["trunk"]["id"]}
        self._number_id = (await self.post("/numbers", number))["number"]["id"]

    async def dial(self, index: int) -> str:
        """One call."""
        body = {
            "destination": f"+3120{index:07d}",
            "assistant_id": self._assistant_id,
            "number_id": self._number_id,
        }
        return str((await self.post("/calls/outbound", body))["call_id"])

    async def call(self, call_id: str) -> dict[str, Any]:
        """Its record."""
        async with self._session.get(f"{self._base_url}/calls/{call_id}") as answer:
            told: dict[str, Any] = await answer.json()
            return told

    async def end(self, call_id: str) -> None:
        """Hangs up; a call that is over already is fine."""
        async with self._session.post(f"{self._base_url}/calls/{call_id}/control", json={"type": "end-call"}):
            pass

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A POST that must succeed."""
        async with self._session.post(self._base_url + path, json=body) as answer:
            told: dict[str, Any] = await answer.json()
            if answer.status >= 400:
                raise SystemExit(f"{path}: {told}")
            return told
