"""What clients may write: assistants, tools, trunks, numbers; and how a mistake is named."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from trunkline.core.errors import InvalidField
from trunkline.core.ids import OrganizationId, TrunkId
from trunkline.resources.assistant import AssistantCreate, AssistantPatch, TransientAssistant, given
from trunkline.resources.numbers import NumberCreate, NumberPatch
from trunkline.resources.trunk import TrunkCreate, TrunkPatch, split_address, trunk_spec
from trunkline.resources.validation import parse
from trunkline.store.rows import TrunkRow

LLM = {"provider": "openai", "model": "anything-new-2031"}


def wrong(model: type[BaseModel], data: object) -> list[str]:
    with pytest.raises(InvalidField) as raised:
        parse(model, data)
    assert raised.value.status == 400
    assert raised.value.message.startswith(raised.value.param)
    return [detail["param"] for detail in raised.value.details] or [raised.value.param]


def test_a_name_is_enough() -> None:
    """Everything else can follow."""
    assert given(parse(AssistantCreate, {"name": "A"})) == {"name": "A"}


def test_what_we_do_not_know_is_ignored_on_top_and_kept_in_provider_blocks() -> None:
    """Tomorrow's options of a provider pass through; tomorrow's top-level fields do no harm."""
    document = {
        "name": "A",
        "later": 1,
        "llm_config": {**LLM, "top_p": 0.9, "flow": {"start": None}},
        "stt_config": {"provider": "gladia", "model": "m", "language": "x", "pre": {"a": [1]}},
        "tts_config": {"provider": "hibari", "voice_id": "v", "pitch": 2},
    }

    assert given(parse(AssistantCreate, document)) == {
        key: value for key, value in document.items() if key != "later"
    }


def test_every_documented_field_survives() -> None:
    """Written, checked, dumped: the same JSON."""
    document = {
        "name": "A",
        "business_name": "B",
        "first_message": "Hi",
        "is_active": False,
        "max_duration_seconds": 43200,
        "autonomous_silence_handling": True,
        "silence_timeout_seconds": 30,
        "voicemail_detection": True,
        "voicemail_message": "Call us",
        "gdpr_mode": True,
        "recording_consent": {"enabled": True, "message": "Recorded"},
        "notification_emails": ["a.b+c@example.com"],
        "webhook_url": "https://user.example:8443/a?b=c#d",
        "webhook_secret": "s",
        "webhook_events": ["assistant-request", "tool-calls", "status-update", "end-of-call-report"],
        "metadata": {"a": None},
        "analysis_plan": {
            "structured_data_plan": {
                "enabled": True,
                "schema": {"type": "object"},
                "messages": [{"role": "system", "content": "{{schema}} {{transcript}} {{ended_reason}}"}],
            },
            "min_messages_threshold": 2,
        },
        "stt_config": {
            "provider": "deepgram",
            "model": "nova-3-general",
            "language": "en",
            "keyterms": ["x"],
            "smart_format": True,
            "endpointing": 300,
            "utterance_end_ms": 1000,
            "numerals": True,
            "filler_words": False,
        },
        "llm_config": {
            **LLM,
            "temperature": 2.0,
            "messages": [{"role": "user", "content": ""}],
            "tools": [],
            "max_completion_tokens": 100,
            "base_url": "http://127.0.0.1:11434/v1",
            "voice": "ara",
            "turn_detection": {
                "threshold": 0.5,
                "prefix_padding_ms": 1,
                "silence_duration_ms": 2,
                "idle_timeout_ms": 3,
            },
            "speed": 1.0,
            "reasoning_effort": "low",
        },
        "tts_config": {
            "provider": "elevenlabs",
            "voice_id": "v",
            "model": "m",
            "stability": 0.1,
            "similarity_boost": 0.2,
            "style": 0.3,
            "use_speaker_boost": True,
            "speed": 1.1,
        },
        "speech_config": {
            "turn_taking": {
                "endpointing_min_delay": 0.1,
                "endpointing_max_delay": 5.0,
                "interruption_min_duration": 0.05,
                "interruption_min_words": 10,
                "false_interruption_timeout": None,
            },
            "pronunciation": [{"from": "SIP", "to": "sip"}],
            "background_audio": {"enabled": True, "clip": "office", "volume": 0.05},
            "silence": {
                "messages": ["Hello?"],
                "final_message": "Bye",
                "first_check_seconds": 1.0,
                "interval_seconds": 3.0,
                "max_attempts": 10,
            },
            "end_call_message": "Bye",
            "first_message_outbound": "Out",
            "end_call_phrases": ["goodbye"],
        },
    }

    assert given(parse(AssistantCreate, json.loads(json.dumps(document)))) == document


@pytest.mark.parametrize(
    ("path", "low", "high"),
    [
        ("max_duration_seconds", 10, 43200),
        ("llm_config.temperature", 0, 2),
        ("speech_config.turn_taking.endpointing_min_delay", 0.1, 5),
        ("speech_config.turn_taking.endpointing_max_delay", 0.1, 5),
        ("speech_config.turn_taking.interruption_min_duration", 0.05, 2),
        ("speech_config.turn_taking.interruption_min_words", 0, 10),
        ("speech_config.turn_taking.false_interruption_timeout", 0.2, 5),
        ("speech_config.background_audio.volume", 0.05, 1),
        ("speech_config.silence.first_check_seconds", 1, 60),
        ("speech_config.silence.interval_seconds", 3, 120),
        ("speech_config.silence.max_attempts", 1, 10),
    ],
)
def test_ranges_include_their_ends_and_nothing_beyond(path: str, low: float, high: float) -> None:
    """The error names the whole path."""

    def at(value: object) -> dict[str, Any]:
        nested: Any = value
        for name in reversed(path.split(".")):
            nested = {name: nested}
        return {"name": "A", **nested}

    for fine in (low, high):
        parse(AssistantPatch, at(fine))
    for bad in (low - 0.01 if isinstance(low, float) else low - 1, high + 1, str(low), True, [low]):
        assert wrong(AssistantPatch, at(bad)) == [path]


@pytest.mark.parametrize(
    ("path", "most", "item"),
    [
        (("notification_emails",), 5, "a@b.c"),
        (("speech_config", "pronunciation"), 50, {"from": "a", "to": "b"}),
        (("speech_config", "silence", "messages"), 5, "Hello?"),
        (("speech_config", "end_call_phrases"), 5, "bye"),
    ],
)
def test_lists_have_their_documented_length(path: tuple[str, ...], most: int, item: object) -> None:
    """One more is one too many."""

    def of(length: int) -> Any:
        nested: Any = [item] * length
        for name in reversed(path):
            nested = {name: nested}
        return nested

    parse(AssistantPatch, of(most))
    assert wrong(AssistantPatch, of(most + 1)) == [".".join(path)]


@pytest.mark.parametrize(
    ("document", "params"),
    [
        ({}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": " \t"}, ["name"]),
        ({"name": 5}, ["name"]),
        ({"name": "A", "is_active": 1}, ["is_active"]),
        ({"name": "A", "is_active": "true"}, ["is_active"]),
        ({"name": "A", "max_duration_seconds": "60"}, ["max_duration_seconds"]),
        ({"name": "A", "max_duration_seconds": 60.5}, ["max_duration_seconds"]),
        ({"name": "A", "metadata": []}, ["metadata"]),
        ({"name": "A", "metadata": {"x": ["\ud800"]}}, ["metadata.x[0]"]),
        ({"name": "A", "webhook_url": "ftp://x"}, ["webhook_url"]),
        ({"name": "A", "webhook_url": "https://x y"}, ["webhook_url"]),
        ({"name": "A", "webhook_url": "https://x:99999/"}, ["webhook_url"]),
        ({"name": "A", "webhook_events": ["all"]}, ["webhook_events[0]"]),
        ({"name": "A", "stt_config": {"provider": "deepgram"}}, ["stt_config.model", "stt_config.language"]),
        ({"name": "A", "llm_config": {"provider": "openai"}}, ["llm_config.model"]),
        ({"name": "A", "llm_config": {"provider": "nobody", "model": "m"}}, ["llm_config.provider"]),
        ({"name": "A", "tts_config": {"provider": "hibari"}}, ["tts_config.voice_id"]),
        (
            {"name": "A", "llm_config": {**LLM, "messages": [{"role": "tool", "content": "x"}]}},
            ["llm_config.messages[0].role"],
        ),
    ],
)
def test_a_wrong_assistant_names_each_field(document: dict[str, Any], params: list[str]) -> None:
    """JSON types are taken at their word."""
    assert wrong(AssistantCreate, document) == params


@pytest.mark.parametrize("body", [None, [], "x", 5, True])
def test_a_body_that_is_no_object_is_called_body(body: object) -> None:
    """There is no field to name."""
    assert wrong(AssistantCreate, body) == ["body"]


def test_whole_numbers_may_be_written_with_a_point() -> None:
    """JSON has one kind of number."""
    assert given(parse(AssistantPatch, {"max_duration_seconds": 60.0})) == {"max_duration_seconds": 60}


def test_null_is_kept_apart_from_absent_in_a_patch() -> None:
    """Null clears; absent leaves alone. A name can't be cleared."""
    assert given(parse(AssistantPatch, {"first_message": None, "llm_config": {"temperature": None}})) == {
        "first_message": None,
        "llm_config": {"temperature": None},
    }
    assert given(parse(AssistantPatch, {})) == {}
    assert wrong(AssistantPatch, {"name": None}) == ["name"]


