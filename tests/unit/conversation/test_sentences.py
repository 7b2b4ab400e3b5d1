"""Text cut for speaking: early, at the right places, and nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.conversation.pronunciation import make_speakable
from trunkline.conversation.sentences import SentenceSplitter


def split(*parts: str) -> list[str]:
    splitter = SentenceSplitter()
    return [piece for part in parts for piece in splitter.push(part)] + splitter.flush()


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello. How are you? Fine!", ["Hello.", "How are you?", "Fine!"]),
        ("Dr. Smith is in. Come at 9.30 a.m. We wait.", ["Dr. Smith is in.", "Come at 9.30 a.m.", "We wait."]),
        ("It is 3.5 percent of 1,000 euros. Really.", ["It is 3.5 percent of 1,000 euros.", "Really."]),
        ("Ask for J. Brown. Thanks.", ["Ask for J. Brown.", "Thanks."]),
        ("Come at 9 a.m. on Monday.", ["Come at 9 a.m. on Monday."]),
        ("1. Take the bus. 2. Walk.", ["1. Take the bus.", "2. Walk."]),
        ("Write to info@harbour.example. Bye.", ["Write to info@harbour.example.", "Bye."]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("Wait... what? Yes.", ["Wait...", "what?", "Yes."]),
        ("First line\nSecond line", ["First line", "Second line"]),
        ("No. I do not.", ["No.", "I do not."]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("   ", []),
        ("", []),
    ],
)  # fmt: skip
def test_sentences(text: str, pieces: list[str]) -> None:
    """Whole texts, and the same texts letter by letter."""
    assert split(text) == pieces
    if not any("," in piece for piece in pieces):
        assert split(*text) == pieces


def test_first_clause_goes_at_once_where_the_sentence_is_still_being_written() -> None:
    """The first sound need not wait for the full stop; later clauses do."""
    splitter = SentenceSplitter()

    assert splitter.push("Thank you very much, ") == ["Thank you very much,"]
    assert splitter.push("I have found you, ") == []
    assert splitter.push("and booked it. ") == ["I have found you, and booked it."]


def test_first_clause_stays_with_a_sentence_that_is_there() -> None:
    """A sentence that came whole is not torn."""
    splitter = SentenceSplitter()

    assert splitter.push("Thank you very much, Anna.") == []
    assert splitter.is_ripe
    assert splitter.flush() == ["Thank you very much, Anna."]


@pytest.mark.parametrize(
    "text", ["Hello", "See Dr.", "It costs 3,", "me@harbour.", "www.harbour.", "", "at 9 a.m."]
)
def test_not_ripe(text: str) -> None:
    """More must follow, or may."""
    splitter = SentenceSplitter()
    splitter.push(text)

    assert not splitter.is_ripe


def test_long_sentences_are_cut_at_clauses() -> None:
    """What is synthesised together is bounded."""
    text = "and then we walk along the long canal, " * 20
    pieces = split(text)

    assert max(map(len, pieces)) <= 220
    assert all(piece.endswith(",") for piece in pieces)


@given(st.lists(st.text(alphabet="ab. ,?!1\nA", max_size=40), max_size=6))
def test_nothing_is_lost_but_spaces(parts: list[str]) -> None:
    """Every letter is spoken once, in order."""
    assert "".join("".join(split(*parts)).split()) == "".join("".join(parts).split())


def test_pronunciation_replaces_whole_words_once() -> None:
    """Case is ignored, the longest form wins, parts of words stay."""
    say = make_speakable([("SQL", "sequel"), ("SQL server", "sequel server"), ("sequel", "SQL")])

    assert say("sql and SQL Server, not MySQL.") == "sequel and sequel server, not MySQL."


def test_markup_is_not_spoken() -> None:
    """Models write for the eye now and then."""
    assert (
        make_speakable()("## Menu\n- **Soup** of the `day`\n- [Tea](http://x.example)")
        == "Menu\nSoup of the day\nTea"
    )
