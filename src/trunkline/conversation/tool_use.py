"""Carries out what the model asks of its tools; every failure becomes a result that the model can read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from trunkline.conversation.tools import (
    TOOL_LIMIT_S,
    BadArgumentsError,
    EndCallTool,
    Tool,
    ToolRunner,
    TransferTool,
    WebhookTool,
    as_error,
    choose_destination,
    parse_arguments,
    parse_tools,
)
from trunkline.core.errors import UpstreamError
from trunkline.engines.port import ChatMessage, ToolCall, ToolSpec
from trunkline.store.rows import EndReason

_log = structlog.get_logger()
_DONE: Final = json.dumps({"ok": True})

Say = Callable[[str], Awaitable[None]]
Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


@dataclass(frozen=True, slots=True)
class EndCall:
    """Once the reply was heard, the call ends."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class TransferCall:
    """Once the reply was heard, the call is handed over."""

    destination: str
    message: str | None


AfterHeard = EndCall | TransferCall


@dataclass(frozen=True, slots=True)
class ToolsUsed:
    """What came of it: one result a call, in order, and what is to follow the reply."""

    results: tuple[ChatMessage, ...]
    after: AfterHeard | None


class ToolUse:
    """The tools of one call. `runner` asks servers; without one, webhook tools give an error."""

    def __init__(
        self, documents: Sequence[Mapping[str, Any]], runner: ToolRunner | None, *, spawn: Spawn
    ) -> None:
        self._tools: dict[str, Tool] = parse_tools(documents)
        self._runner = runner
        self._spawn = spawn
        self.specs: tuple[ToolSpec, ...] = tuple(tool.spec for tool in self._tools.values())

    async def carry_out(self, calls: Sequence[ToolCall], say: Say) -> ToolsUsed:
        """Runs the calls one after the other; `say` speaks meanwhile."""
        results: list[ChatMessage] = []
        after: AfterHeard | None = None
        for call in calls:
            try:
                result, then = await self._carry_out(call, say)
            except BadArgumentsError as error:
                result, then = as_error(str(error)), None
            after = after or then
            results.append(ChatMessage("tool", result, tool_call_id=call.id))
        return ToolsUsed(tuple(results), after)

    async def _carry_out(self, call: ToolCall, say: Say) -> tuple[str, AfterHeard | None]:
        tool = self._tools.get(call.name)
        if tool is None:
            raise BadArgumentsError(f"There is no tool named {call.name}.")
        arguments = parse_arguments(call, tool.spec)
        match tool:
            case EndCallTool():
                return _DONE, EndCall("assistant_hangup")
            case TransferTool():
                destination = choose_destination(tool, arguments)
                return _DONE, TransferCall(destination.number, destination.message)
            case WebhookTool():
                return await self._ask(tool, call, arguments, say), None

    async def _ask(self, tool: WebhookTool, call: ToolCall, arguments: Mapping[str, Any], say: Say) -> str:
        if self._runner is None:
            return as_error(f"{call.name} can't be reached.")
        if tool.message:
            await say(tool.message)
        if tool.is_async:
            self._spawn(self._run_aside(self._runner, tool, call, arguments), f"tool {call.name}")
            return _DONE
        return await _run(self._runner, tool, call, arguments)

    async def _run_aside(
        self, runner: ToolRunner, tool: WebhookTool, call: ToolCall, arguments: Mapping[str, Any]
    ) -> None:
        await _run(runner, tool, call, arguments)


async def _run(runner: ToolRunner, tool: WebhookTool, call: ToolCall, arguments: Mapping[str, Any]) -> str:
    try:
        async with asyncio.timeout(TOOL_LIMIT_S):
            return await runner.run(tool, call, arguments)
    except TimeoutError:
        _log.warning("tool too slow", tool=call.name, limit_s=TOOL_LIMIT_S)
        return as_error(f"{call.name} gave no answer within {TOOL_LIMIT_S:g} seconds.")
    except UpstreamError as error:
        _log.warning("tool failed", tool=call.name, error=error.message)
        return as_error(error.message)
    except Exception:  # noqa: BLE001 (a guest of ours failed; logged)
        _log.exception("tool failed inside", tool=call.name)
        return as_error(f"{call.name} failed.")
