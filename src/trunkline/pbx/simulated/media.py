"""A media channel of the simulated PBX: a queue that is played at 20 ms a frame, marks between the frames."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final

from trunkline.audio.formats import AudioFormat
from trunkline.audio.g711 import decoder, encoder
from trunkline.audio.resample import Resampler
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import LegId
from trunkline.pbx.port import MediaSink
from trunkline.pbx.simulated.leg import LegState, SimulatedLeg
from trunkline.pbx.simulated.sound import RATE_HZ, Samples

# As Asterisk's chan_websocket has them.
_XOFF_FRAMES: Final = 900
_XON_FRAMES: Final = 800
_MOST_FRAMES: Final = 1000

_FLUSH_LIMIT_S: Final = 0.25
_MARK_CHARACTERS: Final = 40


class MediaLeg(SimulatedLeg):
    """The leg that a media channel is, and the queue of what it plays."""

    def __init__(self, leg_id: LegId, created_at: datetime, audio: AudioFormat, sink: MediaSink) -> None:
        super().__init__(leg_id, created_at)
        self.state = LegState.ANSWERED
        self.audio = audio
        self.is_closing = False
        self.is_gone = False
        self._sink = sink
        self._queue: deque[bytes | str] = deque()  # frames, and the ids of marks between them
        self._frames = 0
        self._is_full = False
        self._ticked = asyncio.Event()
        self._decode, self._encode = decoder(audio), encoder(audio)
        self._down, self._up = Resampler(audio.rate_hz, RATE_HZ), Resampler(RATE_HZ, audio.rate_hz)

    # --- from our side ------------------------------------------------------------------------------------------------

    def queue(self, frames: bytes) -> None:
        """Puts whole frames into the queue; what does not fit is lost."""
        size = self.audio.frame_bytes
        room = max(0, _MOST_FRAMES - self._frames) * size
        for at in range(0, min(len(frames), room), size):
            self._queue.append(frames[at : at + size])
            self._frames += 1
        if self._frames >= _XOFF_FRAMES and not self._is_full:
            self._is_full = True
            self._sink.on_flow(paused=True)

    def mark(self, mark_id: str) -> None:
        """Puts a mark behind everything queued."""
        self._queue.append(mark_id)

    async def flush(self) -> None:
        """Empties the queue and waits for the next tick, as a confirmation of the PBX's would come then."""
        self._queue.clear()
        self._frames = 0
        self._ticked.clear()
        try:
            async with asyncio.timeout(_FLUSH_LIMIT_S):
                await self._ticked.wait()
        except TimeoutError:
            pass

    # --- from the bridge's side ---------------------------------------------------------------------------------------

    def talk(self) -> Samples | None:
        """Plays the next frame; marks before it, and those behind the last one, were passed."""
        self._ticked.set()
        while self._queue and isinstance(self._queue[0], str):
            self._sink.on_mark(str(self._queue.popleft()))
        frame = self._queue.popleft() if self._queue else None
        if isinstance(frame, bytes):
            self._frames -= 1
        if self._is_full and self._frames < _XON_FRAMES:
            self._is_full = False
            self._sink.on_flow(paused=False)
        return self._down.push(self._decode(frame)) if isinstance(frame, bytes) else None

    def hear(self, frame: Samples | None) -> None:
        """Passes on what others say; nothing where nobody sends anything."""
        if frame is not None:
            self._sink.on_audio(self._encode(self._up.push(frame)))

    def on_bridge_digit(self, digit: str) -> None:
        """Passes a key on."""
        self._sink.on_digit(digit)

    def ended(self) -> None:
        """Tells the loss, where nobody wanted it."""
        self.is_gone = True
        self._ticked.set()
        if not self.is_closing:
            self._sink.on_lost("the media channel was cut")


class SimulatedMedia:
    """A `MediaChannel` on a `MediaLeg`."""

    def __init__(self, leg: MediaLeg, end: Callable[[], None]) -> None:
        self._leg = leg
        self._end = end

    @property
    def leg_id(self) -> LegId:
        """The channel's leg."""
        return self._leg.id

    @property
    def audio(self) -> AudioFormat:
        """The format both ways."""
        return self._leg.audio

    async def send(self, frames: bytes) -> None:
        """Queues whole frames."""
        if len(frames) % self._leg.audio.frame_bytes:
            raise ValueError(f"{len(frames)} bytes are not whole frames of {self._leg.audio.frame_bytes}.")
        self._check()
        self._leg.queue(frames)

    async def mark(self, mark_id: str) -> None:
        """Asks for a sign once everything queued was played."""
        if not mark_id.isascii() or not 0 < len(mark_id) <= _MARK_CHARACTERS:
            raise ValueError(f"A mark is 1 to {_MARK_CHARACTERS} ASCII characters.")
        self._check()
        self._leg.mark(mark_id)

    async def flush(self) -> None:
        """Drops everything queued."""
        self._check()
        await self._leg.flush()

    async def close(self) -> None:
        """Ends the channel. Idempotent."""
        if not self._leg.is_gone:
            self._leg.is_closing = True
            self._end()

    def _check(self) -> None:
        if self._leg.is_gone:
            raise UpstreamError(f"Media channel {self._leg.id} is gone.")
