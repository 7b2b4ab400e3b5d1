"""The flow as a language model: no key, no network, the same answer every time.

The model keeps nothing but the document: where the talk is, is computed from the memory that comes with each request. So a reply that was made and
never heard, a sentence that the caller went on with, or a call that another process took over can't leave it in a wrong state.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence

from trunkline.engines.flow.document import Call, FlowDocument
from trunkline.engines.flow.history import Turn, turns_of
from trunkline.engines.flow.machine import (
    Position,
    Reply,
    begin,
    filled_in,
    greeted,
    hear,
    inform,
    know,
    learn,
)
from trunkline.engines.port import ChatRequest, ReplyPart, TextDelta, ToolCall, ToolSpec

_SENTENCE_GAP = re.compile(r"(?<=[.!?])\s+")


class FlowModel:
    """Implements `LanguageModel`. One a call.

    Args:
        document: the flow, as `parse_flow` or `built_in_flow` gave it.
    """

    def __init__(self, document: FlowDocument) -> None:
        self._document = document
        self._known: list[tuple[Turn, Position, Reply]] = []

    @property
    def name(self) -> str:
        """`flow/<name of the flow>`."""
        return f"flow/{self._document.name}"

    async def warm_up(self) -> None:
        """Nothing is to be loaded."""

    async def reply(self, request: ChatRequest) -> AsyncIterator[ReplyPart]:
        """Streams the reply, sentence by sentence, then the tool call.

        What is answered is everything since the assistant spoke last. Context that was injected is told to the caller when it is the newest
        message; before that it only sets slots.
        """
        turns = turns_of(request.messages)
        self._follow(turns)
        position = self._known[-1][1] if self._known else Position()
        replies = self._due() or [self._unasked(position)]
        calls = [reply.call for reply in replies if reply.call is not None]
        spec = next((tool for tool in request.tools if calls and tool.name == calls[-1].tool), None)
        said = " ".join(reply.say for reply in replies if reply.say)
        if calls and spec is None and calls[-1].unavailable is not None:
            said = filled_in(calls[-1].unavailable, position.slots)
        for n, sentence in enumerate(_SENTENCE_GAP.split(said) if said else ()):
            yield TextDelta(sentence if n == 0 else f" {sentence}")
        if spec is not None:
            yield ToolCall(f"flow-{len(turns)}", spec.name, json.dumps(_arguments(calls[-1], spec, position)))

    def _follow(self, turns: Sequence[Turn]) -> None:
        """Computes the positions after each turn, from where the memory differs from the last request's."""
        same = 0
        while same < min(len(turns), len(self._known)) and turns[same] == self._known[same][0]:
            same += 1
        if same and turns[same - 1].kind == "injected":
            same -= 1  # what comes after it decides how it is taken
        del self._known[same:]
        position = self._known[-1][1] if self._known else Position()
        for n, turn in enumerate(turns[same:], start=same + 1):
            is_told = n == len(turns) or turns[n].kind == "assistant"
            position, reply = self._step(position, turn, is_told=is_told)
            self._known.append((turn, position, reply))

    def _step(self, position: Position, turn: Turn, *, is_told: bool) -> tuple[Position, Reply]:
        match turn.kind:
            case "known":
                return know(position, turn.text)[0], Reply()
            case "injected" if is_told:
                return inform(self._document, position, turn.text)
            case "injected":
                return know(position, turn.text)[0], Reply()
            case "caller":
                return hear(self._document, position, turn.text)
            case "tool":
                return learn(self._document, position, turn.text)
            case "assistant":
                return greeted(self._document, position, turn.text), Reply()

    def _due(self) -> list[Reply]:
        """The replies to all turns since the assistant spoke last."""
        due: list[Reply] = []
        for turn, _, reply in reversed(self._known):
            if turn.kind in ("assistant", "known"):
                break
            due.insert(0, reply)
        return due

    def _unasked(self, position: Position) -> Reply:
        """Nothing happened since the assistant spoke: it says that again; if it never spoke, it begins."""
        has_spoken = any(turn.kind == "assistant" for turn, _, _ in self._known)
        return Reply(position.last_said) if has_spoken else begin(self._document, position)[1]


def _arguments(call: Call, spec: ToolSpec, position: Position) -> dict[str, object]:
    """The call's arguments; a required one that it does not name takes the slot of that name, or the tool's first choice."""
    given: dict[str, object] = {
        name: filled_in(text, position.slots) for name, text in call.arguments.items()
    }
    properties = spec.parameters.get("properties", {})
    for name in spec.parameters.get("required", ()):
        if name in given:
            continue
        schema = properties.get(name, {})
        choices = schema.get("enum") or [schema.get("const", schema.get("default", ""))]
        given[name] = position.slots.get(name, choices[0])
    return given
