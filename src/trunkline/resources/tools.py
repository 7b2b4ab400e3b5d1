"""The tools an assistant may use, in every shape that clients write them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from trunkline.resources.fields import Block, Number, Phrase, ShortText, Text, ToolName, Url

_SNAKE: Final = {"endCall": "end_call", "transferCall": "transfer_call"}


def _snake(tool: object) -> object:
    """Older clients write `endCall`; we keep and answer `end_call`."""
    if isinstance(tool, dict) and isinstance(tool.get("type"), str) and tool["type"] in _SNAKE:
        return {**tool, "type": _SNAKE[tool["type"]]}
    return tool


class ToolServer(Block):
    """Where a tool's webhook goes."""

    url: Url = Field(description="Address that gets the `tool-calls` webhook.")
    secret: ShortText | None = Field(None, description="Signs the webhook; answered masked.")
    headers: dict[str, str] | None = Field(
        None, description="Added to the webhook; values are answered masked."
    )


class WebhookTool(Block):
    """A tool carried out by your server."""

    type: Literal["function", "webhook"] | None = Field(None, description="May be left out.")
    name: ToolName = Field(description="What the model calls it.")
    description: Text | None = Field(None, description="Tells the model when to use it.")
    parameters: dict[str, Any] | None = Field(None, description="JSON Schema of the arguments.")
    url: Url | None = Field(
        None, description="Address that gets the `tool-calls` webhook; absent: the assistant's `webhook_url`."
    )
    server: ToolServer | None = Field(
        None, description="The same address in the other spelling, with a secret of its own."
    )
    is_async: bool | None = Field(
        None, alias="async", description="True: the model does not wait for the result."
    )
    message: Phrase | None = Field(None, description="Spoken while the tool runs.")


class FunctionSignature(Block):
    """The function of an OpenAI-style tool."""

    name: ToolName = Field(description="What the model calls it.")
    description: Text | None = Field(None, description="Tells the model when to use it.")
    parameters: dict[str, Any] | None = Field(None, description="JSON Schema of the arguments.")


class FunctionTool(Block):
    """A tool in OpenAI's shape."""

    type: Literal["function"] = Field("function", description="Always `function`.")
    function: FunctionSignature = Field(description="Name, description and parameters.")
    server: ToolServer | None = Field(None, description="Absent: the assistant's `webhook_url`.")
    is_async: bool | None = Field(
        None, alias="async", description="True: the model does not wait for the result."
    )
    message: Phrase | None = Field(None, description="Spoken while the tool runs.")


class EndCallTool(Block):
    """Lets the assistant hang up."""

    type: Literal["end_call"] = Field(description="`end_call`; `endCall` is taken too.")
    description: Text | None = Field(None, description="Tells the model when to hang up.")
    message: Phrase | None = Field(None, description="Spoken before the hang-up.")


class TransferDestination(Block):
    """One place a caller may be transferred to."""

    type: Literal["number"] = Field("number", description="Always `number`.")
    number: Number = Field(description="E.164 number that is dialled.")
    description: Text | None = Field(None, description="Tells the model when to choose it.")
    message: Phrase | None = Field(None, description="Spoken before the transfer.")


class TransferCallTool(Block):
    """Lets the assistant transfer the caller."""

    type: Literal["transfer_call"] = Field(description="`transfer_call`; `transferCall` is taken too.")
    description: Text | None = Field(None, description="Tells the model when to transfer.")
    destinations: list[TransferDestination] = Field(
        min_length=1, max_length=50, description="Where the caller may go."
    )


class McpTool(Block):
    """Tools of a Model Context Protocol server: kept, not used yet."""

    type: Literal["mcp"] = Field(description="Always `mcp`.")


def _shape(tool: object) -> str:
    """Tells the shapes apart by what a client can't mean otherwise; for a tool that was parsed, by what it became."""
    if isinstance(tool, Block):
        return _TAGS[type(tool)]
    given = tool if isinstance(tool, dict) else {}
    match given.get("type"):
        case "end_call" | "transfer_call" | "mcp" as kind:
            return f"<{kind}>"
        case _:
            return "<function>" if "function" in given else "<webhook>"


_TAGS: Final[dict[type[Block], str]] = {
    WebhookTool: "<webhook>",
    FunctionTool: "<function>",
    EndCallTool: "<end_call>",
    TransferCallTool: "<transfer_call>",
    McpTool: "<mcp>",
}

Tool = Annotated[
    Annotated[WebhookTool, Tag("<webhook>")]
    | Annotated[FunctionTool, Tag("<function>")]
    | Annotated[EndCallTool, Tag("<end_call>")]
    | Annotated[TransferCallTool, Tag("<transfer_call>")]
    | Annotated[McpTool, Tag("<mcp>")],
    Discriminator(_shape),
    BeforeValidator(_snake),
]
"""One tool. `type` is kept in snake case."""
