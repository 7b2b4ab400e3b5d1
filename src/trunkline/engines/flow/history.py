"""A model's memory, read as the turns of a talk. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trunkline.engines.port import ChatMessage


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that happened: `known` is context from before the talk, `injected` from within it."""

    kind: Literal["known", "injected", "caller", "assistant", "tool"]
    text: str


def turns_of(messages: Sequence[ChatMessage]) -> list[Turn]:
    """The turns in order. What a caller said in pieces, with nothing heard in between, is one turn."""
    turns: list[Turn] = []
    has_begun = False
    for message in messages:
        match message.role:
            case "system":
                turns.append(Turn("injected" if has_begun else "known", message.content))
            case "assistant":
                has_begun = True
                if message.content.strip() or message.tool_calls:
                    turns.append(Turn("assistant", message.content))
            case "tool":
                turns.append(Turn("tool", message.content))
            case "user":
                has_begun = True
                if turns and turns[-1].kind == "caller":
                    turns[-1] = Turn("caller", f"{turns[-1].text} {message.content}")
                else:
                    turns.append(Turn("caller", message.content))
    return turns
