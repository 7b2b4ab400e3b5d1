"""What the model may do besides speaking: end the call, hand it over, ask somebody's server. Parsing and judging are pure.

Every shape that an assistant's `tools` may have ends here in one of three kinds, each with its `ToolSpec` for the model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from trunkline.engines.port import ToolCall, ToolSpec

TOOL_LIMIT_S: Final = 10.0
"""After so long the model gets an error instead of a result."""

_JSON_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


@dataclass(frozen=True, slots=True)
class EndCallTool:
    """Ends the call once everything said was heard."""

    spec: ToolSpec


@dataclass(frozen=True, slots=True)
class Destination:
    """Somebody who may take over; `message` is said to the caller first."""

    number: str
    description: str = ""
    message: str | None = None


@dataclass(frozen=True, slots=True)
class TransferTool:
    """Hands the caller to one of `destinations`."""

    spec: ToolSpec
    destinations: tuple[Destination, ...]


@dataclass(frozen=True, slots=True)
class WebhookTool:
    """Asks a server. `url` is None where the assistant's own webhook is to be asked; `message` is said meanwhile."""

    spec: ToolSpec
    url: str | None
    secret: str | None
    is_async: bool
    message: str | None


Tool = EndCallTool | TransferTool | WebhookTool


class ToolRunner(Protocol):
    """Asks the server behind a tool. Its failures are `UpstreamError`s."""

    async def run(self, tool: WebhookTool, call: ToolCall, arguments: Mapping[str, Any]) -> str:
        """The result as text for the model."""
        ...


class BadArgumentsError(Exception):
    """The model called a tool with arguments that can't be used; the message tells it why."""


def parse_tools(documents: Iterable[Mapping[str, Any]]) -> dict[str, Tool]:
    """Tools by name, the first of a name wins. Shapes that are not known (such as `mcp`) are left out."""
    tools: dict[str, Tool] = {}
    for document in documents:
        tool = _parse_tool(document)
        if tool is not None:
            tools.setdefault(tool.spec.name, tool)
    return tools


def parse_arguments(call: ToolCall, spec: ToolSpec) -> dict[str, Any]:
    """The arguments as an object that has what the tool's schema requires, each of its type.

    Raises:
        BadArgumentsError: not JSON, not an object, something missing or of the wrong type.
    """
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError as error:
        raise BadArgumentsError("The arguments are not valid JSON.") from error
    if not isinstance(arguments, dict):
        raise BadArgumentsError("The arguments must be a JSON object.")
    missing = [name for name in spec.parameters.get("required", ()) if name not in arguments]
    if missing:
        raise BadArgumentsError(f"Missing: {', '.join(missing)}.")
    for name, schema in spec.parameters.get("properties", {}).items():
        if name in arguments and isinstance(schema, Mapping):
            _check_type(name, arguments[name], schema)
    return arguments


def choose_destination(tool: TransferTool, arguments: Mapping[str, Any]) -> Destination:
    """Whom the model means, by number or by description; the only one where there is one.

    Raises:
        BadArgumentsError: it named somebody who is not in the list.
    """
    wanted = str(arguments.get("destination", "")).strip()
    if not wanted and len(tool.destinations) == 1:
        return tool.destinations[0]
    for destination in tool.destinations:
        if wanted and wanted.lower() in {destination.number.lower(), destination.description.lower()}:
            return destination
    raise BadArgumentsError(
        f"destination must be one of: {', '.join(each.number for each in tool.destinations)}."
    )


def as_error(message: str) -> str:
    """How the model is told of a failure."""
    return json.dumps({"error": message})


def _parse_tool(document: Mapping[str, Any]) -> Tool | None:
    match _snake(str(document.get("type") or "webhook")):
        case "end_call":
            return _end_call(document)
        case "transfer_call":
            return _transfer(document)
        case "function" if isinstance(document.get("function"), Mapping):
            return _function(document, document["function"])
        case "function" | "webhook" | "tool":
            return _function(document, document)
        case _:
            return None


def _end_call(document: Mapping[str, Any]) -> EndCallTool:
    described = (
        _description(document)
        or "End the call. Use it when the conversation is over or the caller says goodbye."
    )
    return EndCallTool(ToolSpec(_name(document) or "end_call", described))


def _transfer(document: Mapping[str, Any]) -> TransferTool | None:
    destinations = tuple(
        Destination(
            number=str(each.get("number") or each.get("sip_uri") or each.get("sipUri")),
            description=str(each.get("description") or ""),
            message=each.get("message") or None,
        )
        for each in document.get("destinations") or ()
        if isinstance(each, Mapping) and (each.get("number") or each.get("sip_uri") or each.get("sipUri"))
    )
    if not destinations:
        return None
    listed = "; ".join(
        f"{each.number}: {each.description}" if each.description else each.number for each in destinations
    )
    choice = {
        "type": "string",
        "enum": [each.number for each in destinations],
        "description": f"Who takes over. {listed}",
    }
    schema: dict[str, Any] = {"type": "object", "properties": {"destination": choice}}
    if len(destinations) > 1:
        schema["required"] = ["destination"]
    described = _description(document) or "Hand the caller over to a person."
    return TransferTool(ToolSpec(_name(document) or "transfer_call", described, schema), destinations)


def _function(document: Mapping[str, Any], function: Mapping[str, Any]) -> WebhookTool | None:
    name = str(function.get("name") or "")
    if not name:
        return None
    server = document.get("server") if isinstance(document.get("server"), Mapping) else {}
    assert isinstance(server, Mapping)
    parameters = function.get("parameters")
    spec = ToolSpec(
        name,
        str(function.get("description") or ""),
        parameters
        if isinstance(parameters, Mapping) and parameters
        else {"type": "object", "properties": {}},
    )
    return WebhookTool(
        spec=spec,
        url=document.get("url") or server.get("url") or None,
        secret=document.get("secret") or server.get("secret") or None,
        is_async=bool(document.get("async")),
        message=document.get("message") or None,
    )


def _name(document: Mapping[str, Any]) -> str:
    function = document.get("function")
    own = function.get("name") if isinstance(function, Mapping) else None
    return str(own or document.get("name") or "")


def _description(document: Mapping[str, Any]) -> str:
    function = document.get("function")
    own = function.get("description") if isinstance(function, Mapping) else None
    return str(own or document.get("description") or "")


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _check_type(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    wanted = schema.get("type")
    expected = _JSON_TYPES.get(wanted) if isinstance(wanted, str) else None
    is_bool_for_number = isinstance(value, bool) and wanted in {"number", "integer"}
    if expected is not None and (is_bool_for_number or not isinstance(value, expected)):
        raise BadArgumentsError(f"{name} must be of type {wanted}.")
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed and wanted != "string":
        raise BadArgumentsError(f"{name} must be one of: {', '.join(map(str, allowed))}.")
