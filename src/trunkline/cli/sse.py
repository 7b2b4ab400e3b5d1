"""Server-sent events from bytes to events. Pure.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its `id` (what `Last-Event-ID` repeats), its type and its data."""

    id: str
    type: str
    data: str


@dataclass(slots=True)
class SseParser:
    """Takes lines without their end; gives an event at each empty line that closes one."""

    last_id: str = ""
    _type: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> ServerSentEvent | None:
        """The next line. Comments and unknown fields are ignored, an event without data is dropped."""
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self.last_id = value
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        data, self._data = self._data, []
        kind, self._type = self._type or "message", ""
        return ServerSentEvent(self.last_id, kind, "\n".join(data)) if data else None
