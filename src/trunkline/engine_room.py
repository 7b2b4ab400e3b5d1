"""Which engine serves which provider name. Part of the composition root: with `app`, the only place that names concrete engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from trunkline.audio.formats import AudioFormat
from trunkline.audio.voice_activity import WebRtcDetector
from trunkline.conversation.phrases import PhraseCache
from trunkline.conversation.plan import ConversationEngines
from trunkline.core.errors import InvalidField, UpstreamError
from trunkline.core.secret import Secret
from trunkline.engines.embedded.espeak import Espeak
from trunkline.engines.embedded.hibari import Hibari
from trunkline.engines.embedded.silero import SileroDetector, load_silero
from trunkline.engines.embedded.whisper import Whisper
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.flow.builtin import built_in_flow
from trunkline.engines.flow.document import FlowDocument, parse_flow
from trunkline.engines.flow.model import FlowModel
from trunkline.engines.openai_chat import OpenAiChat
from trunkline.engines.port import LanguageModel, SpeechToText, TextToSpeech, VoiceDetector
from trunkline.resources.engine_config import LlmConfig, SttConfig, TtsConfig
from trunkline.resources.merge import ResolvedAssistant
from trunkline.settings import Settings

_log = structlog.get_logger()
_NOT_HERE: Final = "is not available in this version"


class Engines:
    """The engines of one process. Heavy ones are shared by all calls; each call gets its own detector and model."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.executor = ModelExecutor(settings.engines.threads)
        self._whisper = Whisper(self.executor, settings.engines.whisper_model)
        self._voices: dict[str, TextToSpeech] = {}
        self._chats: dict[tuple[str, str, str], LanguageModel] = {}
        self._phrases = PhraseCache()
        self._detector: Callable[[int], VoiceDetector] = WebRtcDetector

    async def warm_up(self) -> None:
        """Loads the embedded models, so that the first call is as fast as the second. What is missing is logged, not fatal."""
        for name, load in (
            ("whisper", self._whisper.warm_up),
            ("hibari", self._voice("hibari", "heart", 1.0).warm_up),
        ):
            try:
                await load()
            except UpstreamError as error:
                _log.warning("embedded engine not available", engine=name, error=error.message)
        try:
            await self.executor.run(load_silero)
            self._detector = SileroDetector
        except UpstreamError as error:
            _log.warning("voice activity without silero", error=error.message)

    def for_call(self, assistant: ResolvedAssistant, audio: AudioFormat) -> ConversationEngines:
        """Engines for one call.

        Raises:
            InvalidField: a provider that can't be used here, or lacks its key; names the block.
        """
        document = assistant.document
        assert document.llm_config is not None
        if document.stt_config is None or document.tts_config is None:
            raise InvalidField(
                "llm_config.provider",
                f"llm_config.provider {document.llm_config.provider} {_NOT_HERE}.",
                code="provider_unavailable",
            )
        return ConversationEngines(
            ears=self._ears(document.stt_config),
            detector=self._detector(audio.rate_hz),
            model=self._model(document.llm_config),
            voice=self._voice_of(document.tts_config),
            phrases=self._phrases,
        )

    def close(self) -> None:
        """Ends the model threads."""
        self.executor.shutdown()

    def _ears(self, config: SttConfig) -> SpeechToText:
        if config.provider != "whisper":
            raise _unavailable("stt_config", config.provider, "whisper")
        return self._whisper

    def _voice_of(self, config: TtsConfig) -> TextToSpeech:
        if config.provider not in {"hibari", "espeak"}:
            raise _unavailable("tts_config", config.provider, "hibari or espeak")
        return self._voice(config.provider, config.voice_id, config.speed or 1.0)

    def _voice(self, provider: str, voice_id: str, speed: float) -> TextToSpeech:
        key = f"{provider}/{voice_id}/{speed}"
        if key not in self._voices:
            self._voices[key] = (
                Espeak(voice_id, speed) if provider == "espeak" else Hibari(self.executor, voice_id, speed)
            )
        return self._voices[key]

    def _model(self, config: LlmConfig) -> LanguageModel:
        match config.provider:
            case "flow":
                return FlowModel(self._flow(config))
            case "openai" | "mistral":
                return self._chat(config)
            case _:
                raise _unavailable("llm_config", config.provider, "flow, openai or mistral")

    def _flow(self, config: LlmConfig) -> FlowDocument:
        given = (config.model_extra or {}).get("flow")
        return parse_flow(given) if given is not None else built_in_flow(config.model)
