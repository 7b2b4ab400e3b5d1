"""Chat models behind any server that speaks OpenAI's chat protocol: OpenAI, Mistral, Groq, Ollama, vLLM, llama.cpp and the like."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog

from trunkline.core.errors import UpstreamError
from trunkline.core.secret import Secret
from trunkline.engines.port import ChatMessage, ChatRequest, ReplyPart, TextDelta, ToolCall, ToolSpec

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletionChunk

log = structlog.get_logger()

OPENAI_BASE_URL: Final = "https://api.openai.com/v1"
MISTRAL_BASE_URL: Final = "https://api.mistral.ai/v1"
_NO_KEY: Final = "none"
"""The SDK insists on a key; servers of one's own need none."""
_ATTEMPTS: Final = 2
"""A kept connection may have been closed by the server just now: then a second try on a new one is right."""


@dataclass(frozen=True, slots=True)
class ChatTimeouts:
    """How long a caller may be left waiting. All in seconds.

    Attributes:
        connect_s: for a new connection.
        first_s: from the request to the first piece of the reply, connecting included.
        stall_s: between two pieces.
    """

    connect_s: float = 3.0
    first_s: float = 8.0
    stall_s: float = 5.0


class ChatServer:
    """One server and one key, shared by calls so that connections are reused.

    Args:
        provider: its name in records and errors.
        base_url: up to and including `/v1`.
        api_key: None where the server wants none.
    """

    def __init__(
        self, provider: str, base_url: str, api_key: Secret | None, *, timeouts: ChatTimeouts | None = None
    ) -> None:
        self.provider = provider
        self.base_url = base_url
        self.timeouts = timeouts or ChatTimeouts()
        self._api_key = api_key
        self._client: openai.AsyncOpenAI | None = None

    def model(self, model: str) -> OpenAiChat:
        """A chat model of this server, for one call."""
        return OpenAiChat(self, model)

    async def client(self) -> openai.AsyncOpenAI:
        """The SDK's client. The SDK is imported on first use: it takes a third of a second, so not on the event loop."""
        if self._client is None:
            sdk: Any = await asyncio.to_thread(importlib.import_module, "openai")
            self._client = self._client or self._connect(sdk)
        return self._client

    def _connect(self, sdk: Any) -> openai.AsyncOpenAI:
        waits = self.timeouts
        timeout = sdk.Timeout(waits.first_s, connect=waits.connect_s)
        client: openai.AsyncOpenAI = sdk.AsyncOpenAI(
            api_key=self._api_key.reveal() if self._api_key else _NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            timeout=timeout,
            # A redirect could lead inside the network, past the check of the address.
            http_client=sdk.DefaultAsyncHttpxClient(timeout=timeout, follow_redirects=False),
        )
        return client

    async def close(self) -> None:
        """Closes the connections."""
        client, self._client = self._client, None
        if client is not None:
            async with asyncio.timeout(self.timeouts.connect_s):
                await client.close()


@dataclass(slots=True)
class _Gathering:
    """Tool calls as they come in pieces, by their index in the reply."""

    calls: dict[int, list[str]] = field(default_factory=dict)

    def add(self, index: int, call_id: str | None, name: str | None, arguments: str | None) -> None:
        parts = self.calls.setdefault(index, ["", "", ""])
        parts[0] = call_id or parts[0]
        parts[1] += name or ""
        parts[2] += arguments or ""

    def whole(self) -> list[ToolCall]:
        return [
            ToolCall(call_id or f"call-{index}", name, arguments or "{}")
            for index, (call_id, name, arguments) in sorted(self.calls.items())
            if name
        ]


