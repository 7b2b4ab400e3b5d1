"""Finds a slot's value in what the caller said. Pure.

`find` takes only what is plainly said ("my name is ..."); `take` also takes a bare answer to the question that was just asked ("Anna Fisher").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from trunkline.engines.flow.document import BUILT_IN_INTENTS, Intent, Slot, SlotType
from trunkline.engines.flow.words import likeness, words_of


def _listed(words: str) -> list[str]:
    return words.split()


_UNITS: Final = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_TENS: Final = {
    name: 10 * n
    for n, name in enumerate(_listed("twenty thirty forty fifty sixty seventy eighty ninety"), start=2)
}
_NUMBER_WORDS: Final = {name: n for n, name in enumerate(_UNITS)} | _TENS | {"oh": 0, "o": 0}
_ORDINALS: Final = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|"
    "eighteenth|nineteenth|twentieth|thirtieth|twenty[- ](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|thirty[- ]first"
)
_MONTHS: Final = "january|february|march|april|may|june|july|august|september|october|november|december"
_WEEKDAYS: Final = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"

_DAY: Final = re.compile(
    rf"\b(?:(?P<near>the day after tomorrow|tomorrow|today)"
    rf"|(?P<weekday>(?:next |this |coming )?(?:{_WEEKDAYS}))s?"
    rf"|(?P<date>(?:the )?(?:\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINALS}) (?:of )?(?:{_MONTHS})"
    rf"|(?:{_MONTHS}) (?:the )?(?:\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINALS})"
    rf"|the (?:\d{{1,2}}(?:st|nd|rd|th)|{_ORDINALS}))"
    rf"|(?P<week>next week))\b",
    re.IGNORECASE,
)
_HOUR: Final = r"(?:\d{1,2}(?:[:. ]\d{2})?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)(?: (?:fifteen|thirty|forty[- ]five))?"
_DAYTIME: Final = r"(?:a\.?m\b\.?|p\.?m\b\.?|o'?clock|in the (?:morning|afternoon|evening)|at night)"
_CLOCK: Final = re.compile(
    rf"\b(?:(?:at|around|about|by) )?(?P<clock>(?:half|quarter|ten|five|twenty) (?:past|to) {_HOUR}|noon|midday|midnight|{_HOUR}(?: ?{_DAYTIME})+)(?!\w)"
    rf"|\b(?:at|around|about|by) (?P<hour>{_HOUR})(?![\w:])"
    rf"|\b(?:in the )?(?P<part>(?:early |late )?(?:morning|afternoon|evening))s?\b",
    re.IGNORECASE,
)
_DOTTED: Final = re.compile(r"\b([ap])\.?m\.?")
_BARE_HOUR: Final = re.compile(rf"\b(?P<hour>{_HOUR})\b", re.IGNORECASE)

_WORD: Final = r"[^\W\d_][\w'\u2019-]*"
_SURE_NAME: Final = re.compile(rf"\b(?:name is|name's|call me)\s+((?:{_WORD}\s*){{1,4}})", re.IGNORECASE)
_LIKELY_NAME: Final = re.compile(
    rf"\b(?:[Tt]his is|I am|I'm|[Ii]t is|[Ii]t's|[Hh]ere is)\s+((?:{_WORD}\s*){{1,4}})"
)
_NOT_A_NAME: Final = frozenset(
    _listed(
        "a an and the i i'm my me you your it is was am are not no yes yeah sure okay ok sorry hello hi hey please thanks thank what who why when where how "
        "here there calling speaking looking interested fine good just from with about for at on in to of so well um uh can could would should do does "
        "have had want need like that this"
    )
)

_BARE_WORDS: Final = 3
"""A bare answer has no more words; a longer one says something else."""


def find(slot: Slot, text: str) -> str | None:
    """The value where it is plainly said."""
    finder = _PLAIN.get(slot.type)
    return finder(slot, text) if finder else None


def take(slot: Slot, text: str) -> str | None:
    """The value where the text answers the slot's question, however shortly."""
    finder = _BARE.get(slot.type)
    return find(slot, text) or (finder(slot, text) if finder else None)


def is_name(text: str) -> bool:
    """Whether a sentence is most likely a name and nothing else, even one that is also a word: "Anna Price."."""
    words = text.split()
    return _said_name(text) is not None or (
        2 <= len(words) <= 3 and all(word[0].isupper() for word in words) and not text.endswith("?")
    )


