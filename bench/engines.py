"""What the embedded engines cost on this machine: one JSON line for each, times in milliseconds unless named otherwise.

Run it as `python bench/engines.py`. Speech comes from the embedded voice itself, so nothing but the `engines` extra is needed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from trunkline.engines.embedded.hibari import Hibari
from trunkline.engines.embedded.silero import SileroDetector, load_silero
from trunkline.engines.embedded.whisper import Whisper
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.flow.builtin import built_in_flow
from trunkline.engines.flow.model import FlowModel
from trunkline.engines.port import ChatMessage, ChatRequest, Pcm, Transcript, Transcription

RATE_HZ = 8_000
FRAME = 160
SENTENCES = (
    "I would like to book an appointment please.",
    "Tuesday at ten in the morning would be perfect.",
    "Could you tell me whether there is free parking near the practice?",
    "Thank you, goodbye.",
)


def report(name: str, values_ms: list[float], **more: Any) -> None:
    p50, p95 = np.percentile(values_ms, (50, 95)).round(2).tolist()
    print(json.dumps({"bench": name, "n": len(values_ms), "p50_ms": p50, "p95_ms": p95, **more}), flush=True)


class Ear:
    """Notes when partials and finals come."""

    def __init__(self) -> None:
        self.partials: list[float] = []
        self.decodes: list[float] = []
        self.final: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_transcript(self, transcript: Transcript) -> None:
        """A partial or the final."""
        self.decodes.append(transcript.decode_ms)
        if transcript.is_final:
            self.final.set_result(transcript.text)
        else:
            self.partials.append(time.perf_counter())

    def on_transcription_failed(self, utterance: int, error: Exception) -> None:
        """Ends the measurement."""
        del utterance
        self.final.set_exception(error)


async def speak(voice: Hibari, text: str) -> tuple[Pcm, float]:
    since = time.perf_counter()
    first_ms = 0.0
    chunks: list[Pcm] = []
    async for chunk in voice.speak(text, RATE_HZ):
        first_ms = first_ms or (time.perf_counter() - since) * 1000
        chunks.append(chunk)
    return np.concatenate(chunks), first_ms


async def in_real_time(ear: Transcription, pcm: Pcm) -> None:
    due = time.perf_counter()
    for at in range(0, len(pcm) - FRAME + 1, FRAME):
        ear.push(pcm[at : at + FRAME])
        due += 0.02
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def listen(ears: Whisper, pcm: Pcm, pause_ms: int) -> tuple[float, float, list[float]]:
    """From `finish` to the final, from speech to the first partial, and all decoding times."""
    sink = Ear()
    ear = await ears.open(RATE_HZ, sink)
    since = time.perf_counter()
    ear.start(1, 0)
    await in_real_time(ear, np.concatenate((pcm, np.zeros(pause_ms * RATE_HZ // 1000, np.int16))))
    asked = time.perf_counter()
    ear.finish(1)
    await sink.final
    final_ms = (time.perf_counter() - asked) * 1000
    await ear.close()
    first_ms = (sink.partials[0] - since) * 1000 if sink.partials else 0.0
    return final_ms, first_ms, sink.decodes


def cost_us(work: Callable[[Pcm], object], pcm: Pcm) -> float:
    """CPU microseconds for each frame."""
    since = time.process_time()
    for at in range(0, len(pcm) - FRAME + 1, FRAME):
        work(pcm[at : at + FRAME])
    return round((time.process_time() - since) * 1e6 / (len(pcm) // FRAME), 1)


async def main() -> None:
    executor = ModelExecutor(2)
    voice, ears = Hibari(executor), Whisper(executor)
    await asyncio.gather(voice.warm_up(), ears.warm_up())
    load_silero()
    spoken = [await speak(voice, sentence) for sentence in SENTENCES]
    report("tts_first_audio", [first for _, first in spoken], engine=voice.name)
    # The voice's own pause at the end is cut, so that `pause_ms` is all the silence there is.
    sounds = [pcm[: -RATE_HZ * 280 // 1000] for pcm, _ in spoken]
    for pause_ms in (0, 200):
        results = [await listen(ears, pcm, pause_ms) for pcm in sounds]
        report("stt_final", [final for final, _, _ in results], pause_ms=pause_ms, engine=ears.name)
        if pause_ms == 0:
            report("stt_first_partial", [first for _, first, _ in results if first])
            report("stt_decode", [each for _, _, decodes in results for each in decodes])
    silence, speech = np.zeros(RATE_HZ * 20, np.int16), np.concatenate(sounds)
    print(
        json.dumps(
            {
                "bench": "vad",
                "silence_us_per_frame": cost_us(SileroDetector(RATE_HZ).push, silence),
                "speech_us_per_frame": cost_us(SileroDetector(RATE_HZ).push, speech),
            }
        )
    )
    flow_ms: list[float] = []
    memory = [ChatMessage("assistant", "Good day.")]
    model = FlowModel(built_in_flow("receptionist"))
    for sentence in SENTENCES:
        memory.append(ChatMessage("user", sentence))
        since = time.perf_counter()
        said = [str(part) async for part in model.reply(ChatRequest(tuple(memory)))]
        flow_ms.append((time.perf_counter() - since) * 1000)
        memory.append(ChatMessage("assistant", " ".join(said)))
    report("flow_reply", flow_ms)
    executor.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
