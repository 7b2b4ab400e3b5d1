"""Makes the sound of a reply from its sentences, one sentence ahead of what is being sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from trunkline.conversation.phrases import PhraseCache
from trunkline.conversation.streams import limited
from trunkline.conversation.utterance import Utterance
from trunkline.core.errors import UpstreamError
from trunkline.engines.port import Pcm, TextToSpeech

_log = structlog.get_logger()
_CHUNK_LIMIT_S: Final = 5.0
_SENTENCES_AHEAD: Final = 1
_QUEUE: Final = 8
"""Sentences that may wait for their sound; whoever writes faster than that waits."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece of text to be spoken. `is_fixed` marks one that is said in many calls, and is worth keeping."""

    text: str
    is_fixed: bool = False


class Synthesis:
    """One reply's way from text to sound. `run` is its life; it ends when `close` was called and everything was made."""

    def __init__(
        self,
        utterance: Utterance,
        voice: TextToSpeech,
        phrases: PhraseCache,
        *,
        speakable: Callable[[str], str],
        on_audio: Callable[[], None],
        on_failed: Callable[[Exception], None],
    ) -> None:
        self._utterance = utterance
        self._voice = voice
        self._phrases = phrases
        self._speakable = speakable
        self._on_audio = on_audio
        self._on_failed = on_failed
        self._sentences: asyncio.Queue[Sentence | None] = asyncio.Queue(_QUEUE)
        self._taken = asyncio.Event()
        utterance.on_taken = self._taken.set

    async def say(self, sentence: Sentence) -> None:
        """Adds a sentence; waits while too many wait already."""
        await self._sentences.put(sentence)

    async def close(self) -> None:
        """No more sentences."""
        await self._sentences.put(None)

    async def run(self) -> None:
        """Makes sentence after sentence; a failure costs the sentence, not the reply."""
        try:
            while (sentence := await self._sentences.get()) is not None:
                await self._until_wanted()
                await self._speak(sentence)
        finally:
            self._utterance.close()

    async def _until_wanted(self) -> None:
        while self._utterance.waiting_sentences > _SENTENCES_AHEAD:
            self._taken.clear()
            await self._taken.wait()

    async def _speak(self, sentence: Sentence) -> None:
        spoken = self._speakable(sentence.text)
        if not spoken.strip():
            return
        rate_hz = self._utterance.audio.rate_hz
        known = self._phrases.get(self._voice.name, spoken, rate_hz) if sentence.is_fixed else None
        self._utterance.begin(sentence.text)
        try:
            chunks = [known] if known is not None else []
            if known is not None:
                self._add(known)
            else:
                await self._synthesise(spoken, rate_hz, chunks)
        except UpstreamError as error:
            self._on_failed(error)
        except Exception as error:  # noqa: BLE001 (a guest of ours failed; logged)
            _log.exception("speech synthesis failed", voice=self._voice.name)
            self._on_failed(error)
        else:
            self._utterance.end()
            if sentence.is_fixed and known is None:
                self._phrases.put(self._voice.name, spoken, rate_hz, chunks)

    async def _synthesise(self, spoken: str, rate_hz: int, chunks: list[Pcm]) -> None:
        async with limited(self._voice.speak(spoken, rate_hz), _CHUNK_LIMIT_S, self._voice.name) as stream:
            while (chunk := await stream.next()) is not None:
                if len(chunk):
                    chunks.append(chunk)
                    self._add(chunk)

    def _add(self, pcm: Pcm) -> None:
        self._on_audio()
        self._utterance.add(pcm)