class OpenAiChat:
    """Implements `LanguageModel`. Keeps nothing of the talk."""

    def __init__(self, server: ChatServer, model: str) -> None:
        self._server = server
        self._model = model
        self._takes_temperature = True

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self._server.provider}/{self._model}"

    async def warm_up(self) -> None:
        """Opens a connection. A server that can't be reached now is only logged: the call may still need no reply from it."""
        sdk: Any = await asyncio.to_thread(importlib.import_module, "openai")
        client = await self._server.client()
        try:
            async with asyncio.timeout(self._server.timeouts.connect_s):
                await client.models.list()
        except (sdk.APIError, TimeoutError, ValueError) as error:
            log.info("chat server not warmed up", provider=self._server.provider, error=type(error).__name__)

    async def reply(self, request: ChatRequest) -> AsyncIterator[ReplyPart]:
        """Streams the text as it comes, then the tool calls.

        Raises:
            UpstreamError: the server can't be reached, refuses, is late, stalls, or sends something else than a chat stream.
        """
        client = await self._server.client()
        sdk: Any = importlib.import_module("openai")
        waits = self._server.timeouts
        gathering = _Gathering()
        stream: openai.AsyncStream[ChatCompletionChunk] | None = None
        try:
            deadline = asyncio.get_running_loop().time() + waits.first_s
            async with asyncio.timeout_at(deadline):
                stream = await self._open(client, sdk, request)
                chunk = await anext(stream, None)
            while chunk is not None:
                for part in _parts(chunk, gathering):
                    yield part
                async with asyncio.timeout(waits.stall_s):
                    chunk = await anext(stream, None)
        except (sdk.OpenAIError, TimeoutError, ValueError, TypeError, AttributeError) as error:
            raise self._failure(error, sdk) from error
        finally:
            if stream is not None:
                await stream.close()
        for call in gathering.whole():
            yield call

    async def _open(
        self, client: openai.AsyncOpenAI, sdk: Any, request: ChatRequest
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                stream: openai.AsyncStream[ChatCompletionChunk] = await client.chat.completions.create(
                    **self._arguments(request)
                )
            except sdk.APITimeoutError:
                raise
            except sdk.APIConnectionError:
                if attempt == _ATTEMPTS:
                    raise
            except sdk.BadRequestError as error:
                # Reasoning models know one temperature only, and say so.
                if error.param != "temperature" or not self._takes_temperature:
                    raise
                self._takes_temperature = False
            else:
                return stream
        raise sdk.APIConnectionError(request=None)

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self._model,
            "messages": [_message(message) for message in request.messages],
            "stream": True,
        }
        if self._takes_temperature:
            arguments["temperature"] = request.temperature
        if request.max_tokens is not None:
            # OpenAI has renamed it; the servers that are compatible mostly have not.
            is_openai = urlsplit(self._server.base_url).hostname == urlsplit(OPENAI_BASE_URL).hostname
            arguments["max_completion_tokens" if is_openai else "max_tokens"] = request.max_tokens
        if request.tools:
            arguments["tools"] = [_tool(tool) for tool in request.tools]
        return arguments

    def _failure(self, error: Exception, sdk: Any) -> UpstreamError:
        """What went wrong, in our words: a server's own text may hold the key or the prompt."""
        who = self._server.provider
        if isinstance(error, (sdk.APITimeoutError, TimeoutError)):
            return UpstreamError(
                f"{who}: the model did not answer in time.", retryable=True, code="model_timeout"
            )
        if isinstance(error, sdk.APIConnectionError):
            return UpstreamError(
                f"{who}: the server can't be reached or closed the connection.",
                retryable=True,
                code="model_unreachable",
            )
        if isinstance(error, sdk.APIStatusError):
            return _refusal(who, error.status_code)
        return UpstreamError(
            f"{who}: the answer is not a chat stream ({type(error).__name__}).", code="model_malformed"
        )


def _refusal(who: str, status: int) -> UpstreamError:
    match status:
        case 401 | 403:
            return UpstreamError(
                f"{who}: the server refuses the API key ({status}).", code="model_refuses_key"
            )
        case 404:
            return UpstreamError(f"{who}: the server does not know this model (404).", code="model_unknown")
        case 408 | 409 | 429:
            return UpstreamError(
                f"{who}: the server wants fewer requests ({status}).",
                retryable=True,
                code="model_rate_limited",
            )
        case _ if status >= 500:
            return UpstreamError(f"{who}: the server failed ({status}).", retryable=True, code="model_failed")
        case _:
            return UpstreamError(f"{who}: the server refuses the request ({status}).", code="model_refuses")


def _parts(chunk: ChatCompletionChunk, gathering: _Gathering) -> list[TextDelta]:
    """The text of one chunk; its pieces of tool calls are gathered."""
    texts: list[TextDelta] = []
    for choice in (chunk.choices or [])[:1]:
        for call in choice.delta.tool_calls or ():
            function = call.function
            gathering.add(
                call.index,
                call.id,
                function.name if function else None,
                function.arguments if function else None,
            )
        if choice.delta.content:
            texts.append(TextDelta(choice.delta.content))
    return texts


def _message(message: ChatMessage) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        entry["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return entry


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}
