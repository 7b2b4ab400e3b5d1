"""What comes in as context, turned into settings or into a sentence that can be said to the caller. Pure.

Context that is injected into a running call is written for a language model ("Tell the caller that parking is free."). The flow has no model, so it
has three rules: `key=value` lines set slots; an order to say something says it; anything else is said as it stands.
"""

from __future__ import annotations

import re
from typing import Final

_SETTING: Final = re.compile(r"^\s*([a-z][a-z0-9_]{0,39})\s*=\s*(\S.{0,500}?)\s*$")
_CALLER: Final = r"(?:(?:the|your|our) )?(?:caller|customer|client|patient|user|guest|person|them|him|her)"
_TELL: Final = re.compile(
    rf"^(?:please )?(?:tell|inform|remind|notify|let) {_CALLER}(?: know)?(?:(?: that|[:,])? |[:,] ?)",
    re.IGNORECASE,
)
_SAY: Final = re.compile(
    r"^(?:please )?(?:say|mention|announce|add|reply|answer)(?: to them| now)?(?: that |[:,] ?| (?=[\"'\u201c]))",
    re.IGNORECASE,
)
_ASK: Final = re.compile(
    rf"^(?:please )?ask {_CALLER} (whether|if|for|to|about|what|when|where|which|who|how) ", re.IGNORECASE
)
_THEIR: Final = (
    (re.compile(r"\b(?:the caller|the customer|the client|the patient)'s\b", re.IGNORECASE), "your"),
    (re.compile(r"\btheir\b", re.IGNORECASE), "your"),
    (re.compile(r"\bthey are\b", re.IGNORECASE), "you are"),
    (re.compile(r"\bthey\b", re.IGNORECASE), "you"),
)
_QUESTIONS: Final = {
    "for": "Could you give me {rest}?",
    "to": "Could you please {rest}?",
    "about": "Could you tell me about {rest}?",
}
_QUOTES: Final = "\"'\u201c\u201d\u2018\u2019 "


def as_settings(content: str) -> tuple[dict[str, str], str]:
    """The `key=value` lines as a dict, and the other lines."""
    settings: dict[str, str] = {}
    rest: list[str] = []
    for line in content.splitlines():
        found = _SETTING.match(line)
        if found:
            settings[found[1]] = found[2]
        elif line.strip():
            rest.append(line.strip())
    return settings, " ".join(rest)


def as_speech(content: str) -> str:
    """A sentence for the caller's ear."""
    text = " ".join(content.split())
    if asked := _ASK.match(text):
        rest = _to_the_caller(text[asked.end() :]).rstrip(".!? ")
        word = asked[1].lower()
        return _QUESTIONS.get(word, f"Could you tell me {word} {{rest}}?").format(rest=rest)
    if told := _TELL.match(text):
        return _sentence(_to_the_caller(text[told.end() :]))
    if said := _SAY.match(text):
        return _sentence(text[said.end() :])
    return _sentence(text)


def _to_the_caller(text: str) -> str:
    for pattern, ours in _THEIR:
        text = pattern.sub(ours, text)
    return text


def _sentence(text: str) -> str:
    """With a capital first letter and a mark at the end."""
    bare = text.strip(_QUOTES)
    if not bare:
        return ""
    return bare[0].upper() + bare[1:] + ("" if bare[-1] in ".!?\u2026" else ".")
