"""What every language model promises, held by the flow engine and by an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from openai_server import KEY, OpenAiServer, Scripted

from trunkline.core.errors import UpstreamError
from trunkline.core.secret import Secret
from trunkline.engines.flow.builtin import built_in_flow
from trunkline.engines.flow.model import FlowModel
from trunkline.engines.openai_chat import ChatServer, ChatTimeouts
from trunkline.engines.port import (
    ChatMessage,
    ChatRequest,
    LanguageModel,
    ReplyPart,
    TextDelta,
    ToolCall,
    ToolSpec,
)

ASKED = ChatRequest(
    (
        ChatMessage("system", "You are a receptionist."),
        ChatMessage("assistant", "How can I help you?"),
        ChatMessage("user", "I would like to talk to a human please."),
    ),
    tools=(
        ToolSpec(
            "transfer_call",
            "Hands over.",
            {
                "type": "object",
                "properties": {"destination": {"type": "string", "enum": ["+31201000013"]}},
                "required": ["destination"],
            },
        ),
    ),
)
QUICK = ChatTimeouts(connect_s=1.0, first_s=0.5, stall_s=0.3)


@pytest.fixture
async def chat(openai_server: OpenAiServer) -> AsyncIterator[ChatServer]:
    server = ChatServer("local", openai_server.base_url, Secret(KEY), timeouts=QUICK)
    await server.client()  # the import is slow, and must not count as a slow server
    yield server
    await server.close()


@pytest.fixture(params=["flow", "openai"])
async def model(
    request: pytest.FixtureRequest, openai_server: OpenAiServer, chat: ChatServer
) -> LanguageModel:
    if request.param == "flow":
        return FlowModel(built_in_flow("receptionist"))
    openai_server.models["scripted"] = Scripted(
        texts=("One ", "moment, ", "please."),
        tool_calls=(("call-1", "transfer_call", '{"destination": "+31201000013"}'),),
    )
    return chat.model("scripted")


async def parts_of(model: LanguageModel, request: ChatRequest = ASKED) -> list[ReplyPart]:
    return [part async for part in model.reply(request)]


async def test_text_comes_first_and_tool_calls_come_whole(model: LanguageModel) -> None:
    """A reply is text in pieces, then complete tool calls."""
    parts = await parts_of(model)
    kinds = [type(part) for part in parts]

    assert kinds == [TextDelta] * (len(parts) - 1) + [ToolCall]
    assert len(parts) >= 3
    assert "moment" in "".join(part.text for part in parts if isinstance(part, TextDelta))
    assert parts[-1].name == "transfer_call"
    assert parts[-1].arguments == '{"destination": "+31201000013"}'


async def test_the_same_request_can_be_asked_again(model: LanguageModel) -> None:
    """A reply that was discarded leaves nothing behind: the same request gives the same reply."""
    first = await parts_of(model)

    assert await parts_of(model) == first


async def test_closing_the_iterator_early_changes_nothing(model: LanguageModel) -> None:
    """A barge-in closes the iterator; what was not read was not said."""
    stream = model.reply(ASKED)
    first = await anext(stream)
    await stream.aclose()

    assert (await parts_of(model))[0] == first


async def test_warming_up_never_fails_a_call(model: LanguageModel) -> None:
    """A connection that can't be opened now may be needed only later."""
    await model.warm_up()

    assert "/" in model.name


# --- an OpenAI-compatible server --------------------------------------------------------------------------------------


async def failure_of(chat: ChatServer, name: str) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await parts_of(chat.model(name))
    everything = f"{caught.value} {caught.value.message} {caught.value.code}"
    assert everything.count("local: ") >= 1
    assert KEY not in everything
    assert "human" not in everything
    return caught.value


@pytest.mark.parametrize(
    ("script", "code", "retryable"),
    [
        (Scripted(first_after_s=5), "model_timeout", True),
        (Scripted(texts=("Hello",), stall_after=2, tool_calls=(("a", "b", "{}"),)), "model_timeout", True),
        (Scripted(status=401), "model_refuses_key", False),
        (Scripted(status=403), "model_refuses_key", False),
        (Scripted(status=404), "model_unknown", False),
        (Scripted(status=429, retry_after_s=30), "model_rate_limited", True),
        (Scripted(status=500), "model_failed", True),
        (Scripted(status=503), "model_failed", True),
        (Scripted(status=400), "model_refuses", False),
        (Scripted(texts=("Hello", "there"), close_after=2), "model_unreachable", True),
        (Scripted(texts=("Hello", "there"), garbage_after=2), "model_malformed", False),
    ],
    ids=[
        "slow first byte",
        "stall",
        "401",
        "403",
        "404",
        "429",
        "500",
        "503",
        "400",
        "closed socket",
        "malformed chunk",
    ],
)
async def test_each_fault_is_one_clear_error(
    openai_server: OpenAiServer, chat: ChatServer, script: Scripted, code: str, retryable: bool
) -> None:
    """Failures name the provider and what happened, say whether a retry helps, and leak neither key nor prompt."""
    openai_server.models["faulty"] = script
    async with asyncio.timeout(3):
        error = await failure_of(chat, "faulty")

    assert (error.code, error.retryable) == (code, retryable)