def _day(text: str) -> str | None:
    found = _DAY.search(text)
    if found is None:
        return None
    if found["near"] or found["week"]:
        return found[0].lower()
    if found["date"]:
        return f"on {found['date']}"
    weekday = found["weekday"].lower().split()
    name = weekday[-1].capitalize()
    return f"{weekday[0]} {name}" if len(weekday) > 1 else f"on {name}"


def _time(text: str) -> str | None:
    found = _CLOCK.search(text)
    if found is None:
        return None
    if found["part"]:
        return f"in the {found['part'].lower()}"
    return "at " + _DOTTED.sub(r"\1m", (found["clock"] or found["hour"]).lower())


def _said_name(text: str) -> str | None:
    if sure := _SURE_NAME.search(text):
        return _name(sure[1].split())
    if likely := _LIKELY_NAME.search(text):
        words = likely[1].split()
        return _name([word for word in words if word[0].isupper()]) if words[0][0].isupper() else None
    return None


def _bare_name(text: str) -> str | None:
    words = [word.strip(".,!?") for word in text.split()]
    while words and words[0].lower() in _NOT_A_NAME:
        words.pop(0)
    is_short = (
        len(text.split()) <= _BARE_WORDS + 2
        and len(words) <= _BARE_WORDS
        and all(word and word[0].isalpha() for word in words)
    )
    return _name(words) if is_short else None


def _name(words: list[str]) -> str | None:
    """The words up to the first that is no name, with capitals."""
    kept: list[str] = []
    for word in words:
        bare = word.strip(".,!?")
        if bare.lower() in _NOT_A_NAME:
            break
        kept.append(bare[:1].upper() + bare[1:])
        if bare != word:
            break
    return " ".join(kept) or None


def _choice(slot: Slot, text: str) -> str | None:
    scored = [
        (likeness(Intent(keywords=(value, *keywords)), text), value)
        for value, keywords in slot.options.items()
    ]
    score, value = max(scored, key=lambda pair: pair[0], default=(0.0, ""))
    return value if score > 0 else None


def _yes_no(text: str) -> str | None:
    is_no, is_yes = (likeness(BUILT_IN_INTENTS[name], text) for name in ("no", "yes"))
    if is_no == is_yes:
        return None
    return "no" if is_no > is_yes else "yes"


def digits_in(text: str) -> str:
    """All digits that are said, in figures or in words, "double four" included."""
    digits: list[str] = []
    times = 1
    for word in words_of(text):
        if word in ("double", "triple"):
            times = 2 if word == "double" else 3
        elif word.isdigit():
            digits.append(word * times if len(word) == 1 else word)
            times = 1
        elif word in _NUMBER_WORDS:
            digits.append(str(_NUMBER_WORDS[word]) * times)
            times = 1
    return "".join(digits)


def number_in(text: str) -> str | None:
    """The first number that is said, 0 to 999 in words, any in figures."""
    total: int | None = None
    for word in words_of(text):
        if word.isdigit():
            return word
        if word == "hundred" and total:
            total *= 100
        elif word in _NUMBER_WORDS:
            total = (total or 0) + _NUMBER_WORDS[word]
        elif total is not None and word != "and":
            break
    return None if total is None else str(total)


def _many_digits(text: str) -> str | None:
    digits = digits_in(text)
    return digits if len(digits) >= 4 else None


def _bare_hour(text: str) -> str | None:
    hour = _BARE_HOUR.search(text)
    return f"at {hour['hour'].lower()}" if hour and len(text.split()) <= _BARE_WORDS else None


_Finder = Callable[[Slot, str], str | None]

_PLAIN: Final[dict[SlotType, _Finder]] = {
    "name": lambda _, text: _said_name(text),
    "day": lambda _, text: _day(text),
    "time": lambda _, text: _time(text),
    "choice": _choice,
    "digits": lambda _, text: _many_digits(text),
}
_BARE: Final[dict[SlotType, _Finder]] = {
    "name": lambda _, text: _bare_name(text),
    "time": lambda _, text: _bare_hour(text),
    "number": lambda _, text: number_in(text),
    "digits": lambda _, text: digits_in(text) or None,
    "yes_no": lambda _, text: _yes_no(text),
    "text": lambda _, text: " ".join(text.split()) or None,
}
