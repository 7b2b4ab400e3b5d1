"""chan_websocket's control protocol as a machine without I/O: text in gives events, wishes give commands to send.

Source: Asterisk 22.10.1, channels/chan_websocket.c, control format `f(json)`. Audio (BINARY) has no header and needs no state:
it may come before MEDIA_START and is not looked at here.

Rules of this file:
1. What we know of the far side's queue lives here: flow (XON/XOFF), marks that are out, a flush that is not confirmed.
2. A flush takes marks with it and the PBX never speaks of them again. Until it confirmed, a mark may still come: it was on
   its way, and truly heard. After that a mark which is not out is dropped.
3. Malformed is not closed: a message that can't be read raises, and the stream goes on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

MAX_COMMAND_BYTES: Final = 128
"""Asterisk drops a longer text message with only a line in its log."""
MAX_MARK_CHARS: Final = 40


class MalformedControl(Exception):
    """A control message that can't be read: not JSON, not an object, or without the fields its kind has."""


@dataclass(frozen=True, slots=True)
class MediaStarted:
    """The channel is there. `frame_bytes` and `ptime_ms` are what the PBX calls optimal."""

    channel_id: str
    format: str
    frame_bytes: int
    ptime_ms: int


@dataclass(frozen=True, slots=True)
class FlowChanged:
    """XOFF (`paused`) at 900 queued frames, XON below 800. Told only when it changes."""

    paused: bool


@dataclass(frozen=True, slots=True)
class MarkProcessed:
    """Everything sent before this mark was played."""

    mark_id: str


@dataclass(frozen=True, slots=True)
class QueueDrained:
    """Nothing waits in the PBX's queue. `lost_marks` went down with the flush that this confirms."""

    lost_marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The party in the bridge pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The answer to GET_STATUS; the length is in frames."""

    queue_length: int
    queue_full: bool
    media_paused: bool


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """The PBX did not understand or could not do what we sent."""

    text: str


@dataclass(frozen=True, slots=True)
class Unused:
    """A message that asks nothing of us: a kind we do not use, a repeated XOFF, a mark that a flush took away."""

    name: str


MediaEvent = (
    MediaStarted
    | FlowChanged
    | MarkProcessed
    | QueueDrained
    | DigitPressed
    | QueueStatus
    | CommandRefused
    | Unused
)


class MediaProtocol:
    """One media channel's control state."""

    def __init__(self) -> None:
        self._paused = False
        self._flushing = False
        self._marks: dict[str, None] = {}

    @property
    def paused(self) -> bool:
        """The PBX asked us not to send."""
        return self._paused

    @property
    def flushing(self) -> bool:
        """A flush is not confirmed yet."""
        return self._flushing

    @property
    def marks_out(self) -> tuple[str, ...]:
        """Marks that were sent and neither came back nor were lost, in order."""
        return tuple(self._marks)

    def mark(self, mark_id: str) -> str:
        """The command that asks for a mark.

        Raises:
            ValueError: the id is empty, too long, not printable ASCII, or already out.
        """
        if not 0 < len(mark_id) <= MAX_MARK_CHARS or not mark_id.isascii() or not mark_id.isprintable():
            raise ValueError(f"a mark is 1 to {MAX_MARK_CHARS} printable ASCII characters")
        if mark_id in self._marks:
            raise ValueError(f"mark {mark_id!r} is already out")
        command = _command("MARK_MEDIA", correlation_id=mark_id)
        self._marks[mark_id] = None
        return command

    def flush(self) -> tuple[str, ...]:
        """The commands that drop everything queued and ask for a confirmation; the order matters.

        FLUSH_MEDIA itself is not answered, but a REPORT_QUEUE_DRAINED that was asked for before it fires at the next tick.
        It does not end a pause either, so CONTINUE_MEDIA follows.
        """
        self._flushing = True
        return _FLUSH

    def give_up_flush(self) -> tuple[str, ...]:
        """No confirmation came in time: the marks that were out are lost, and returned."""
        self._flushing = False
        lost = tuple(self._marks)
        self._marks.clear()
        return lost

    def hang_up(self) -> str:
        """The command that ends the channel."""
        return _HANGUP

    def receive(self, text: str) -> MediaEvent:
        """Reads one control message and follows it.

        Raises:
            MalformedControl: it can't be read; nothing has changed.
        """
        message = _parse(text)
        try:
            return self._follow(message)
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedControl(f"{message['event']} without what it should carry") from error

    def _follow(self, message: dict[str, Any]) -> MediaEvent:  # noqa: PLR0911  # one a kind
        match name := message["event"]:
            case "MEDIA_START":
                return _started(message)
            case "MEDIA_XOFF" | "MEDIA_XON":
                return self._flow(name)
            case "MEDIA_MARK_PROCESSED":
                return self._processed(str(message["correlation_id"]))
            case "QUEUE_DRAINED":
                return QueueDrained(self.give_up_flush() if self._flushing else ())
            case "DTMF_END":
                return DigitPressed(str(message["digit"]))
            case "STATUS":
                return QueueStatus(
                    int(message["queue_length"]), bool(message["queue_full"]), bool(message["media_paused"])
                )
            case "ERROR":
                return CommandRefused(str(message.get("error_text", "")))
            case _:
                return Unused(name)

    def _flow(self, name: str) -> MediaEvent:
        paused = name == "MEDIA_XOFF"
        if paused == self._paused:
            return Unused(name)
        self._paused = paused
        return FlowChanged(paused)

    def _processed(self, mark_id: str) -> MediaEvent:
        if mark_id not in self._marks:
            return Unused("MEDIA_MARK_PROCESSED")
        del self._marks[mark_id]
        return MarkProcessed(mark_id)


def _command(name: str, **fields: str) -> str:
    text = json.dumps({"command": name, **fields}, separators=(",", ":"))
    if len(text) > MAX_COMMAND_BYTES:
        raise ValueError(f"{name} would be longer than the PBX reads")
    return text


def _parse(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedControl("not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("event"), str):
        raise MalformedControl("not an event")
    return message


def _started(message: dict[str, Any]) -> MediaStarted:
    return MediaStarted(
        channel_id=str(message["channel_id"]),
        format=str(message["format"]),
        frame_bytes=int(message["optimal_frame_size"]),
        ptime_ms=int(message["ptime"]),
    )


_FLUSH: Final = (_command("REPORT_QUEUE_DRAINED"), _command("FLUSH_MEDIA"), _command("CONTINUE_MEDIA"))
_HANGUP: Final = _command("HANGUP")
