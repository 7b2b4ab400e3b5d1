"""The three blocks that choose an assistant's engines. Model names are never checked against a list.

Each block has two forms. A patch has every field optional: one that names `provider` replaces the saved block, one that does
not is patched into it. A whole block has what its provider needs.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from trunkline.resources.fields import WHOLE, Block, Name, ShortText, Text, Url
from trunkline.resources.tools import Tool

SttProvider = Literal["whisper", "deepgram", "elevenlabs", "gladia", "mistral", "openai"]
LlmProvider = Literal["flow", "openai", "mistral", "xai_realtime", "google_realtime", "openai_realtime"]
_TtsName = Literal["hibari", "espeak", "elevenlabs", "openai", "xai"]

REALTIME: Final[frozenset[str]] = frozenset({"xai_realtime", "google_realtime", "openai_realtime"})
"""Language models that hear and speak by themselves."""


def _unalias(provider: object) -> object:
    return "elevenlabs" if provider == "11labs" else provider


TtsProvider = Annotated[
    _TtsName, BeforeValidator(_unalias, json_schema_input_type=Literal[_TtsName, "11labs"])
]
"""`11labs` is taken and kept as `elevenlabs`."""


class SttPatch(Block):
    """Speech to text, as far as it changes."""

    provider: SttProvider | None = Field(
        None, description="Who recognises speech; `whisper` runs here, without a key."
    )
    model: Name | None = Field(
        None, description="The provider's name of the model, such as `nova-3-general` or `tiny.en`."
    )
    language: Name | None = Field(
        None, description="Language tag, such as `en` or `nl`, or what the provider takes."
    )
    keyterms: list[ShortText] | None = Field(None, max_length=500, description="Words to expect.")
    smart_format: bool | None = Field(
        None, description="Writes dates, amounts and the like in figures (`deepgram`)."
    )
    endpointing: Annotated[int, Field(ge=0, le=10_000), WHOLE] | None = Field(
        None, description="Silence that ends an utterance, in ms (`deepgram`)."
    )
    utterance_end_ms: Annotated[int, Field(ge=0, le=10_000), WHOLE] | None = Field(
        None, description="Gap between words that ends an utterance, in ms (`deepgram`)."
    )
    numerals: bool | None = Field(None, description="Writes numbers in figures (`deepgram`).")
    filler_words: bool | None = Field(None, description="Keeps `uh` and `um` (`deepgram`).")


class SttConfig(SttPatch):
    """Speech to text."""

    provider: SttProvider = Field(description="Who recognises speech; `whisper` runs here, without a key.")
    model: Name = Field(
        description="The provider's name of the model, such as `nova-3-general` or `tiny.en`."
    )
    language: Name = Field(description="Language tag, such as `en` or `nl`, or what the provider takes.")


class PromptMessage(Block):
    """One message the model starts with."""

    role: Literal["system", "user", "assistant"] = Field(description="Who says it.")
    content: Annotated[str, Field(max_length=200_000)] = Field(description="What is said.")


class TurnDetection(Block):
    """How a realtime model hears that the caller is done."""

    threshold: float | None = Field(None, ge=0, le=1, description="Probability from which sound is speech.")
    prefix_padding_ms: Annotated[int, Field(ge=0, le=10_000), WHOLE] | None = Field(
        None, description="Audio kept from before the speech began."
    )
    silence_duration_ms: Annotated[int, Field(ge=0, le=30_000), WHOLE] | None = Field(
        None, description="Silence that ends the caller's turn."
    )
    idle_timeout_ms: Annotated[int, Field(ge=0, le=600_000), WHOLE] | None = Field(
        None, description="Quiet time after which the model speaks up."
    )


class LlmPatch(Block):
    """The language model, as far as it changes."""

    provider: LlmProvider | None = Field(
        None, description="`flow` runs here, without a key; `*_realtime` hear and speak by themselves."
    )
    model: Name | None = Field(
        None,
        description="The provider's name of the model; for `flow` a built-in flow such as `receptionist`.",
    )
    temperature: float | None = Field(None, ge=0, le=2, description="0 is dry, 2 is wild; 0.7 when absent.")
    messages: list[PromptMessage] | None = Field(
        None, max_length=500, description="What the model starts with: its instructions."
    )
    tools: list[Tool] | None = Field(
        None, max_length=128, description="What the model may do besides talking."
    )
    max_completion_tokens: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = Field(
        None, description="Longest reply, in tokens."
    )
    base_url: Url | None = Field(None, description="Any OpenAI-compatible server, for provider `openai`.")
    voice: ShortText | None = Field(None, description="Voice of a realtime model.")
    turn_detection: TurnDetection | None = Field(None, description="Turn taking of a realtime model.")
    speed: float | None = Field(None, ge=0.25, le=4, description="Speaking rate of a realtime model.")
    reasoning_effort: ShortText | None = Field(None, description="How long a realtime model may think.")


class LlmConfig(LlmPatch):
    """The language model."""

    provider: LlmProvider = Field(
        description="`flow` runs here, without a key; `*_realtime` hear and speak by themselves."
    )
    model: Name = Field(
        description="The provider's name of the model; for `flow` a built-in flow such as `receptionist`."
    )


class TtsPatch(Block):
    """Text to speech, as far as it changes."""

    provider: TtsProvider | None = Field(
        None, description="Who speaks; `hibari` and `espeak` run here, without a key."
    )
    voice_id: Name | None = Field(None, description="The provider's name of the voice.")
    model: Text | None = Field(None, description="The provider's name of the model.")
    stability: float | None = Field(None, ge=0, le=1, description="Evenness of the voice (`elevenlabs`).")
    similarity_boost: float | None = Field(
        None, ge=0, le=1, description="Closeness to the original voice (`elevenlabs`)."
    )
    style: float | None = Field(
        None, ge=0, le=1, description="Exaggeration of the voice's style (`elevenlabs`)."
    )
    use_speaker_boost: bool | None = Field(
        None, description="Closer to the speaker, a little slower (`elevenlabs`)."
    )
    speed: float | None = Field(None, ge=0.25, le=4, description="Speaking rate; 1 is natural.")


class TtsConfig(TtsPatch):
    """Text to speech."""

    provider: TtsProvider = Field(description="Who speaks; `hibari` and `espeak` run here, without a key.")
    voice_id: Name = Field(description="The provider's name of the voice.")
