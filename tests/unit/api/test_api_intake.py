"""What is JSON, and what is not, down to the bytes."""

from __future__ import annotations

import pytest

from trunkline.api.intake import parse_json, parse_query
from trunkline.core.errors import CallerError, InvalidField


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b'{"a": 1e3}', {"a": 1000.0}),
        ('{"a": "grüß"}'.encode(), {"a": "grüß"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\N{GRINNING FACE}"}),
        (b"[" * 60 + b"]" * 60, None),
    ],
)
def test_json_is_taken(raw: bytes, value: object) -> None:
    """Everything RFC 8259 calls JSON, escaped pairs included."""
    parsed = parse_json(raw)

    assert value is None or parsed == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"[" * 100 + b"]" * 100,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"9" * 5000,
    ],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    """What can't be stored or sent on again is a 400 and never a crash."""
    with pytest.raises(CallerError) as refused:
        parse_json(raw)

    assert (refused.value.status, refused.value.code) == (400, "invalid_json")


def test_a_plus_in_a_query_is_a_plus() -> None:
    """The offset of a date is not a space."""
    assert parse_query("start_date=2026-01-01T00:00:00+02:00&limit=5") == {
        "start_date": "2026-01-01T00:00:00+02:00",
        "limit": "5",
    }


@pytest.mark.parametrize("raw", ["limit=1&limit=2", "status=%ff"])
def test_a_query_that_means_two_things_is_refused(raw: str) -> None:
    """Twice the same name, or bytes that are no text: 400."""
    with pytest.raises(InvalidField):
        parse_query(raw)
