"""Which assistant a call runs with, rule by rule."""

from typing import Any

import pytest

from trunkline.core.errors import InvalidField
from trunkline.resources.merge import AssistantChoice, patch_config, resolve
from trunkline.resources.sealing import MASK

STT = {"provider": "deepgram", "model": "nova-3-general", "language": "nl", "keyterms": ["a"]}
LLM = {
    "provider": "openai",
    "model": "gpt-4o",
    "temperature": 0.5,
    "messages": [{"role": "system", "content": "Be kind."}],
}
TTS = {"provider": "elevenlabs", "voice_id": "v1", "stability": 0.5}
SAVED = {"name": "Ann", "first_message": "Hello", "stt_config": STT, "llm_config": LLM, "tts_config": TTS}
REALTIME = {"provider": "xai_realtime", "model": "grok-realtime-v1"}
HYBRID = AssistantChoice(assistant_id="a1")


def without(*names: str) -> dict[str, Any]:
    return {key: value for key, value in SAVED.items() if key not in names}


@pytest.mark.parametrize(
    ("saved", "patch", "merged"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 3}, {"a": 3, "b": 2}, id="scalars replace"),
        pytest.param({"a": 1, "b": 2}, {"a": None}, {"b": 2}, id="null clears"),
        pytest.param(
            {"stt_config": STT},
            {"stt_config": {"language": "en"}},
            {"stt_config": {**STT, "language": "en"}},
            id="no provider: patched",
        ),
        pytest.param(
            {"stt_config": STT},
            {"stt_config": {"provider": "deepgram", "model": "m", "language": "en"}},
            {"stt_config": {"provider": "deepgram", "model": "m", "language": "en"}},
            id="provider named, even the same: replaced",
        ),
        pytest.param(
            {"stt_config": STT},
            {"stt_config": {"provider": None, "language": "en"}},
            {"stt_config": {k: v for k, v in {**STT, "language": "en"}.items() if k != "provider"}},
            id="provider null is not named",
        ),
        pytest.param({"stt_config": STT}, {"stt_config": None}, {}, id="a block is cleared by null"),
        pytest.param(
            {},
            {"stt_config": {"language": "en"}},
            {"stt_config": {"language": "en"}},
            id="nothing saved to patch into",
        ),
        pytest.param(
            {"stt_config": STT},
            {"stt_config": {"keyterms": ["b"]}},
            {"stt_config": {**STT, "keyterms": ["b"]}},
            id="lists replace",
        ),
        pytest.param(
            {"stt_config": STT},
            {"stt_config": {"keyterms": None}},
            {"stt_config": {k: v for k, v in STT.items() if k != "keyterms"}},
            id="null clears inside a block",
        ),
        pytest.param(
            {
                "speech_config": {
                    "turn_taking": {"endpointing_min_delay": 1, "endpointing_max_delay": 3},
                    "end_call_message": "Bye",
                }
            },
            {
                "speech_config": {
                    "turn_taking": {"endpointing_min_delay": 0.2, "false_interruption_timeout": None}
                }
            },
            {
                "speech_config": {
                    "turn_taking": {
                        "endpointing_min_delay": 0.2,
                        "endpointing_max_delay": 3,
                        "false_interruption_timeout": None,
                    },
                    "end_call_message": "Bye",
                }
            },
            id="blocks in blocks are patched, and `never` is kept as null",
        ),
        pytest.param(
            {"metadata": {"a": 1}},
            {"metadata": {"b": None}},
            {"metadata": {"b": None}},
            id="your own objects replace whole, nulls and all",
        ),
        pytest.param(
            {
                "analysis_plan": {
                    "structured_data_plan": {"enabled": True, "schema": {"type": "object", "x": 1}}
                }
            },
            {"analysis_plan": {"structured_data_plan": {"schema": {"type": "array"}}}},
            {"analysis_plan": {"structured_data_plan": {"enabled": True, "schema": {"type": "array"}}}},
            id="a JSON Schema replaces whole",
        ),
    ],
)
def test_patching(saved: dict[str, Any], patch: dict[str, Any], merged: dict[str, Any]) -> None:
    """The merge rule, and it leaves its inputs alone."""
    before = repr(saved), repr(patch)

    assert patch_config(saved, patch) == merged
    assert before == (repr(saved), repr(patch))


@pytest.mark.parametrize(
    ("request_says", "override_says", "outbound_says", "assistant_says", "heard"),
    [
        ("1", "2", "3", "4", "1"),
        (None, "2", "3", "4", "2"),
        (None, None, "3", "4", "3"),
        (None, None, None, "4", "4"),
        (None, None, None, None, None),
        ("", None, "\n", "4", "4"),
        ("", " ", "\n", "4", None),
        ("", None, None, "", None),
    ],
)
def test_the_greeting_is_the_first_that_is_given(
    request_says: str | None,
    override_says: str | None,
    outbound_says: str | None,
    assistant_says: str | None,
    heard: str | None,
) -> None:
    """Request, override, `first_message_outbound`, assistant; a blank one is not given; a blank override clears."""
    saved = {
        **SAVED,
        "first_message": assistant_says,
        "speech_config": {"first_message_outbound": outbound_says},
    }

    override = None if override_says is None else {"first_message": override_says}

    resolved = resolve(AssistantChoice("a1", override=override, first_message=request_says), saved)

    assert resolved.greeting == heard


