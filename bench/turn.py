"""Turns with the real embedded engines, timed on the wire at the far SIP side.

One subscriber plays a fixed script: lines of human speech at fixed times. An answer is the first sound towards the subscriber
after one of its lines; a barge-in is a line that begins while the assistant is heard, and its stop is the last sound before a
pause.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

from bench.rig import Client, free_port, human, pbx, serving, silence
from bench.sipp import Subscribers
from bench.wire import Capture, Packet, Speech, read, speeches, streams
from trunkline.audio.g711 import encode_ulaw

_LEAD_S = 5.0
_QUESTIONS = ("vm-nobodyavail", "sorry-youre-having-problems", "please-try-call-later", "agent-pass")
_INTERRUPTION = "please-try-again"
_TALK_S = 6.0
_BARGE_AFTER_S = 2.2
_STAGES = (
    "final_text_ms",
    "end_of_turn_ms",
    "first_token_ms",
    "first_audio_ms",
    "first_frame_ms",
    "first_mark_ms",
)
_REPLY = (
    "Thank you for telling me. I will write that down for the team, and they will look at it this afternoon, "
    "as soon as the first of them is back from lunch."
)
_SPEECH = {"turn_taking": {"interruption_min_duration": 0.2}}
_FLOW = {
    "name": "bench",
    "start": "listen",
    "states": {"listen": {"say": "How can I help you?"}},
    "fallback": {"say": _REPLY, "after": 10},
}


@dataclass(frozen=True, slots=True)
class _Turn:
    answer_ms: float | None
    stop_ms: float | None


async def turn(calls: int = 6, rounds: int = 2, at_once: int = 3) -> dict[str, Any]:
    """The figures of `calls` calls, `at_once` of them at a time."""
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as name, pbx() as state:
        folder = Path(name)
        sip_port, media = free_port(), (41_000, 41_400)
        script = _script(rounds)
        seconds = len(script) / 8000
        stages: list[dict[str, Any]] = []
        with serving(state, folder) as service, Subscribers(folder, sip_port, media, encode_ulaw(script)):
            async with aiohttp.ClientSession() as session:
                client = Client(service, session)
                await client.prepare(
                    sip_port,
                    llm_config={"provider": "flow", "model": "bench", "flow": _FLOW},
                    speech_config=_SPEECH,
                )
                with Capture(folder / "rtp.pcap", media):
                    for first in range(0, calls, at_once):
                        call_ids = await asyncio.gather(
                            *(client.dial(first + n) for n in range(min(at_once, calls - first)))
                        )
                        await asyncio.sleep(seconds + 1)
                        for call_id in call_ids:
                            await client.end(call_id)
                            stages += (await client.call(call_id))["latency"]
        turns = [found for pair in _conversations(folder / "rtp.pcap", media) for found in _turns(*pair)]
    answers = [found.answer_ms for found in turns if found.answer_ms is not None]
    stops = [found.stop_ms for found in turns if found.stop_ms is not None]
    return {
        "bench": "turn",
        "calls": calls,
        "at_once": at_once,
        "turns": len(answers),
        **_summary("", answers),
        "interruption_min_ms": 200,
        "barge_ins": len(stops),
        **_summary("barge_in_stop_", stops),
        "stages_p50_ms": _stages(stages),
    }


def _script(rounds: int) -> NDArray[np.int16]:
    """Lead, then for each question: the line, time for the answer's beginning, an interruption, and time for its answer."""
    parts = [silence(_LEAD_S)]
    for _ in range(rounds):
        for question in _QUESTIONS:
            line = human(question)
            parts += [line, silence(_BARGE_AFTER_S), human(_INTERRUPTION), silence(_TALK_S)]
    return np.concatenate(parts)


def _conversations(file: Path, media: tuple[int, int]) -> list[tuple[list[Packet], list[Packet]]]:
    """(what the subscriber said, what it heard) for each call."""
    found = streams(read(file))
    heard = {key: stream for key, stream in found.items() if media[0] <= key[1] <= media[1]}
    return [
        (found[target, source], stream)
        for (source, target), stream in heard.items()
        if (target, source) in found
    ]


def _turns(said: list[Packet], heard: list[Packet]) -> list[_Turn]:
    lines, answers = speeches(said), speeches(heard)
    turns = []
    for line in lines:
        speaking = next((answer for answer in answers if answer.start_s < line.start_s < answer.end_s), None)
        answer = next((later for later in answers if later.start_s > line.end_s), None)
        following = next((other.start_s for other in lines if other.start_s > line.start_s), float("inf"))
        answered = answer is not None and answer.start_s < following
        turns.append(
            _Turn(
                _after(answer.start_s, line.end_s) if answer and answered else None, _stop_ms(speaking, line)
            )
        )
    return turns


def _stop_ms(speaking: Speech | None, line: Speech) -> float | None:
    return None if speaking is None else _after(speaking.end_s, line.start_s)


def _after(later_s: float, earlier_s: float) -> float:
    return (later_s - earlier_s) * 1000


def _summary(prefix: str, values: list[float]) -> dict[str, float | None]:
    if not values:
        return {f"{prefix}p50_ms": None, f"{prefix}p95_ms": None}
    return {
        f"{prefix}p50_ms": round(float(np.percentile(values, 50))),
        f"{prefix}p95_ms": round(float(np.percentile(values, 95))),
    }


def _stages(latencies: list[dict[str, Any]]) -> dict[str, float]:
    """Median of each stage of our own record, from the end of the caller's speech as our detector took it."""
    columns = {
        name: [entry[name] for entry in latencies if isinstance(entry.get(name), int | float)]
        for name in _STAGES
    }
    return {name: round(float(np.median(values))) for name, values in columns.items() if values}
