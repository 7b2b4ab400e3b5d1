"""The playout ledger: what was queued for one caller, sent to the PBX, heard, or flushed.

Pure: times come in as monotonic seconds, sizes as bytes of the channel's format. It sits between the voice that makes
audio and the media channel that takes it, and is the only place that says how much of an answer was heard.

How the heard position is known:

1. A mark that came back is certain: everything before it was played (to within one frame).
2. Between marks the PBX plays in real time, so the position moves with the clock, from one frame time after the send
   that ended a silence.
3. The clock alone never moves it past what was sent, nor more than one frame past the oldest mark that is still out.
4. It never goes back.

At all times: sent = heard + flushed + pending. Calls must come in the order in which things happened.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Final

from trunkline.audio.formats import PTIME_MS, AudioFormat

_MS_PER_CHARACTER: Final = 60.0
"""Slow speech: how long a text is taken to be while its audio is still being made."""

_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one utterance got.

    Attributes:
        queued_ms: audio made for it so far.
        heard_ms: audio of it that was heard.
        heard_text: its text up to the last word that was heard whole.
        unheard_text: the rest of its text.
        is_whole: everything made for it was heard, and no more is to come.
    """

    utterance_id: str
    queued_ms: float
    heard_ms: float
    heard_text: str
    unheard_text: str
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush took away.

    Attributes:
        dropped_ms: audio that the PBX had and did not play.
        unsent_ms: audio that was queued here and is never sent.
        lost_marks: marks that will never come back, oldest first.
    """

    dropped_ms: float
    unsent_ms: float
    lost_marks: tuple[str, ...]


@dataclass(slots=True)
class _Span:
    """Text that was synthesised together, and where its audio lies on the line.

    Attributes:
        start: position of its first byte.
        size: bytes of audio so far.
        is_open: its audio is not complete: more may come or, once a flush has ended it, never came.
        frozen: bytes heard, once a flush has ended it.
    """

    text: str
    start: int
    size: int = 0
    is_open: bool = True
    frozen: int | None = None

    def heard_bytes(self, cursor: int) -> int:
        """Bytes of it that lie before `cursor`, or before the flush that ended it."""
        return self.frozen if self.frozen is not None else min(max(cursor - self.start, 0), self.size)


class PlayoutLedger:
    """The account of one media channel's playback. Positions are bytes since the start of the channel, flushed ones included."""

    def __init__(self, audio: AudioFormat) -> None:
        self.audio = audio
        self._bytes_per_s = audio.rate_hz * audio.bytes_per_sample
        self._spans: dict[str, list[_Span]] = {}
        self._open: _Span | None = None
        self._queued = 0  # end of what was queued
        self._sent = 0  # end of what the PBX was given
        self._flushed = 0  # bytes of it that were never played
        self._marks: deque[tuple[str, int]] = deque()  # still out, oldest first
        self._cursor = 0  # heard for certain or by estimate, at `_cursor_at_s`
        self._cursor_at_s = 0.0
        self._is_paused = False

    # --- what happens -------------------------------------------------------------------------------------------------

    def begin(self, utterance_id: str, text: str) -> None:
        """Opens a span: audio queued from now on says `text`. A span that was open is closed."""
        self.end()
        self._open = _Span(text.strip(), self._queued)
        self._spans.setdefault(utterance_id, []).append(self._open)

    def add(self, size_bytes: int) -> None:
        """So much audio of the open span was made.

        Raises:
            ValueError: no span is open (it was never begun, was ended, or a flush ended it), or the size is negative or cuts a sample.
        """
        if self._open is None:
            raise ValueError("Audio was queued outside of a span; begin one first.")
        if size_bytes < 0 or size_bytes % self.audio.bytes_per_sample:
            raise ValueError(f"{size_bytes} bytes are not whole samples.")
        self._open.size += size_bytes
        self._queued += size_bytes

    def end(self) -> None:
        """Closes the open span: its audio is complete. Nothing happens when none is open."""
        if self._open is not None:
            self._open.is_open = False
            self._open = None

    def queue(self, utterance_id: str, text: str, size_bytes: int) -> None:
        """A span whose audio is complete already: `begin`, `add` and `end` in one."""
        self.begin(utterance_id, text)
        self.add(size_bytes)
        self.end()

    def sent(self, size_bytes: int, at_s: float) -> None:
        """The PBX was given the next `size_bytes` of what is queued.

        Raises:
            ValueError: more than is queued, or not whole frames.
        """
        if size_bytes < 0 or size_bytes % self.audio.frame_bytes:
            raise ValueError(f"{size_bytes} bytes are not whole frames.")
        if self._sent + size_bytes > self._queued:
            raise ValueError("More was sent than is queued.")
        starved = self._position(at_s) == self._sent
        self._advance(at_s)
        if starved:
            # The next tick of the PBX plays it, up to one frame time from now.
            self._cursor_at_s = at_s + PTIME_MS / 1000
        self._sent += size_bytes

    def mark(self, mark_id: str) -> None:
        """A mark was sent behind everything sent so far."""
        self._marks.append((mark_id, self._sent))

    def marked(self, mark_id: str, at_s: float) -> bool:
        """A mark came back. False when it is not one that is out (flushed, or of a channel that is gone)."""
        position = next((place for known, place in self._marks if known == mark_id), None)
        if position is None:
            return False
        while self._marks.popleft()[0] != mark_id:
            pass  # an older mark whose answer got lost was passed as well
        self._advance(at_s)
        self._cursor = max(self._cursor, position)
        return True

    def flushed(self, at_s: float) -> Flushed:
        """Everything not heard by now is gone: what the PBX had, what was queued here, and the marks between."""
        self._advance(at_s)
        dropped, unsent = self._sent - self._cursor, self._queued - self._sent
        lost = tuple(mark_id for mark_id, _ in self._marks)
        for spans in self._spans.values():
            for span in spans:
                span.frozen = span.heard_bytes(self._cursor)
        self._open = None
        self._marks.clear()
        self._flushed += dropped
        self._cursor = self._queued = self._sent
        return Flushed(self.audio.duration_ms(dropped), self.audio.duration_ms(unsent), lost)

    def flow(self, *, paused: bool) -> None:
        """The PBX asked to stop sending, or to go on. It plays on meanwhile."""
        self._is_paused = paused

    def forget(self, utterance_id: str) -> None:
        """Drops an utterance whose text was taken; its audio stays counted."""
        self._spans.pop(utterance_id, None)

    # --- what is known ------------------------------------------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        """The PBX has asked to stop sending."""
        return self._is_paused

    @property
    def sent_bytes(self) -> int:
        """Everything ever given to the PBX."""
        return self._sent

    @property
    def flushed_bytes(self) -> int:
        """Everything sent that was never played."""
        return self._flushed

    @property
    def unsent_bytes(self) -> int:
        """Queued here, not yet sent."""
        return self._queued - self._sent

    def heard_bytes(self, at_s: float) -> int:
        """Everything that was played, by the best knowledge at `at_s`."""
        return self._position(at_s) - self._flushed

    def pending_bytes(self, at_s: float) -> int:
        """Sent and still to be played."""
        return self._sent - self._position(at_s)

    def heard_ms(self, at_s: float) -> float:
        """`heard_bytes` as a duration."""
        return self.audio.duration_ms(self.heard_bytes(at_s))

    def queued_ahead_ms(self, at_s: float) -> float:
        """How much the PBX still has to play."""
        return self.audio.duration_ms(self.pending_bytes(at_s))

    def may_send_bytes(self, at_s: float, ahead_ms: float) -> int:
        """Whole frames that may be sent now, so that at most `ahead_ms` lie ahead of what is heard; 0 while the PBX is full."""
        if self._is_paused:
            return 0
        room = self.audio.size_bytes(ahead_ms) - self.pending_bytes(at_s)
        return max(0, min(room, self.unsent_bytes)) // self.audio.frame_bytes * self.audio.frame_bytes

    def drained_at_s(self) -> float:
        """When everything sent will have been played, if nothing more is sent and no mark is late."""
        return self._cursor_at_s + (self._sent - self._cursor) / self._bytes_per_s

    def progress(self, utterance_id: str, at_s: float) -> Progress:
        """How far an utterance got. An unknown one has got nowhere and has no text."""
        cursor = self._position(at_s)
        spans = self._spans.get(utterance_id, [])
        heard = [span.heard_bytes(cursor) for span in spans]
        parts = [
            split_heard(span.text, self._share(span, done)) for span, done in zip(spans, heard, strict=True)
        ]
        return Progress(
            utterance_id=utterance_id,
            queued_ms=self.audio.duration_ms(sum(span.size for span in spans)),
            heard_ms=self.audio.duration_ms(sum(heard)),
            heard_text=" ".join(said for said, _ in parts if said),
            unheard_text=" ".join(rest for _, rest in parts if rest),
            is_whole=bool(spans)
            and all(not span.is_open and done == span.size for span, done in zip(spans, heard, strict=True)),
        )

    def heard_text(self, utterance_id: str, at_s: float) -> str:
        """The utterance's text up to the last word that was heard whole."""
        return self.progress(utterance_id, at_s).heard_text

    # --- the position -------------------------------------------------------------------------------------------------

    def _position(self, at_s: float) -> int:
        elapsed_s = max(0.0, at_s - self._cursor_at_s)
        by_clock = self._cursor + int(elapsed_s * self.audio.rate_hz) * self.audio.bytes_per_sample
        limit = self._sent
        if self._marks:
            limit = min(limit, self._marks[0][1] + self.audio.frame_bytes)
        return max(self._cursor, min(by_clock, limit))

    def _advance(self, at_s: float) -> None:
        """Takes the estimate at `at_s` as the new point to count from."""
        if at_s > self._cursor_at_s:
            self._cursor = self._position(at_s)
            self._cursor_at_s = at_s

    def _share(self, span: _Span, heard: int) -> float:
        """Part of a span's text that was heard, 0 to 1; a growing span is taken to be at least as long as slow speech."""
        expected = span.size
        if span.is_open:
            expected = max(expected, self.audio.size_bytes(len(span.text) * _MS_PER_CHARACTER))
        return heard / expected if expected else 0.0


def split_heard(text: str, share: float) -> tuple[str, str]:
    """Cuts a text after the last word that ends within the first `share` of it (0 to 1): what was heard, and the rest."""
    if share >= 1.0:
        return text, ""
    reach = share * len(text)
    cut = max((word.end() for word in _WORD.finditer(text) if word.end() <= reach), default=0)
    return text[:cut], text[cut:].lstrip()