def test_a_transient_assistant_has_greetings_too() -> None:
    """Without a saved one the same order holds."""
    transient = {**SAVED, "speech_config": {"first_message_outbound": "Out"}}

    assert resolve(AssistantChoice(transient=transient), None).greeting == "Out"
    assert resolve(AssistantChoice(transient=transient, first_message="Top"), None).greeting == "Top"


@pytest.mark.parametrize(
    ("choice", "saved", "param"),
    [
        pytest.param(AssistantChoice("a1"), without("stt_config"), "stt_config", id="saved"),
        pytest.param(AssistantChoice("a1"), without("tts_config"), "tts_config", id="saved, tts"),
        pytest.param(AssistantChoice("a1"), without("llm_config"), "llm_config", id="saved, llm"),
        pytest.param(
            AssistantChoice(transient=without("tts_config")), None, "assistant.tts_config", id="transient"
        ),
        pytest.param(
            AssistantChoice(transient=without("stt_config"), transient_param="agent"),
            None,
            "agent.stt_config",
            id="by its older name",
        ),
        pytest.param(
            AssistantChoice("a1", override={"stt_config": None}),
            SAVED,
            "assistant_override.stt_config",
            id="cleared by the override",
        ),
        pytest.param(
            AssistantChoice(
                "a1", override={"stt_config": {"provider": "gladia"}}, override_param="agent_config"
            ),
            SAVED,
            "agent_config.stt_config.model",
            id="replaced by an incomplete block",
        ),
        pytest.param(
            AssistantChoice("a1", override={"llm_config": LLM}),
            without("tts_config") | {"llm_config": REALTIME},
            "assistant_override.tts_config",
            id="no longer realtime",
        ),
    ],
)
def test_a_missing_block_is_named(choice: AssistantChoice, saved: dict[str, Any] | None, param: str) -> None:
    """As the client would write it."""
    with pytest.raises(InvalidField, match="is required") as raised:
        resolve(choice, saved)
    assert (raised.value.param, raised.value.status, raised.value.code) == (param, 400, "required_field")


@pytest.mark.parametrize("provider", ["xai_realtime", "google_realtime", "openai_realtime"])
def test_a_realtime_model_needs_no_speech_engines(provider: str) -> None:
    """They are left out and, where given, told of."""
    llm = {"provider": provider, "model": "any-name-at-all"}
    bare = resolve(AssistantChoice(transient={"llm_config": llm}), None)
    given = resolve(AssistantChoice(transient={**SAVED, "llm_config": llm}), None)
    override = resolve(AssistantChoice("a1", override={"llm_config": llm}), SAVED)

    assert (bare.is_realtime, bare.warnings) == (True, ())
    for resolved, prefix in ((given, "assistant."), (override, "assistant_override.")):
        assert [
            f"{prefix}{block} was ignored: {provider} hears and speaks by itself."
            for block in ("stt_config", "tts_config")
        ] == list(resolved.warnings)
        assert {"stt_config", "tts_config"}.isdisjoint(resolved.config)
        assert (resolved.document.stt_config, resolved.document.tts_config) == (None, None)


def test_the_override_changes_what_it_names() -> None:
    """Hybrid mode, with defaults filled in where the typed document is read."""
    choice = AssistantChoice(
        "a1",
        override={
            "llm_config": {"temperature": 0.1},
            "tts_config": {"provider": "hibari", "voice_id": "v"},
            "max_duration_seconds": 60,
        },
        context="VIP",
    )

    resolved = resolve(choice, SAVED)

    assert resolved.config["llm_config"] == {**LLM, "temperature": 0.1}
    assert resolved.config["tts_config"] == {"provider": "hibari", "voice_id": "v"}
    assert (resolved.id, resolved.name, resolved.context, resolved.document.max_duration_seconds) == (
        "a1",
        "Ann",
        "VIP",
        60,
    )
    assert resolved.document.llm_config is not None and resolved.document.llm_config.model == "gpt-4o"
    assert not resolved.is_realtime


def test_silence_handling_brings_a_way_to_hang_up() -> None:
    """One `end_call`, never two."""
    tool = {"type": "end_call", "message": "Bye"}
    on = {**SAVED, "autonomous_silence_handling": True}

    assert list(resolve(HYBRID, on).tools) == [{"type": "end_call"}]
    assert [tool] == list(resolve(HYBRID, {**on, "llm_config": {**LLM, "tools": [tool]}}).tools)
    assert list(resolve(HYBRID, SAVED).tools) == []


def test_the_record_holds_no_secret() -> None:
    """Neither does the repr."""
    saved = {
        **SAVED,
        "webhook_secret": "s3cret",
        "llm_config": {
            **LLM,
            "api_key": "s3cret",
            "tools": [
                {
                    "name": "t",
                    "server": {"url": "https://x.y", "secret": "s3cret", "headers": {"X-A": "s3cret"}},
                }
            ],
        },
    }

    resolved = resolve(HYBRID, saved)

    assert "s3cret" not in repr(resolved) and "s3cret" not in repr(resolved.record())
    assert resolved.record()["webhook_secret"] == MASK
    assert resolved.config["llm_config"]["api_key"] == "s3cret"
