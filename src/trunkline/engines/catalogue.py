"""Which engines there are: for checking an assistant, and for the list of voices. Pure description; nothing is loaded.

What serves a provider's name is wired in the composition root; here stands what may be asked of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["stt", "llm", "tts"]


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider of one kind of engine.

    Attributes:
        kind: which block names it: `stt_config`, `llm_config` or `tts_config`.
        is_embedded: it runs on this machine.
        needs_key: it can't be used without an API key; False also where only its own servers want one.
        config_keys: the fields of its block that it uses, besides `provider`.
        languages: tags that it certainly understands or speaks; empty where it depends on the model.
    """

    name: str
    kind: Kind
    is_embedded: bool
    needs_key: bool
    config_keys: tuple[str, ...]
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice, as `/voices` lists it."""

    provider: str
    id: str
    name: str
    language: str
    description_en: str
    description_nl: str


PROVIDERS: Final[tuple[Provider, ...]] = (
    Provider(
        "whisper",
        "stt",
        is_embedded=True,
        needs_key=False,
        config_keys=("model", "language", "keyterms"),
        languages=("en",),
    ),
    Provider(
        "flow",
        "llm",
        is_embedded=True,
        needs_key=False,
        config_keys=("model", "flow", "tools", "messages"),
        languages=("en",),
    ),
    Provider(
        "openai",
        "llm",
        is_embedded=False,
        needs_key=True,
        config_keys=("model", "temperature", "messages", "tools", "max_completion_tokens", "base_url"),
    ),
    Provider(
        "mistral",
        "llm",
        is_embedded=False,
        needs_key=True,
        config_keys=("model", "temperature", "messages", "tools", "max_completion_tokens", "base_url"),
    ),
    Provider(
        "hibari",
        "tts",
        is_embedded=True,
        needs_key=False,
        config_keys=("voice_id", "speed"),
        languages=("en",),
    ),
    Provider("espeak", "tts", is_embedded=True, needs_key=False, config_keys=("voice_id", "speed")),
)

# The languages in which espeak-ng 1.51 is most often asked for; it takes any of its voice names.
_ESPEAK: Final = (
    ("da", "Danish", "Deens"),
    ("de", "German", "Duits"),
    ("en-gb", "British English", "Brits Engels"),
    ("en-us", "American English", "Amerikaans Engels"),
    ("es", "Spanish", "Spaans"),
    ("fi", "Finnish", "Fins"),
    ("fr-fr", "French", "Frans"),
    ("it", "Italian", "Italiaans"),
    ("nl", "Dutch", "Nederlands"),
    ("nb", "Norwegian", "Noors"),
    ("pl", "Polish", "Pools"),
    ("pt", "Portuguese", "Portugees"),
    ("sv", "Swedish", "Zweeds"),
    ("tr", "Turkish", "Turks"),
)

VOICES: Final[tuple[Voice, ...]] = (
    Voice(
        "hibari",
        "heart",
        "Heart",
        "en-us",
        "American woman, natural, runs here",
        "Amerikaanse vrouw, natuurlijk, draait hier",
    ),
    *(
        Voice(
            "espeak",
            tag,
            f"eSpeak {name}",
            tag,
            f"{name}, robotic, runs here",
            f"{dutch}, robotachtig, draait hier",
        )
        for tag, name, dutch in _ESPEAK
    ),
)


def provider(kind: Kind, name: str) -> Provider | None:
    """The provider of that name, or None."""
    return next((each for each in PROVIDERS if each.kind == kind and each.name == name), None)


def names(kind: Kind) -> tuple[str, ...]:
    """The names that a block of this kind may have as `provider`."""
    return tuple(each.name for each in PROVIDERS if each.kind == kind)


def voices(language: str | None = None, provider_name: str | None = None) -> list[Voice]:
    """The voices of a language (`en` takes `en-gb` in) and a provider; all where None."""
    return [voice for voice in VOICES if _speaks(voice, language) and provider_name in (None, voice.provider)]


def unused_keys(kind: Kind, name: str, given: Iterable[str]) -> list[str]:
    """The given fields that this provider ignores, for a warning."""
    known = provider(kind, name)
    return [] if known is None else sorted(set(given) - {"provider", *known.config_keys})


def _speaks(voice: Voice, language: str | None) -> bool:
    if language is None:
        return True
    wanted = language.lower().replace("_", "-")
    return voice.language == wanted or voice.language.split("-")[0] == wanted