def test_11labs_is_elevenlabs() -> None:
    """The alias is taken, the name is kept."""
    assert given(parse(AssistantPatch, {"tts_config": {"provider": "11labs"}})) == {
        "tts_config": {"provider": "elevenlabs"}
    }


@pytest.mark.parametrize(
    ("tool", "kept"),
    [
        (
            {
                "name": "t",
                "description": "d",
                "parameters": {"type": "object"},
                "url": "https://x.y/z",
                "async": True,
                "message": "One moment",
            },
            None,
        ),
        ({"type": "function", "name": "t"}, None),
        ({"type": "end_call"}, None),
        ({"type": "endCall", "message": "Bye"}, {"type": "end_call", "message": "Bye"}),
        (
            {
                "type": "transfer_call",
                "destinations": [
                    {"type": "number", "number": "+31201234567", "description": "d", "message": "m"}
                ],
            },
            None,
        ),
        (
            {"type": "transferCall", "destinations": [{"number": "+31201234567"}]},
            {"type": "transfer_call", "destinations": [{"number": "+31201234567"}]},
        ),
        (
            {
                "type": "function",
                "function": {"name": "t", "parameters": {}},
                "server": {"url": "https://x.y", "secret": "s"},
                "async": False,
            },
            None,
        ),
        ({"function": {"name": "t"}}, None),
        ({"type": "mcp", "server": {"anything": 1}}, None),
    ],
)
def test_tools_in_every_shape(tool: dict[str, Any], kept: dict[str, Any] | None) -> None:
    """CamelCase types are taken, snake case is kept; the rest is as it was written."""
    document = {"llm_config": {**LLM, "tools": [tool]}}

    assert given(parse(TransientAssistant, document))["llm_config"]["tools"] == [kept or tool]


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({}, "name"),
        ("end_call", None),
        ({"name": "has space"}, "name"),
        ({"type": "magic", "name": "t"}, "type"),
        ({"name": "t", "url": "x"}, "url"),
        ({"name": "t", "async": 1}, "async"),
        ({"type": "transfer_call"}, "destinations"),
        ({"type": "transfer_call", "destinations": []}, "destinations"),
        ({"type": "transfer_call", "destinations": [{"number": "112"}]}, "destinations[0].number"),
        ({"type": "function", "function": {}}, "function.name"),
        ({"function": {"name": "t"}, "server": {}}, "server.url"),
    ],
)
def test_a_wrong_tool_is_named_by_its_place(tool: object, param: str | None) -> None:
    """No tag of ours shows in the path."""
    path = "llm_config.tools[1]" + (f".{param}" if param else "")

    assert wrong(TransientAssistant, {"llm_config": {**LLM, "tools": [{"type": "end_call"}, tool]}}) == [path]


