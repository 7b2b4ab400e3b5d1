"""Logs tell what happened and never who or with which secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr

from trunkline.core.secret import Secret
from trunkline.observe.logs import configure_logs
from trunkline.settings import Logs


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def written(settings: Logs, **fields: object) -> dict[str, object]:
    stream = io.StringIO()
    configure_logs(settings, stream)
    structlog.get_logger().info("call answered", **fields)
    return json.loads(stream.getvalue())


def test_fields_become_json_with_level_and_utc_time() -> None:
    """A line outside a terminal is one JSON object with event, level, time and the fields."""
    line = written(Logs(), codec="ulaw", ms=12)

    assert (line["event"], line["level"], line["codec"], line["ms"]) == ("call answered", "info", "ulaw", 12)
    assert str(line["timestamp"]).endswith("Z")


def test_personal_fields_are_dropped() -> None:
    """Numbers and transcripts do not reach the log, not even nested ones."""
    line = written(Logs(), pii_number="+31201234567", leg={"pii_name": "Anna", "state": "up"})

    assert "+31201234567" not in json.dumps(line)
    assert line["leg"] == {"state": "up"}


def test_personal_fields_are_kept_when_allowed() -> None:
    """An operator may switch them on."""
    assert written(Logs(personal_data=True), pii_number="+31201234567")["pii_number"] == "+31201234567"


def test_secrets_never_print() -> None:
    """A secret is dots wherever it sits, personal data allowed or not."""
    line = written(Logs(personal_data=True), key=Secret("tl_s3cret"), deep={"list": [SecretStr("tl_s3cret")]})

    assert "tl_s3cret" not in json.dumps(line)
    assert line["key"] == "••••"
    assert line["deep"] == {"list": ["••••"]}


def test_bound_call_id_is_on_every_line() -> None:
    """What was bound to the task's context appears on each of its lines."""
    structlog.contextvars.bind_contextvars(call_id="call-outbound-abc")

    assert written(Logs())["call_id"] == "call-outbound-abc"


def test_library_lines_leave_by_the_same_door() -> None:
    """Standard logging is rendered alike and is cut alike."""
    stream = io.StringIO()
    configure_logs(Logs(), stream)

    logging.getLogger("some.library").warning("odd answer %s", 42, extra={"pii_number": "+31201234567"})

    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("odd answer 42", "warning", "some.library")
    assert "+31201234567" not in stream.getvalue()


def test_exceptions_keep_their_traceback() -> None:
    """A failure's traceback is in its line."""
    stream = io.StringIO()
    configure_logs(Logs(), stream)
    try:
        raise ValueError("no such codec")
    except ValueError:
        structlog.get_logger().exception("media failed")

    assert "ValueError: no such codec" in json.loads(stream.getvalue())["exception"]


def test_level_is_the_least_that_is_written() -> None:
    """Lines below the level cost nothing and write nothing."""
    stream = io.StringIO()
    configure_logs(Logs(level="warning"), stream)

    structlog.get_logger().info("quiet")

    assert stream.getvalue() == ""


def test_console_lines_are_for_people() -> None:
    """The console format is text, not JSON."""
    stream = io.StringIO()
    configure_logs(Logs(format="console"), stream)

    structlog.get_logger().info("call answered", codec="ulaw")

    assert "call answered" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
