"""Plays utterances on a media channel: in bursts, with marks, never far ahead of what is heard, and silent at once when told.

The PBX plays what it was given; the ledger knows how much of that was heard. A burst is half of what may lie ahead, and is
sent when as much was played: marks wake us for it, and a timer where they are late. Nothing runs while nothing is played.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import structlog

from trunkline.audio.formats import PTIME_MS, AudioFormat
from trunkline.audio.g711 import encoder
from trunkline.audio.playout import PlayoutLedger
from trunkline.conversation.utterance import Utterance
from trunkline.core.clock import Clock
from trunkline.core.errors import UpstreamError
from trunkline.pbx.port import MediaChannel

_log = structlog.get_logger()
_FLUSH_LIMIT_S: Final = 1.0
_MARK_SLACK_S: Final = 0.03  # a mark is that late before the timer takes its place
_LAST_MARK_SLACK_S: Final = 0.3
_LOST_MARK_S: Final = 1.0  # a mark that is so late is taken for lost, and what it stood for as heard
_NEARLY_DRY_MS: Final = 2 * PTIME_MS

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class SpeakerListener(Protocol):
    """Who is told how playing goes."""

    def on_sending(self, utterance: Utterance) -> None:
        """The first frame went out, or went out again after a stop."""
        ...

    def on_playing(self, utterance: Utterance) -> None:
        """The PBX has played the first frame."""
        ...

    def on_played(self, frames: bytes, at_s: float) -> None:
        """This was heard, from `at_s` on (monotonic seconds)."""
        ...

    def on_finished(self, utterance: Utterance) -> None:
        """Everything was heard."""
        ...

    def on_silent(self) -> None:
        """After a stop: the PBX plays nothing any more."""
        ...


class Speaker:
    """One call's voice on the line. Plays one utterance at a time."""

    def __init__(
        self,
        audio: AudioFormat,
        queue_ahead_ms: int,
        *,
        clock: Clock,
        spawn: Spawn,
        listener: SpeakerListener,
    ) -> None:
        self._audio = audio
        self._ahead_ms = queue_ahead_ms
        self._burst_bytes = max(1, queue_ahead_ms // (2 * PTIME_MS)) * audio.frame_bytes
        self._clock = clock
        self._spawn = spawn
        self._listener = listener
        self._encode = encoder(audio)
        self._ledger = PlayoutLedger(audio)
        self._channel: MediaChannel | None = None
        self._attached = asyncio.Event()
        self._wake = asyncio.Event()
        self._playing: Utterance | None = None
        self._task: asyncio.Task[None] | None = None
        self._flush: asyncio.Task[None] | None = None
        self._unheard: deque[bytes] = deque()  # sent, in order, until it is heard
        self._heard_bytes = 0
        self._laid_at = 0  # position in the utterance, in bytes, that lies at `_laid_heard` of the ledger
        self._laid_heard = 0
        self._marks = 0
        self._first_mark = self._last_mark = ""  # still out

    # --- the channel --------------------------------------------------------------------------------------------------

    def attach(self, channel: MediaChannel) -> None:
        """Plays on this channel from now on; an utterance that was cut by a loss goes on where it stopped."""
        self._channel = channel
        self._ledger.flow(paused=False)
        self._attached.set()

    def lost(self) -> None:
        """The channel is gone; what plays waits for the next one."""
        self._channel = None
        self._attached.clear()
        utterance = self._playing
        self._halt()
        if utterance is not None:
            self.play(utterance)

    def on_mark(self, mark_id: str) -> None:
        """A mark came back."""
        if not self._ledger.marked(mark_id, self._clock.monotonic()):
            return
        if mark_id == self._first_mark and self._playing is not None:
            self._first_mark = ""
            self._listener.on_playing(self._playing)
        if mark_id == self._last_mark:
            self._last_mark = ""
        self._wake.set()

    def on_flow(self, *, paused: bool) -> None:
        """The PBX is full, or has room again."""
        self._ledger.flow(paused=paused)
        self._wake.set()

    # --- what to play -------------------------------------------------------------------------------------------------

    def play(self, utterance: Utterance) -> None:
        """Starts, or goes on where it was stopped."""
        self._playing = utterance
        utterance.on_made = self._wake.set
        self._task = self._spawn(self._play(utterance), "play")

    def stop(self) -> None:
        """Silence at once; the utterance keeps where it stopped. `on_silent` follows when the PBX has confirmed."""
        had_sent = self._halt()
        if had_sent and self._channel is not None:
            self._flush = self._spawn(self._flush_channel(self._channel), "flush")
        else:
            self._listener.on_silent()

    def _halt(self) -> bool:
        """Ends playing here; true when the PBX may still have something of it."""
        utterance, self._playing = self._playing, None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if utterance is None:
            return False
        utterance.on_made = None
        return self._forget_sent(utterance)

    def _forget_sent(self, utterance: Utterance) -> bool:
        """What was not heard by now never will be; true when there was any of it."""
        now = self._clock.monotonic()
        self._account(utterance, now)
        self._unheard.clear()
        self._first_mark = self._last_mark = ""
        flushed = self._ledger.flushed(now)
        self._ledger.forget(utterance.id)
        return flushed.dropped_ms > 0

    async def flushed(self) -> None:
        """Returns when no flush is under way."""
        if self._flush is not None:
            await asyncio.wait({self._flush})

    async def _flush_channel(self, channel: MediaChannel) -> None:
        try:
            async with asyncio.timeout(_FLUSH_LIMIT_S):
                await channel.flush()
        except (UpstreamError, TimeoutError) as error:
            _log.warning("flush not confirmed", error=str(error))
        finally:
            self._flush = None
        self._listener.on_silent()

    # --- playing ------------------------------------------------------------------------------------------------------

    async def _play(self, utterance: Utterance) -> None:
        await self.flushed()
        await self._attached.wait()
        self._lay(utterance)
        is_first = True
        while not self._is_over(utterance):
            self._wake.clear()
            now = self._clock.monotonic()
            self._give_up_marks(now)
            self._account(utterance, now)
            size = self._sendable(utterance, now, is_first=is_first)
            if size:
                await self._send(utterance, size, is_first=is_first)
                is_first = False
            elif not self._is_over(utterance):
                await self._sleep(self._pause_s(utterance, now))
        self._account(utterance, self._clock.monotonic())
        self._finish(utterance)

    def _lay(self, utterance: Utterance) -> None:
        utterance.go_back()
        self._laid_at = utterance.taken * self._audio.bytes_per_sample
        self._laid_heard = self._heard_bytes = self._ledger.heard_bytes(self._clock.monotonic())
        self._ledger.begin(utterance.id, "")

    def _finish(self, utterance: Utterance) -> None:
        self._ledger.end()
        self._ledger.forget(utterance.id)
        self._playing = self._task = None
        self._first_mark = self._last_mark = ""
        self._listener.on_finished(utterance)

    def _sendable(self, utterance: Utterance, now: float, *, is_first: bool) -> int:
        """Bytes to send now: a burst, or less at the start, at the end, and where the PBX is about to run dry."""
        if self._channel is None or self._ledger.is_paused:
            return 0
        pending = self._ledger.pending_bytes(now)
        room = self._audio.size_bytes(self._ahead_ms) - pending
        untaken = utterance.untaken * self._audio.bytes_per_sample
        size = min(room, untaken, self._burst_bytes) // self._audio.frame_bytes * self._audio.frame_bytes
        if size <= 0:
            return 0
        if is_first:
            return (
                self._audio.frame_bytes
            )  # with its own mark, so that the PBX's pace is known from the start
        is_rest = utterance.is_closed and size == untaken
        is_nearly_dry = self._audio.duration_ms(pending) <= _NEARLY_DRY_MS
        return size if size == self._burst_bytes or is_rest or is_nearly_dry else 0

    async def _send(self, utterance: Utterance, size: int, *, is_first: bool) -> None:
        channel = self._channel
        assert channel is not None
        frames = self._encode(utterance.take(size // self._audio.bytes_per_sample))
        now = self._clock.monotonic()
        # Counted before it is sent: a stop may come in the middle, and then it has to be flushed.
        self._ledger.add(size)
        self._ledger.sent(size, now)
        self._unheard.append(frames)
        self._marks += 1
        mark_id = self._last_mark = f"m{self._marks}"
        if is_first:
            self._first_mark = mark_id
            self._listener.on_sending(utterance)
        try:
            # The channel bounds how long this takes; a time-out of our own would cost as much as the sending.
            await channel.send(frames)
            self._ledger.mark(mark_id)
            await channel.mark(mark_id)
        except UpstreamError as error:
            _log.warning("speech not sent", error=error.message)
            if self._channel is channel:
                self._channel = None  # `lost` follows from the PBX, and then a new channel
                self._forget_sent(utterance)
                utterance.go_back()

    def _account(self, utterance: Utterance, now: float) -> None:
        """Takes down what was heard since the last time, and passes it on."""
        heard = self._ledger.heard_bytes(now)
        size, self._heard_bytes = heard - self._heard_bytes, heard
        if size <= 0:
            return
        position = self._laid_at + heard - self._laid_heard
        utterance.heard_to(position // self._audio.bytes_per_sample)
        is_dry = self._ledger.pending_bytes(now) == 0
        ended_s = min(now, self._ledger.drained_at_s()) if is_dry else now
        self._listener.on_played(self._pop_heard(size), ended_s - self._audio.duration_ms(size) / 1000)

    def _pop_heard(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and self._unheard:
            part = self._unheard.popleft()
            if len(part) > size:
                self._unheard.appendleft(part[size:])
                part = part[:size]
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _is_over(self, utterance: Utterance) -> bool:
        if not utterance.is_closed or utterance.untaken:
            return False
        now = self._clock.monotonic()
        if self._ledger.pending_bytes(now):
            return False
        return not self._last_mark or now - self._ledger.drained_at_s() >= _LAST_MARK_SLACK_S

    def _give_up_marks(self, now: float) -> None:
        """A PBX that answers no marks may still play; without them we could not go on."""
        is_late = now - self._ledger.drained_at_s() >= _LOST_MARK_S
        if is_late and self._last_mark and self._ledger.pending_bytes(now):
            _log.warning("marks lost", pending_ms=round(self._ledger.queued_ahead_ms(now)))
            self.on_mark(self._last_mark)

    def _pause_s(self, utterance: Utterance, now: float) -> float | None:
        """How long to sleep when nobody wakes us; None where only new sound or a new channel can help."""
        if self._channel is None:
            return None
        pending_s = self._ledger.queued_ahead_ms(now) / 1000
        if utterance.untaken and not self._ledger.is_paused:
            refill_s = pending_s - self._ahead_ms / 1000 + self._audio.duration_ms(self._burst_bytes) / 1000
            return max(refill_s, 0.0) + _MARK_SLACK_S
        if pending_s > 0 or self._last_mark:
            return pending_s + (_LAST_MARK_SLACK_S if self._last_mark else _MARK_SLACK_S)
        return None

    async def _sleep(self, seconds: float | None) -> None:
        alarm = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if alarm is not None:
                alarm.cancel()
