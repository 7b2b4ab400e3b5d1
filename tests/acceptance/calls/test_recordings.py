"""A call's recording against what the carrier recorded at the far end: same words, same places, both sides."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from tests.acceptance.calls.calls_kit import Client, moment, together

from trunkline.cli.hearing import speech_frames, speech_seconds
from trunkline.local_pbx.carrier import Take, takes, wait_for_take
from trunkline.local_pbx.subscribers import subscriber

pytestmark = [pytest.mark.asterisk, pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

Samples = NDArray[np.int16]
RATE_HZ = 8000


WINDOW = RATE_HZ // 2
REACH = RATE_HZ // 4


@dataclass(frozen=True)
class Compared:
    """Two tracks of the same sound, compared half second by half second: a frame that was lost on the way moves what follows.

    Attributes:
        likeness: median of the normalised correlation where each piece fits best: 1.0 is the same sound.
        lag_ms: median of how much later the first is.
    """

    likeness: float
    lag_ms: float


def compared(ours: Samples, theirs: Samples) -> Compared:
    """Looks for each piece of `theirs` that is speech in `ours`, up to a quarter of a second either way."""
    found = [
        best_fit(ours[max(0, at - REACH) : at + WINDOW + REACH], theirs[at : at + WINDOW], min(at, REACH))
        for at in range(0, len(theirs) - WINDOW, WINDOW)
        if speech_frames(theirs[at : at + WINDOW], RATE_HZ).mean() > 0.3
    ]
    assert found, "there is no speech to compare"
    return Compared(
        float(np.median([each[0] for each in found])), float(np.median([each[1] for each in found]))
    )


def best_fit(ours: Samples, piece: Samples, lead: int) -> tuple[float, float]:
    """Likeness and lag in ms of a piece that is expected `lead` samples into `ours`."""
    a, b = ours.astype(float), piece.astype(float)
    if len(a) < len(b):
        return 0.0, 0.0
    product = np.correlate(a, b, "valid")
    energy = np.convolve(a * a, np.ones(len(b)), "valid")
    likeness = product / np.maximum(1.0, np.sqrt(energy) * np.linalg.norm(b))
    best = int(np.argmax(likeness))
    return float(likeness[best]), (best - lead) * 1000 / RATE_HZ


async def recorded(client: Client, call: dict[str, Any]) -> tuple[Samples, Samples]:
    """Left and right of the recording, fetched as a client would, as long as the call."""
    async with client.session.get(call["recording_url"]) as answer:
        assert answer.status == 200
        body = await answer.read()
    path = Path(client.service.settings.recordings.folder) / f"{call['id']}.wav"
    assert body == path.read_bytes()
    samples, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    assert (2, RATE_HZ) == (samples.shape[1], rate_hz)
    assert len(samples) / rate_hz == pytest.approx(call["duration_seconds"], abs=0.5)
    return samples[:, 0], samples[:, 1]


def track(path: Path) -> Samples:
    samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == RATE_HZ
    return samples


async def take_after(client: Client, who: str, before: int) -> Take:
    return await asyncio.to_thread(wait_for_take, client.carrier, subscriber(who).number, after=before)


def takes_of(client: Client, who: str) -> int:
    return len(takes(client.carrier, subscriber(who).number))


def assert_aligned(said: Compared, heard: Compared) -> None:
    """Both sides lie where they were at the far end, and so beside each other."""
    assert min(said.likeness, heard.likeness) > 0.8, (said, heard)
    assert max(abs(said.lag_ms), abs(heard.lag_ms)) < 150, (said, heard)
    assert abs(said.lag_ms - heard.lag_ms) < 100, (said, heard)


async def test_a_recording_is_the_call_as_the_far_end_heard_it(client: Client):
    """Stereo, as long as the call; caller left, assistant and then the human right; aligned."""

    async def an_ordinary_call() -> None:
        before = takes_of(client, "mid_sentence")
        call = await client.ended(await client.dial("mid_sentence"))
        left, right = await recorded(client, call)
        caller = await take_after(client, "mid_sentence", before)

        assert_aligned(compared(left, track(caller.said)), compared(right, track(caller.heard)))
        both = speech_frames(left, RATE_HZ) & speech_frames(right, RATE_HZ)
        assert both.mean() < 0.05, "each is on a side of its own"

    async def a_transferred_call() -> None:
        before, before_human = takes_of(client, "recorded_talker"), takes_of(client, "agent")
        call_id = await client.talk("recorded_talker")
        await client.hand_over(call_id, "agent", message="One moment, I connect you.")
        await asyncio.sleep(9)
        await client.control(call_id, type="end-call")
        call = await client.ended(call_id, within_s=20)
        left, right = await recorded(client, call)
        caller = await take_after(client, "recorded_talker", before)
        human = await take_after(client, "agent", before_human)
        joined_s = datetime.fromisoformat(call["transfer"]["answered_at"]) - moment(call, "started_at")
        joined = round(joined_s.total_seconds() * RATE_HZ)
        said, heard = track(caller.said), track(caller.heard)

        assert speech_seconds(left[joined:], RATE_HZ) > 1, "the caller, to the human"
        human_said = track(human.said)
        assert compared(right[joined : joined + len(human_said)], human_said).likeness > 0.8, "the human"
        assert_aligned(compared(left[joined:], said[joined:]), compared(right[joined:], heard[joined:]))
        # The other way round: the caller heard the ringing tone, too, which is on no recording of ours.
        assistant = compared(heard[:joined], right[:joined])
        assert assistant.likeness > 0.8, assistant
        assert abs(assistant.lag_ms) < 150, assistant

    await together(an_ordinary_call(), a_transferred_call())
