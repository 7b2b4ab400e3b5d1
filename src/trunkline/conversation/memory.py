"""What the model remembers and what the record keeps: what was heard, not what was meant to be said. Pure.

Two views of one talk. The model's view (`messages`) has the system prompt, tools and their results; the record's view
(`lines`) has what a person who listened in would have written down, with times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trunkline.engines.port import ChatMessage


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the transcript. Times are milliseconds since the answer."""

    role: Literal["system", "user", "assistant"]
    content: str
    start_ms: int
    end_ms: int
    interrupted: bool = False

    def as_json(self) -> dict[str, Any]:
        """As the record and the `transcript` event have it."""
        return {
            "role": self.role,
            "content": self.content,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "interrupted": self.interrupted,
        }


class Memory:
    """The memory of one talk; only grows."""

    def __init__(self, messages: Sequence[ChatMessage]) -> None:
        self._messages = list(messages)
        self._lines: list[Line] = []

    def messages(self, heard_now: str | None = None) -> tuple[ChatMessage, ...]:
        """The model's view, with what the caller has just said where that does not stand yet."""
        now = (ChatMessage("user", heard_now),) if heard_now else ()
        return (*self._messages, *now)

    def lines(self) -> tuple[Line, ...]:
        """The record's view, by the time at which each line began."""
        return tuple(sorted(self._lines, key=lambda line: line.start_ms))

    def add_user(self, text: str, start_ms: int, end_ms: int) -> Line:
        """What the caller said."""
        self._messages.append(ChatMessage("user", text))
        return self._add(Line("user", text, start_ms, end_ms))

    def add_context(self, text: str, at_ms: int) -> Line:
        """What the client told the model."""
        self._messages.append(ChatMessage("system", text))
        return self._add(Line("system", text, at_ms, at_ms))

    def add_reply(
        self, entries: Sequence[ChatMessage], heard: str, start_ms: int, end_ms: int, *, interrupted: bool
    ) -> Line | None:
        """A reply that is over.

        Args:
            entries: for the model, its texts cut to what was heard; see `cut_to_heard`.
            heard: what was heard of it altogether; empty leaves no line.
            start_ms: when its first sound was heard.
            end_ms: when its last was.
            interrupted: the caller cut it short.
        """
        self._messages.extend(entries)
        return self._add(Line("assistant", heard, start_ms, end_ms, interrupted)) if heard else None

    def _add(self, line: Line) -> Line:
        self._lines.append(line)
        return line


def cut_to_heard(entries: Sequence[ChatMessage], heard: str) -> tuple[ChatMessage, ...]:
    """The messages of a reply with no more text than was heard: `heard` is used up from the first text to the last.

    Tool calls that were carried out stay whole with their results, as they happened whatever was heard; the others are left
    out, and so is a text of which nothing was heard.
    """
    kept: list[ChatMessage] = []
    words = heard.split()
    answered = {entry.tool_call_id for entry in entries}
    for entry in entries:
        if entry.role != "assistant":
            kept.append(entry)
            continue
        said = len(entry.content.split())
        content = " ".join(words[:said])
        words = words[said:]
        calls = tuple(call for call in entry.tool_calls if call.id in answered)
        if content or calls:
            kept.append(ChatMessage("assistant", content, tool_calls=calls))
    return tuple(kept)
