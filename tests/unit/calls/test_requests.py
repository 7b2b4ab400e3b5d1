"""What clients send about calls, and how a mistake is named."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as examples
from hypothesis import strategies as st

from trunkline.calls.requests import (
    CONTROL_COMMANDS,
    CallsQuery,
    EndCall,
    InjectContext,
    OutboundRequest,
    Say,
    SendDtmf,
    Transfer,
    parse,
    parse_control,
)
from trunkline.core.errors import InvalidField

LLM = {"llm_config": {"provider": "openai", "model": "m"}}
SAVED = {"destination": "+31201234567", "assistant_id": "a1"}
BARE = {"destination": "+31201234567"}


def wrong(call: Any, *args: Any) -> str:
    with pytest.raises(InvalidField) as raised:
        call(*args)
    assert raised.value.status == 400
    assert raised.value.param in raised.value.message
    return raised.value.param


# --- dial ---


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "+",
        "+0201234567",
        "0031201234567",
        "020 1234567",
        "+31 20 1234567",
        "+3120123456789012",
        "+31201234567\n",
        " +31201234567",
        "+\uff13\uff11\uff12\uff10",
        "sip:a@b.c",
        None,
        31201234567,
    ],
)
def test_a_destination_is_e164_and_nothing_else(destination: object) -> None:
    """Spaces, 00, national forms and other digits are refused by name."""
    assert wrong(parse, OutboundRequest, {**SAVED, "destination": destination}) == "destination"


def test_a_destination_is_required() -> None:
    """Its absence has its own code."""
    with pytest.raises(InvalidField) as raised:
        parse(OutboundRequest, {"assistant_id": "a1"})
    assert (raised.value.param, raised.value.code) == ("destination", "required_field")


@pytest.mark.parametrize(
    ("body", "assistant_id", "transient", "override", "deprecated"),
    [
        ({"assistant_id": "a1"}, "a1", None, None, ()),
        ({"agent_id": "a1"}, "a1", None, None, ("agent_id",)),
        ({"assistant_id": "a1", "agent_id": "a1"}, "a1", None, None, ("agent_id",)),
        ({"assistant_id": "a1", "agent_id": None, "assistant": None}, "a1", None, None, ()),
        ({"assistant": LLM}, None, LLM, None, ()),
        ({"agent": LLM}, None, LLM, None, ("agent",)),
        ({"assistant": LLM, "agent": LLM}, None, LLM, None, ("agent",)),
        (
            {"assistant_id": "a1", "assistant_override": {"first_message": None}},
            "a1",
            None,
            {"first_message": None},
            (),
        ),
        (
            {"agent_id": "a1", "agent_config": {"llm_config": {"temperature": 1.0}}},
            "a1",
            None,
            {"llm_config": {"temperature": 1.0}},
            ("agent_id", "agent_config"),
        ),
    ],
)
def test_three_modes_under_either_name(
    body: dict[str, Any], assistant_id: str | None, transient: Any, override: Any, deprecated: tuple[str, ...]
) -> None:
    """Older names mean the same and are told apart."""
    request = parse(OutboundRequest, {**BARE, **body, "first_message": "Hi", "context": "VIP"})

    choice = request.choice
    assert (choice.assistant_id, choice.transient, choice.override) == (assistant_id, transient, override)
    assert (choice.first_message, choice.context) == ("Hi", "VIP")
    assert request.deprecated_fields == deprecated


def test_errors_use_the_names_the_client_used() -> None:
    """Also those that are found later, after merging."""
    choice = parse(OutboundRequest, {**BARE, "agent_id": "a1", "agent_config": {}}).choice

    assert (choice.id_param, choice.override_param) == ("agent_id", "agent_config")
    assert parse(OutboundRequest, {**BARE, "agent": LLM}).choice.transient_param == "agent"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "assistant_id"),
        ({"assistant_id": None}, "assistant_id"),
        ({"assistant_id": ""}, "assistant_id"),
        ({"assistant_id": "a1", "assistant": LLM}, "assistant"),
        ({"agent_id": "a1", "assistant": LLM}, "assistant"),
        ({"assistant_override": {}}, "assistant_id"),
        ({"agent_config": {}}, "assistant_id"),
        ({"assistant": LLM, "assistant_override": {}}, "assistant_override"),
        ({"assistant_id": "a1", "agent_id": "a2"}, "agent_id"),
        ({"assistant": LLM, "agent": {"llm_config": {"provider": "openai", "model": "n"}}}, "agent"),
        ({"assistant_id": "a1", "assistant_override": {}, "agent_config": {"name": "x"}}, "agent_config"),
        ({"assistant": {}}, "assistant.llm_config"),
        ({"assistant": {"llm_config": None}}, "assistant.llm_config"),
        ({"agent": {"llm_config": {"provider": "openai"}}}, "agent.llm_config.model"),
        (
            {"assistant_id": "a1", "assistant_override": {"llm_config": {"temperature": 3}}},
            "assistant_override.llm_config.temperature",
        ),
        ({"assistant_id": 5}, "assistant_id"),
        ({"assistant_id": "a1", "number_id": 7}, "number_id"),
        ({"assistant_id": "a1", "metadata": "x"}, "metadata"),
        ({"assistant_id": "a1", "ring_timeout_seconds": 4}, "ring_timeout_seconds"),
        ({"assistant_id": "a1", "ring_timeout_seconds": 301}, "ring_timeout_seconds"),
        ({"assistant_id": "a1", "ring_timeout_seconds": True}, "ring_timeout_seconds"),
        ({"assistant_id": "a1", "first_message": 1}, "first_message"),
    ],
)
def test_what_can_not_be_dialled_names_the_field(body: dict[str, Any], param: str) -> None:
    """One field for each broken rule."""
    assert wrong(parse, OutboundRequest, {**BARE, **body}) == param


def test_metadata_and_unknown_fields() -> None:
    """Metadata comes through untouched; what we don't know is ignored."""
    request = parse(
        OutboundRequest,
        {**SAVED, "metadata": {"a": [None, {"b": 1.5}]}, "later": 1, "ring_timeout_seconds": 300},
    )

    assert (request.metadata, request.ring_timeout_seconds) == ({"a": [None, {"b": 1.5}]}, 300)