# --- numbers and trunks ---

TRUNK = {"name": "main", "provider": "Example"}


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ({"address": "sip.example.com"}, "sip.example.com", None),
        ({"address": "192.0.2.1:5080"}, "192.0.2.1", 5080),
        ({"outbound_address": "h:1"}, "h", 1),
        ({"host": "h", "port": 5070}, "h", 5070),
        ({"host": "h", "port": None}, "h", None),
        ({"address": "h:5070", "host": "h", "outbound_address": "h", "port": 5070}, "h", 5070),
        ({"host": "h", "outbound_address": "h:5070"}, "h", 5070),
        ({"address": "[2001:db8::1]"}, "[2001:db8::1]", None),
        ({"address": "[2001:db8::1]:5062"}, "[2001:db8::1]", 5062),
    ],
)
def test_an_address_in_any_spelling(address: dict[str, Any], host: str, port: int | None) -> None:
    """All spellings end in one host and one port."""
    changes = parse(TrunkCreate, {**TRUNK, **address}).changes()

    assert (changes["host"], changes["port"]) == (host, port)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({}, "address"),
        ({"address": None}, "address"),
        ({"address": "sip:h"}, "address"),
        ({"address": "h:0"}, "address"),
        ({"address": "h:65536"}, "address"),
        ({"address": "h\nfrom_domain=x"}, "address"),
        ({"address": "a", "host": "b"}, "host"),
        ({"address": "a:1", "port": 2}, "port"),
        ({"address": "a:1", "outbound_address": "a:2"}, "outbound_address"),
        ({"address": "a", "username": "x", "auth_username": "y"}, "username"),
        ({"address": "a", "password": "x", "auth_password": "y"}, "password"),
        ({"address": "a", "auth_password": "x\r\ny"}, "auth_password"),
        ({"address": "a", "transport": "ws"}, "transport"),
        ({"address": "a", "codecs": []}, "codecs"),
        ({"address": "a", "codecs": ["mp3"]}, "codecs[0]"),
        ({"address": "a", "inbound_addresses": ["0.0.0.0/0"]}, "inbound_addresses[0]"),
        ({"address": "a", "inbound_addresses": ["::/0"]}, "inbound_addresses[0]"),
        ({"address": "a", "register": "yes"}, "register"),
        ({"address": "a", "strip": 1, "prefix": "a"}, "prefix"),
        ({"address": "a", "cps": 0}, "cps"),
    ],
)
def test_a_wrong_trunk_names_the_field(more: dict[str, Any], param: str) -> None:
    """What would reach the PBX's configuration is held to its alphabet; two spellings may not disagree."""
    assert wrong(TrunkCreate, {**TRUNK, **more}) == [param]


