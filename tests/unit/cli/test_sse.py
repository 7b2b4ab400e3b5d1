"""Server-sent events are read as the standard says."""

from __future__ import annotations

from trunkline.cli.sse import ServerSentEvent, SseParser


def parse(text: str, parser: SseParser | None = None) -> list[ServerSentEvent]:
    parser = parser or SseParser()
    return [event for line in text.split("\n") if (event := parser.feed(line)) is not None]


def test_an_event_ends_at_an_empty_line() -> None:
    """Id, type and data come together; the next event starts afresh but keeps the last id."""
    events = parse("id: 1\nevent: turn\ndata: {}\n\ndata: x\n\n")

    assert events == [ServerSentEvent("1", "turn", "{}"), ServerSentEvent("1", "message", "x")]


def test_data_lines_are_joined() -> None:
    """Several data lines are one text; only one blank after the colon is cut."""
    assert parse("data:a\ndata:  b\n\n")[0].data == "a\n b"


def test_comments_and_empty_events_are_nothing() -> None:
    """A heartbeat is no event, an event without data neither."""
    assert parse(": still here\n\nevent: ping\n\nretry: 3\nwhatever\n\n") == []


def test_last_id_is_kept_for_the_next_connection() -> None:
    """The parser remembers what Last-Event-ID must say."""
    parser = SseParser()
    parse("id: 7\ndata: x\n\nid: bad\0id\ndata: y\n\n", parser)

    assert parser.last_id == "7"