# --- control ---


@pytest.mark.parametrize(
    ("body", "command"),
    [
        (
            {"type": "inject-context", "content": "x"},
            InjectContext(type="inject-context", content="x", trigger_response=False),
        ),
        ({"type": "say", "content": "x", "end_after": True}, Say(type="say", content="x", end_after=True)),
        ({"type": "end-call"}, EndCall(type="end-call")),
        (
            {"type": "transfer", "destination": "+31201234567"},
            Transfer(type="transfer", destination="+31201234567"),
        ),
        (
            {"type": "transfer", "destination": "sips:a@b.c:5061", "mode": "warm"},
            Transfer(type="transfer", destination="sips:a@b.c:5061", mode="warm"),
        ),
        ({"type": "send-dtmf", "digits": "12*#AD"}, SendDtmf(type="send-dtmf", digits="12*#AD")),
    ],
)
def test_a_command_is_known_by_its_type(body: dict[str, Any], command: object) -> None:
    """Defaults are the documented ones."""
    assert parse_control(body) == command


@pytest.mark.parametrize("kind", ["mute", "unmute", "hold", "resume", "cancel-transfer"])
def test_commands_without_fields(kind: str) -> None:
    """The type says it all."""
    assert parse_control({"type": kind}).type == kind


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (None, "body"),
        ([], "body"),
        ({}, "type"),
        ({"type": None}, "type"),
        ({"type": ["say"]}, "type"),
        ({"type": "Say"}, "type"),
        ({"type": "inject-context"}, "content"),
        ({"type": "inject-context", "content": "x", "trigger_response": 1}, "trigger_response"),
        ({"type": "say"}, "content"),
        ({"type": "say", "content": ""}, "content"),
        ({"type": "say", "content": " \n"}, "content"),
        ({"type": "say", "content": "x", "end_after": "true"}, "end_after"),
        ({"type": "end-call", "message": 5}, "message"),
        ({"type": "transfer"}, "destination"),
        ({"type": "transfer", "destination": "112"}, "destination"),
        ({"type": "transfer", "destination": "sip:b.c"}, "destination"),
        ({"type": "transfer", "destination": "sip:a@b.c\r\nX: y"}, "destination"),
        ({"type": "transfer", "destination": "+31201234567", "mode": "cold"}, "mode"),
        ({"type": "transfer", "destination": "+31201234567", "caller_id": "x"}, "caller_id"),
        ({"type": "transfer", "destination": "+31201234567", "timeout_seconds": 4}, "timeout_seconds"),
        ({"type": "send-dtmf"}, "digits"),
        ({"type": "send-dtmf", "digits": ""}, "digits"),
        ({"type": "send-dtmf", "digits": "12w"}, "digits"),
        ({"type": "send-dtmf", "digits": 12}, "digits"),
    ],
)
def test_a_wrong_command_names_the_field(body: object, param: str) -> None:
    """Unknown types and missing fields are 400."""
    assert wrong(parse_control, body) == param


