"""The caller's side of the line: bytes in, samples to the ear, and when the voice starts and pauses."""

from __future__ import annotations

from collections import deque
from typing import Final

from trunkline.audio.formats import PTIME_MS, AudioFormat
from trunkline.audio.g711 import decoder
from trunkline.audio.voice_activity import SpeechPaused, SpeechSegmenter, VoiceEvent, VoiceSettings
from trunkline.conversation.turn_events import VoicePaused, VoiceStarted
from trunkline.engines.port import Pcm, Transcription, VoiceDetector

_BACKLOG_FRAMES: Final = 250
"""Five seconds are kept while the ear is still being opened."""
_GAP_S: Final = 0.06


class CallerAudio:
    """Hears one caller. `push` costs microseconds a frame."""

    def __init__(
        self, audio: AudioFormat, detector: VoiceDetector, settings: VoiceSettings | None = None
    ) -> None:
        self._settings = settings or VoiceSettings()
        self._frame_bytes = audio.frame_bytes
        self._decode = decoder(audio)
        self._detector = detector
        self._segmenter = SpeechSegmenter(self._settings)
        self._ear: Transcription | None = None
        self._backlog: deque[Pcm] = deque(maxlen=_BACKLOG_FRAMES)
        self._last_frame_s = 0.0
        self.voiced_until_s = 0.0  # end of the last frame with voice, monotonic seconds

    @property
    def is_voiced(self) -> bool:
        """The caller speaks now."""
        return self._segmenter.is_speaking

    def open(self, ear: Transcription) -> None:
        """The ear is there: it hears what came meanwhile, and everything from now on."""
        self._ear = ear
        while self._backlog:
            ear.push(self._backlog.popleft())

    def push(self, frames: bytes, at_s: float) -> list[VoiceStarted | VoicePaused]:
        """Whole frames, the last of which ended at `at_s` (monotonic seconds)."""
        events: list[VoiceStarted | VoicePaused] = []
        self._last_frame_s = at_s
        count = len(frames) // self._frame_bytes
        for index in range(count):
            pcm = self._decode(
                frames if count == 1 else frames[index * self._frame_bytes : (index + 1) * self._frame_bytes]
            )
            if self._ear is not None:
                self._ear.push(pcm)
            else:
                self._backlog.append(pcm)
            at_ms = at_s * 1000 - (count - 1 - index) * PTIME_MS
            probability = self._detector.push(pcm)
            if probability >= self._settings.keep_threshold:
                self.voiced_until_s = at_ms / 1000
            found = self._segmenter.push(probability, at_ms)
            if found:
                events.extend(map(self._as_event, found))
        return events

    def passed(self, at_s: float) -> list[VoiceStarted | VoicePaused]:
        """Time went by; a phone that sends nothing in silence is heard to pause all the same."""
        if at_s - self._last_frame_s < _GAP_S:
            return []
        return [self._as_event(event) for event in self._segmenter.passed(at_s * 1000)]

    def assistant_speaks(self, *, speaking: bool) -> None:
        """Raises the bar for a voice while we are heard."""
        self._segmenter.assistant_speaks(speaking=speaking)

    def turn_is_over(self) -> None:
        """What comes next begins a new utterance."""
        if not self._segmenter.is_speaking:
            self._segmenter.finish()

    def reset(self) -> None:
        """Forgets the voice so far; what is said now starts anew."""
        self._segmenter.finish()
        self._detector.reset()

    def _as_event(self, event: VoiceEvent) -> VoiceStarted | VoicePaused:
        if isinstance(event, SpeechPaused):
            return VoicePaused(event.at_ms / 1000, event.since_ms / 1000)
        onset_ms = event.at_ms - max(0, event.preroll_ms - self._settings.pad_ms)
        return VoiceStarted(event.at_ms / 1000, onset_ms / 1000, event.preroll_ms)