async def test_a_limited_model_is_not_asked_again(openai_server: OpenAiServer, chat: ChatServer) -> None:
    """A 429 with Retry-After is told at once; nobody waits 30 s in a call."""
    openai_server.models["limited"] = Scripted(status=429, retry_after_s=30)
    await failure_of(chat, "limited")

    assert len(openai_server.requests) == 1


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    """Nobody listens: an error, and no hanging."""
    chat = ChatServer("local", "http://127.0.0.1:9/v1", None, timeouts=QUICK)
    await chat.model("any").warm_up()
    error = await failure_of(chat, "any")
    await chat.close()

    assert (error.code, error.retryable) == ("model_unreachable", True)


async def test_a_barge_in_closes_the_stream_at_the_server(
    openai_server: OpenAiServer, chat: ChatServer
) -> None:
    """Nobody pays for words that will not be heard."""
    openai_server.models["long"] = Scripted(texts=("word ",) * 200, between_s=0.02)
    stream = chat.model("long").reply(ASKED)
    await anext(stream)
    await stream.aclose()
    async with asyncio.timeout(2):
        while openai_server.open_streams:
            await asyncio.sleep(0.01)

    assert openai_server.cut_streams == 1


async def test_cancelling_the_reader_closes_the_stream(openai_server: OpenAiServer, chat: ChatServer) -> None:
    """The same where the task that reads is cancelled while it waits for the first word."""
    openai_server.models["long"] = Scripted(texts=("word ",) * 200, between_s=0.05)
    task = asyncio.create_task(parts_of(chat.model("long")), name="reader")
    async with asyncio.timeout(2):
        while not openai_server.open_streams:
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2):
        while openai_server.open_streams:
            await asyncio.sleep(0.01)

    assert openai_server.cut_streams == 1


async def test_one_connection_serves_one_reply_after_the_other(
    openai_server: OpenAiServer, chat: ChatServer
) -> None:
    """Warm-up opens the connection, and replies reuse it."""
    openai_server.models["m"] = Scripted(texts=("Hello",))
    await chat.model("m").warm_up()
    for _ in range(3):
        await parts_of(chat.model("m"))

    assert len(openai_server.connections) == 1


async def test_a_model_with_one_temperature_is_asked_without(
    openai_server: OpenAiServer, chat: ChatServer
) -> None:
    """Reasoning models refuse a temperature; the reply comes all the same, and the next request knows."""
    openai_server.models["reasoning"] = Scripted(texts=("Hello",), refuses_temperature=True)
    model = chat.model("reasoning")
    await parts_of(model)
    await parts_of(model)

    assert ["temperature" in request for request in openai_server.requests] == [True, False, False]


async def test_the_wire_has_tools_results_and_limits(openai_server: OpenAiServer, chat: ChatServer) -> None:
    """A request carries the whole memory in the protocol's own shapes."""
    openai_server.models["m"] = Scripted(texts=("Fine.",))
    call = ToolCall("call-7", "look_up", '{"day": "Monday"}')
    messages = (
        ChatMessage("user", "Is Monday free?"),
        ChatMessage("assistant", "", tool_calls=(call,)),
        ChatMessage("tool", "yes", tool_call_id="call-7"),
    )
    await parts_of(chat.model("m"), ChatRequest(messages, tools=ASKED.tools, temperature=0.2, max_tokens=50))
    sent = openai_server.requests[0]

    assert sent["messages"][1]["tool_calls"] == [
        {
            "id": "call-7",
            "type": "function",
            "function": {"name": "look_up", "arguments": '{"day": "Monday"}'},
        }
    ]
    assert sent["messages"][2] == {"role": "tool", "content": "yes", "tool_call_id": "call-7"}
    assert sent["tools"][0]["function"]["name"] == "transfer_call"
    assert (sent["temperature"], sent["max_tokens"], sent["stream"]) == (0.2, 50, True)
    assert openai_server.keys == [KEY]
