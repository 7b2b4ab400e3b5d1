"""Which engine serves which provider name. Part of the composition root: with `app`, the only place that names concrete engines."""

from __future__ import annotations

from collections import OrderedDict
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
from trunkline.engines.embedded.hibari import DEFAULT_VOICE, Hibari
from trunkline.engines.embedded.silero import SileroDetector, load_silero
from trunkline.engines.embedded.whisper import Whisper
from trunkline.engines.executor import ModelExecutor
from trunkline.engines.flow.builtin import built_in_flow
from trunkline.engines.flow.document import FlowDocument, parse_flow
from trunkline.engines.flow.model import FlowModel
from trunkline.engines.openai_chat import ChatServer
from trunkline.engines.port import LanguageModel, SpeechToText, TextToSpeech, VoiceDetector
from trunkline.resources.engine_config import LlmConfig, SttConfig, TtsConfig
from trunkline.resources.merge import ResolvedAssistant
from trunkline.settings import Settings

_log = structlog.get_logger()
_KEPT_SERVERS: Final = 64
_NOT_HERE: Final = "is not available in this version"


class Engines:
    """The engines of one process. Heavy ones are shared by all calls; each call gets its own detector and model."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.executor = ModelExecutor(settings.engines.threads)
        self._whisper = Whisper(self.executor, settings.engines.whisper_model)
        self._hibari = Hibari(self.executor)
        self._servers: OrderedDict[tuple[str, str, Secret | None], ChatServer] = OrderedDict()
        self._phrases = PhraseCache()
        self._detector: Callable[[int], VoiceDetector] = WebRtcDetector

    async def warm_up(self) -> None:
        """Loads the embedded models, so that the first call is as fast as the second. What is missing is logged, not fatal."""
        for name, load in (
            ("whisper", self._whisper.warm_up),
            ("hibari", self._hibari.warm_up),
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
            voice=self._voice(document.tts_config),
            phrases=self._phrases,
        )

    async def close(self) -> None:
        """Closes connections and ends the model threads."""
        for server in self._servers.values():
            await server.close()
        self.executor.shutdown()

    def _ears(self, config: SttConfig) -> SpeechToText:
        if config.provider != "whisper":
            raise _unavailable("stt_config", config.provider, "whisper")
        if self._settings.engines.whisper_model is None and config.language.lower().partition("-")[0] != "en":
            raise InvalidField(
                "stt_config.language",
                "stt_config.language must be en: the packaged whisper model hears English; name another by engines.whisper_model.",
                code="language_not_supported",
            )
        return self._whisper

    def _voice(self, config: TtsConfig) -> TextToSpeech:
        match config.provider:
            case "hibari":
                if config.voice_id not in {DEFAULT_VOICE, "default"}:
                    raise InvalidField(
                        "tts_config.voice_id",
                        f"tts_config.voice_id of hibari must be {DEFAULT_VOICE}.",
                        code="unknown_voice",
                    )
                return self._hibari.at_speed(config.speed or 1.0)
            case "espeak":
                return Espeak(config.voice_id, config.speed or 1.0)
            case _:
                raise _unavailable("tts_config", config.provider, "hibari or espeak")

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

    def _chat(self, config: LlmConfig) -> LanguageModel:
        """A hosted model. Our own key goes to its own provider only, never to an address that an assistant names."""
        providers = self._settings.providers
        home, key = {
            "openai": (providers.openai_base_url, providers.openai_api_key),
            "mistral": (providers.mistral_base_url, providers.mistral_api_key),
        }[config.provider]
        base_url = (config.base_url or home).rstrip("/")
        own_key = (config.model_extra or {}).get("api_key")
        secret = (
            Secret(own_key)
            if own_key
            else Secret(key.get_secret_value())
            if key and base_url == home.rstrip("/")
            else None
        )
        self._check_reachable(base_url, home, secret, config.provider)
        server = self._server(config.provider, base_url, secret)
        return server.model(config.model)

    def _server(self, provider: str, base_url: str, secret: Secret | None) -> ChatServer:
        """Connections are kept by provider, address and key; those used longest ago are left to the collector."""
        key = (provider, base_url, secret)
        server = self._servers.pop(key, None) or ChatServer(provider, base_url, secret)
        self._servers[key] = server
        while len(self._servers) > _KEPT_SERVERS:
            self._servers.popitem(last=False)
        return server

    def _check_reachable(self, base_url: str, home: str, secret: Secret | None, provider: str) -> None:
        if base_url == home.rstrip("/"):
            if secret is None:
                raise InvalidField(
                    "llm_config.provider",
                    f"There is no key for {provider}: set providers.{provider}_api_key, or give llm_config.api_key.",
                    code="provider_key_missing",
                )
        elif base_url not in {allowed.rstrip("/") for allowed in self._settings.providers.allowed_base_urls}:
            raise InvalidField(
                "llm_config.base_url",
                "llm_config.base_url is not an address that this service may reach; its operator can add it to providers.allowed_base_urls.",
                code="base_url_not_allowed",
            )


def _unavailable(block: str, provider: str, here: str) -> InvalidField:
    return InvalidField(
        f"{block}.provider",
        f"{block}.provider {provider} {_NOT_HERE}; use {here}.",
        code="provider_unavailable",
    )
