"""The catalogue of engines, held against the engines there are."""

from __future__ import annotations

import subprocess
from dataclasses import asdict
from typing import get_args

import pytest

from trunkline.engines.catalogue import PROVIDERS, VOICES, names, provider, unused_keys, voices
from trunkline.resources.engine_config import LlmProvider, SttProvider


def test_every_provider_may_be_named_in_an_assistant() -> None:
    """What the catalogue lists passes validation."""
    assert set(names("stt")) <= set(get_args(SttProvider))
    assert set(names("llm")) <= set(get_args(LlmProvider))


def test_embedded_engines_need_no_key() -> None:
    """What runs here is free, and there is one of each kind."""
    embedded = [each for each in PROVIDERS if each.is_embedded]

    assert {each.kind for each in embedded} == {"stt", "llm", "tts"}
    assert not any(each.needs_key for each in embedded)


def test_voices_are_filtered_by_language_and_provider() -> None:
    """A language without a region takes all its regions in."""
    assert {voice.id for voice in voices("en")} == {"heart", "en-gb", "en-us"}
    assert [voice.id for voice in voices("en_GB", "espeak")] == ["en-gb"]
    assert voices("xx") == []
    assert len(voices()) == len(VOICES)


def test_voices_are_told_apart_by_provider_and_id() -> None:
    """No voice is listed twice, and each belongs to a provider of the catalogue."""
    assert len({(voice.provider, voice.id) for voice in VOICES}) == len(VOICES)
    assert {voice.provider for voice in VOICES} == set(names("tts"))
    assert all(asdict(voice)["description_nl"] for voice in VOICES)


def test_fields_that_an_engine_ignores_are_told() -> None:
    """For a warning, not for an error."""
    assert unused_keys("tts", "hibari", ["provider", "voice_id", "stability"]) == ["stability"]
    assert unused_keys("llm", "somebody", ["anything"]) == []
    assert provider("stt", "flow") is None


@pytest.mark.engines
def test_espeak_has_every_voice_that_is_listed() -> None:
    """Asked of the program itself."""
    listed = subprocess.run(
        ["espeak-ng", "--voices"], capture_output=True, text=True, check=True
    ).stdout.split()

    assert {voice.id for voice in voices(provider_name="espeak")} <= set(listed)