def test_the_schema_of_commands_knows_every_type() -> None:
    """What is documented is what is parsed."""
    schema = CONTROL_COMMANDS.json_schema()

    assert len(schema["discriminator"]["mapping"]) == len(schema["oneOf"]) == 10


# --- list ---


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ({"start_date": "2026-03-01"}, datetime(2026, 3, 1, tzinfo=UTC), None),
        ({"end_date": "2026-03-01"}, None, datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)),
        ({"start_date": "2026-03-01T10:00:00Z"}, datetime(2026, 3, 1, 10, tzinfo=UTC), None),
        ({"start_date": "2026-03-01t10:00:00.5z"}, datetime(2026, 3, 1, 10, 0, 0, 500000, tzinfo=UTC), None),
        ({"start_date": "2026-03-01T10:00"}, datetime(2026, 3, 1, 10, tzinfo=UTC), None),
        ({"start_date": "2026-03-01T10:00:00+02:00"}, datetime(2026, 3, 1, 8, tzinfo=UTC), None),
        ({"start_date": "2026-03-01T10:00:00 02:00"}, datetime(2026, 3, 1, 8, tzinfo=UTC), None),
        (
            {"start_date": "2026-03-01", "end_date": "2026-03-01"},
            datetime(2026, 3, 1, tzinfo=UTC),
            datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC),
        ),
        ({"end_date": "2016-12-31T23:59:60Z"}, None, datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_dates_are_moments_or_whole_days_in_utc(
    query: dict[str, str], start: datetime | None, end: datetime | None
) -> None:
    """A + that arrived as a space is a +."""
    parsed = parse(CallsQuery, query)

    assert (parsed.start_date, parsed.end_date) == (start, end)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": "\u0661"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "99999999999"}, "offset"),
        ({"status": "dialing"}, "status"),
        ({"status": ""}, "status"),
        ({"start_date": "yesterday"}, "start_date"),
        ({"start_date": "2026-13-01"}, "start_date"),
        ({"start_date": "20260301"}, "start_date"),
        ({"start_date": "2026-W10-1"}, "start_date"),
        ({"end_date": "2026-02-30"}, "end_date"),
        ({"end_date": "0001-01-01T00:00:00+14:00"}, "end_date"),
        ({"start_date": "2026-03-02", "end_date": "2026-03-01"}, "start_date"),
        ({"start_date": "2026-03-01T12:00:00Z", "end_date": "2026-03-01T11:59:59Z"}, "start_date"),
    ],
)
def test_a_wrong_query_names_the_parameter(query: dict[str, str], param: str) -> None:
    """Out of range, unknown status, start after end."""
    assert wrong(parse, CallsQuery, query) == param


def test_the_query_has_the_documented_defaults_and_ends() -> None:
    """100 from the start; 1 to 1000."""
    plain = parse(CallsQuery, {})
    assert (plain.limit, plain.offset, plain.status, plain.start_date, plain.end_date) == (
        100,
        0,
        None,
        None,
        None,
    )
    for limit in (1, 1000):
        assert parse(CallsQuery, {"limit": str(limit)}).limit == limit


calm = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # shared machines are slow at times


@calm
@examples(
    st.dictionaries(
        st.sampled_from([*OutboundRequest.model_fields]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ),
    )
)
def test_whatever_is_sent_is_a_request_or_a_named_mistake(body: dict[str, Any]) -> None:
    """Never another exception."""
    try:
        parse(OutboundRequest, body)
    except InvalidField as error:
        assert error.param


@calm
@examples(st.text(), st.text())
def test_whatever_is_asked_is_a_query_or_a_named_mistake(start: str, limit: str) -> None:
    """Never another exception."""
    try:
        parse(CallsQuery, {"start_date": start, "limit": limit})
    except InvalidField as error:
        assert error.param in {"start_date", "limit"}
