"""The table of subscribers and the carrier's dialplan are one."""

from __future__ import annotations

import re

import pytest

from trunkline.core.numbers import parse_e164
from trunkline.local_pbx.files import files
from trunkline.local_pbx.subscribers import SUBSCRIBERS, Subscriber, spoken_lines, subscriber

DIALPLAN = (files("dialplan") / "carrier/extensions.conf").read_text(encoding="utf-8")


def block(number: str) -> str:
    """All dialplan lines of a number, its script included."""
    blocks = re.findall(
        rf"^exten => {re.escape(number)},1,.*?(?=^exten|^\[|\Z)", DIALPLAN, re.MULTILINE | re.DOTALL
    )
    return "".join(blocks)


@pytest.mark.parametrize("who", SUBSCRIBERS, ids=lambda who: who.key)
def test_every_subscriber_lives_in_the_dialplan(who: Subscriber) -> None:
    """Number, refusal and lines of the table are those of the dialplan."""
    assert parse_e164(who.number) == who.number
    text = block(who.number)
    assert text
    assert re.findall(r"PJSIPHangup\((\d+)\)", text) == ([str(who.sip)] if who.sip else [])
    for line in who.lines:
        sound = line.name if line.recorded else f"${{LINES}}/{line.name}"
        assert re.search(rf"[(&,]{re.escape(sound)}[,)&]", text), f"{who.key} never says {line.name}"


def test_nobody_else_lives_in_the_dialplan() -> None:
    """The dialplan knows no number that the table does not."""
    assert set(re.findall(r"^exten => (\+\d+),", DIALPLAN, re.MULTILINE)) == {
        who.number for who in SUBSCRIBERS
    }


def test_the_readme_lists_every_subscriber() -> None:
    """People find each number with its name."""
    readme = (files("dialplan") / "carrier/README.md").read_text(encoding="utf-8")
    for who in SUBSCRIBERS:
        assert f"| `{who.key}` | {who.number} | {who.does} |" in readme


def test_keys_and_numbers_are_each_unique() -> None:
    """A key or a number names one subscriber."""
    assert (
        len({who.key for who in SUBSCRIBERS}) == len({who.number for who in SUBSCRIBERS}) == len(SUBSCRIBERS)
    )
    assert subscriber("demo").lines[3].text == "Sorry, stop. Is parking free?"


def test_only_lines_that_nobody_recorded_are_synthesised() -> None:
    """Core sounds are human speech and come from their package."""
    assert {line.recorded for line in spoken_lines()} == {False}
    assert len({line.name for line in spoken_lines()}) == len(spoken_lines())
