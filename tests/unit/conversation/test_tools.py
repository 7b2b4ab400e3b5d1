"""Tools: every shape of the assistant's document, and arguments that a model made up."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.conversation.tools import (
    BadArgumentsError,
    Destination,
    EndCallTool,
    TransferTool,
    WebhookTool,
    choose_destination,
    parse_arguments,
    parse_tools,
)
from trunkline.engines.port import ToolCall, ToolSpec

SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string"}, "party": {"type": "integer"}},
    "required": ["day"],
}


def test_flat_webhook_tool() -> None:
    """Name, description and parameters go to the model; address and sentence stay here."""
    tools = parse_tools(
        [
            {
                "name": "book",
                "description": "Books.",
                "parameters": SCHEMA,
                "url": "https://x.example/book",
                "async": True,
                "message": "One moment.",
            }
        ]
    )

    assert tools == {
        "book": WebhookTool(
            ToolSpec("book", "Books.", SCHEMA),
            "https://x.example/book",
            None,
            is_async=True,
            message="One moment.",
        )
    }


def test_function_tool_with_server() -> None:
    """The OpenAI shape, with the server beside it."""
    document = {
        "type": "function",
        "function": {"name": "book", "parameters": SCHEMA},
        "server": {"url": "https://x.example", "secret": "s"},
    }

    assert parse_tools([document])["book"] == WebhookTool(
        ToolSpec("book", "", SCHEMA), "https://x.example", "s", is_async=False, message=None
    )


@pytest.mark.parametrize("kind", ["end_call", "endCall"])
def test_end_call(kind: str) -> None:
    """Both spellings."""
    assert isinstance(parse_tools([{"type": kind}])["end_call"], EndCallTool)


@pytest.mark.parametrize("kind", ["transfer_call", "transferCall"])
def test_transfer_call(kind: str) -> None:
    """The model chooses among the numbers, by number or by description."""
    destinations = [
        {"type": "number", "number": "+31201111111", "description": "Sales", "message": "To sales."},
        {"type": "number", "number": "+31202222222", "description": "Support"},
        {"type": "number"},
    ]
    tool = parse_tools([{"type": kind, "destinations": destinations}])["transfer_call"]

    assert isinstance(tool, TransferTool)
    assert tool.spec.parameters["properties"]["destination"]["enum"] == ["+31201111111", "+31202222222"]
    assert tool.spec.parameters["required"] == ["destination"]
    assert choose_destination(tool, {"destination": "+31201111111"}).message == "To sales."
    assert choose_destination(tool, {"destination": "support"}).number == "+31202222222"
    with pytest.raises(BadArgumentsError, match=r"\+31201111111, \+31202222222"):
        choose_destination(tool, {"destination": "+31203333333"})


def test_only_destination_need_not_be_named() -> None:
    """With one there is nothing to choose."""
    tool = parse_tools([{"type": "transfer_call", "destinations": [{"number": "sip:200@pbx.example"}]}])[
        "transfer_call"
    ]

    assert isinstance(tool, TransferTool)
    assert choose_destination(tool, {}) == Destination("sip:200@pbx.example")


def test_what_can_not_be_used_is_left_out() -> None:
    """Unknown types, tools without a name, transfers without a destination; the first of a name wins."""
    documents: list[Mapping[str, Any]] = [
        {"type": "mcp", "server": {}},
        {"type": "function", "function": {}},
        {"type": "transfer_call", "destinations": []},
        {"name": "a", "description": "first"},
        {"name": "a", "description": "second"},
    ]

    tools = parse_tools(documents)

    assert list(tools) == ["a"]
    assert tools["a"].spec.description == "first"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[1]", "must be a JSON object"),
        ("{}", "Missing: day"),
        ('{"day": 3}', "day must be of type string"),
        ('{"day": "Monday", "party": true}', "party must be of type integer"),
    ],
)
def test_bad_arguments_are_explained(arguments: str, complaint: str) -> None:
    """In words that the model can act on."""
    with pytest.raises(BadArgumentsError, match=complaint):
        parse_arguments(ToolCall("c", "book", arguments), ToolSpec("book", "", SCHEMA))


def test_no_arguments_are_an_empty_object() -> None:
    """Some servers send an empty string."""
    assert parse_arguments(ToolCall("c", "book", ""), ToolSpec("book", "")) == {}


@given(st.text(max_size=50))
def test_any_argument_text_is_parsed_or_refused(text: str) -> None:
    """Nothing else ever comes out of it."""
    with suppress(BadArgumentsError):
        assert isinstance(parse_arguments(ToolCall("c", "book", text), ToolSpec("book", "")), dict)
