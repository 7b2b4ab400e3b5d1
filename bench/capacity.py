"""N calls at once, each with talk both ways, with engines that cost nothing: what is left is ours and the PBX's.

Frame gaps are those of the audio that the far SIP side received; CPU of both processes is counted over the same seconds.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

from bench.rig import Client, free_port, human, pbx, serving, silence
from bench.sipp import Subscribers
from bench.wire import Capture, gaps_ms, read, streams
from trunkline.audio.g711 import encode_ulaw

_SETUP_PER_SECOND = 10.0
_LATE_MS = 60.0
_MB = 1024 * 1024


async def capacity(calls: int = 100, seconds: float = 20.0) -> dict[str, Any]:
    """The figures of one run."""
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as name, pbx() as state:
        folder = Path(name)
        sip_port = free_port()
        media = (40_000, 40_000 + 4 * calls + 8)
        speech = np.concatenate(
            [human("vm-nobodyavail"), silence(5.0), human("please-try-call-later"), silence(4.0)]
        )
        answer = human("vm-intro")
        with (
            serving(state, folder, assistant_speech=answer.tobytes()) as service,
            Subscribers(folder, sip_port, media, encode_ulaw(speech)),
        ):
            async with aiohttp.ClientSession() as session:
                client = Client(service, session)
                await client.prepare(sip_port)
                ours, asterisk = psutil.Process(service.process.pid), psutil.Process(state.pid)
                memory_before = ours.memory_info().rss
                call_ids = await _dial(client, calls)
                await asyncio.sleep(3)
                service.settle()
                before = (_cpu_s(ours), _cpu_s(asterisk), time.monotonic())
                with Capture(folder / "rtp.pcap", media):
                    await asyncio.sleep(seconds)
                after = (_cpu_s(ours), _cpu_s(asterisk), time.monotonic())
                memory = ours.memory_info().rss
                live = [
                    call["status"]
                    for call in await asyncio.gather(*(client.call(call_id) for call_id in call_ids))
                ]
                talks = await asyncio.gather(*(client.call(call_id) for call_id in call_ids))
                loop = service.report()
        elapsed = after[2] - before[2]
        own, theirs = (after[0] - before[0]) / elapsed / calls, (after[1] - before[1]) / elapsed / calls
        heard = [
            stream
            for (_, target), stream in streams(read(folder / "rtp.pcap")).items()
            if media[0] <= target <= media[1]
        ]
        gaps = np.array([gap for stream in heard for gap in gaps_ms(stream)])
    return {
        "bench": "capacity",
        "calls": calls,
        "seconds": round(elapsed, 1),
        "up": live.count("in-progress"),
        "turns": sum(len(talk["latency"]) for talk in talks),
        "cpu_ratio": round(own / theirs, 3),
        "cpu_per_call_percent": round(100 * own, 3),
        "pbx_cpu_per_call_percent": round(100 * theirs, 3),
        "streams_heard": len(heard),
        "frames_heard": len(gaps),
        "frame_gap_p50_ms": round(float(np.percentile(gaps, 50)), 1),
        "frame_gap_p99_ms": round(float(np.percentile(gaps, 99)), 1),
        "frame_gap_max_ms": round(float(gaps.max()), 1),
        "late_frames": int((gaps > _LATE_MS).sum()),
        "loop_lag_p99_ms": round(loop["loop_lag_p99_ms"], 1),
        "loop_lag_max_ms": round(loop["loop_lag_max_ms"], 1),
        "memory_per_call_mb": round((memory - memory_before) / calls / _MB, 2),
    }


async def _dial(client: Client, calls: int) -> list[str]:
    placed = []
    for index in range(calls):
        placed.append(asyncio.create_task(client.dial(index)))
        await asyncio.sleep(1 / _SETUP_PER_SECOND)
    return list(await asyncio.gather(*placed))


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