def test_a_trunk_patch_goes_back_to_defaults_by_null() -> None:
    """All but the host, which a trunk always has."""
    patch = parse(
        TrunkPatch, {"transport": None, "codecs": None, "username": None, "host": None, "max_channels": None}
    )

    assert patch.changes() == {
        "transport": "udp",
        "codecs": ["ulaw", "alaw"],
        "auth_username": None,
        "max_channels": None,
    }
    assert (patch.password_given, parse(TrunkPatch, {"password": None}).password_given) == (False, True)


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        ({}, "+31201234567"),
        ({"strip": 1}, "31201234567"),
        ({"strip": 1, "prefix": "00"}, "0031201234567"),
        ({"prefix": "9"}, "9+31201234567"),
    ],
)
def test_a_carrier_gets_numbers_in_its_own_form(config: dict[str, Any], sent: str) -> None:
    """First `strip`, then `prefix`."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    row = TrunkRow(
        TrunkId("t"), OrganizationId("o"), "Carrier", {"host": "sip.example", **config}, None, now, now
    )
    assert trunk_spec(row, None).as_dialled("+31201234567") == sent


def test_an_address_comes_apart() -> None:
    """Brackets belong to the host."""
    assert [split_address(a) for a in ("h", "h:1", "[::1]", "[::1]:2")] == [
        ("h", None),
        ("h", 1),
        ("[::1]", None),
        ("[::1]", 2),
    ]


def test_a_number_takes_both_names_of_its_assistant() -> None:
    """They may not disagree; null unassigns."""
    number = {"phone_number": "+31201234567"}

    assert parse(NumberCreate, {**number, "agent_id": "x"}).changes() == {**number, "assistant_id": "x"}
    assert parse(NumberPatch, {"agent_id": None}).changes() == {"assistant_id": None}
    assert parse(NumberPatch, {"is_active": None}).changes() == {"is_active": True}
    assert wrong(NumberCreate, {**number, "agent_id": "x", "assistant_id": "y"}) == ["agent_id"]
    assert wrong(NumberPatch, {"agent_id": "x", "assistant_id": None}) == ["agent_id"]
    assert wrong(NumberCreate, {"phone_number": "0201234567"}) == ["phone_number"]
    assert wrong(NumberPatch, {"phone_number": None}) == ["phone_number"]


@pytest.mark.parametrize(
    "model",
    [AssistantCreate, AssistantPatch, TransientAssistant, TrunkCreate, TrunkPatch, NumberCreate, NumberPatch],
)
def test_every_field_is_documented(model: type[BaseModel]) -> None:
    """The schema is what clients read."""
    schema = model.model_json_schema()

    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        if part.get("type") != "object":
            continue
        assert part.get("description"), name
        for field, rule in part["properties"].items():
            assert rule.get("description") or "$ref" in rule, f"{name}.{field}"
