"""The sound of one reply: sentences with their samples, how far it was sent and heard. Pure; positions are samples.

Samples are kept until they were heard, so that speech cut by mistake can go on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from trunkline.audio.formats import AudioFormat
from trunkline.audio.playout import split_heard
from trunkline.engines.port import Pcm

_SAMPLES_PER_CHARACTER_S = 0.06
"""Slow speech: how long a text is taken to be while its audio is still being made."""


@dataclass(slots=True)
class _Spoken:
    text: str
    start: int
    size: int = 0
    is_whole: bool = False
    chunks: list[Pcm] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + self.size


class Utterance:
    """One reply's sound. Made at the end, sent and heard at the front."""

    def __init__(self, utterance_id: str, audio: AudioFormat) -> None:
        self.id = utterance_id
        self.audio = audio
        self.on_made: Callable[[], None] | None = None  # samples were added, or it was closed
        self.on_taken: Callable[[], None] | None = None  # samples were sent
        self._sentences: list[_Spoken] = []
        self._made = 0
        self._taken = 0
        self._heard = 0
        self._is_closed = False

    # --- making -------------------------------------------------------------------------------------------------------

    def begin(self, text: str) -> None:
        """Samples from now on say `text`."""
        self._sentences.append(_Spoken(text, self._made))

    def add(self, pcm: Pcm) -> None:
        """More samples of the sentence begun last."""
        sentence = self._sentences[-1]
        sentence.chunks.append(pcm)
        sentence.size += len(pcm)
        self._made += len(pcm)
        self._tell(self.on_made)

    def end(self) -> None:
        """The sentence begun last is whole."""
        self._sentences[-1].is_whole = True

    def close(self) -> None:
        """Nothing more is to come. The last frame is filled with silence."""
        if self._is_closed:
            return
        self._is_closed = True
        odd = self._made % self.audio.frame_samples
        if odd:
            self.add(np.zeros(self.audio.frame_samples - odd, np.int16))
        else:
            self._tell(self.on_made)

    # --- sending ------------------------------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Nothing more is to come."""
        return self._is_closed

    @property
    def untaken(self) -> int:
        """Samples that are made and not sent."""
        return self._made - self._taken

    @property
    def waiting_sentences(self) -> int:
        """Sentences of which nothing was sent yet."""
        return sum(1 for sentence in self._sentences if sentence.start >= self._taken and sentence.size)

    def take(self, count: int) -> Pcm:
        """The next `count` samples to send."""
        position, end = self._taken, self._taken + count
        pieces: list[Pcm] = []
        for sentence in self._sentences:
            if sentence.end <= position or sentence.start >= end:
                continue
            start = sentence.start
            for chunk in sentence.chunks:
                if start < end and start + len(chunk) > position:
                    pieces.append(chunk[max(0, position - start) : end - start])
                start += len(chunk)
        self._taken = end
        self._tell(self.on_taken)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def go_back(self) -> None:
        """Sends again what was not heard, from the frame in which hearing stopped."""
        self._taken = self._heard // self.audio.frame_samples * self.audio.frame_samples

    # --- hearing ------------------------------------------------------------------------------------------------------

    @property
    def taken(self) -> int:
        """Where the next sample to send lies."""
        return self._taken

    def heard_to(self, position: int) -> None:
        """Everything before `position` was heard; sound that is not needed any more is freed."""
        self._heard = max(self._heard, min(position, self._taken))
        frame = self.audio.frame_samples
        for sentence in self._sentences:
            if sentence.chunks and sentence.is_whole and sentence.end + frame <= self._heard:
                sentence.chunks = []

    @property
    def was_heard(self) -> bool:
        """At least one frame of it."""
        return self._heard >= self.audio.frame_samples

    def heard_text(self) -> str:
        """Its text up to the last word that was heard whole."""
        parts = [
            split_heard(sentence.text, self._share(sentence))[0]
            for sentence in self._sentences
            if sentence.size
        ]
        return " ".join(part for part in parts if part)

    def last_heard_sentence(self) -> str:
        """The last sentence that was heard to its end; empty when there is none."""
        return next(
            (each.text for each in reversed(self._sentences) if each.size and self._share(each) >= 1), ""
        )

    def _share(self, sentence: _Spoken) -> float:
        size = sentence.size
        if not sentence.is_whole:
            size = max(size, int(len(sentence.text) * _SAMPLES_PER_CHARACTER_S * self.audio.rate_hz))
        return max(0, self._heard - sentence.start) / size if size else 0.0

    @staticmethod
    def _tell(listener: Callable[[], None] | None) -> None:
        if listener is not None:
            listener()
