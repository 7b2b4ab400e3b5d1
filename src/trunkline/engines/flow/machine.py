"""The flow as a machine: (document, position, what happened) to (position, reply). Pure.

Rules of this file:
1. A position changes only here, and is never changed in place.
2. What a caller says is first compared with intents, then searched for slots: a question that has an answer is not taken for a slot's value.
3. A state that has all it collects says its text and passes on to `next`; the document guarantees that this ends.
4. Whatever is said in between, the open question is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trunkline.engines.flow.document import PLACEHOLDER, Answer, Call, Fallback, FlowDocument, State
from trunkline.engines.flow.slots import find, is_name, take
from trunkline.engines.flow.speech import as_settings, as_speech
from trunkline.engines.flow.words import best_match, sentences_of


@dataclass(frozen=True, slots=True)
class Position:
    """Where a talk is.

    Attributes:
        state: the name of the state, None before the first.
        slots: what is known.
        misses: answers in a row that were not understood.
        last_said: the last reply, for "pardon?".
        running: the tool call whose result is awaited.
    """

    state: str | None = None
    slots: Mapping[str, str] = field(default_factory=dict)
    misses: int = 0
    last_said: str = ""
    running: Call | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say, and then the tool to run."""

    say: str = ""
    call: Call | None = None


def begin(document: FlowDocument, position: Position) -> tuple[Position, Reply]:
    """The flow has the first word."""
    return _said(*_enter(document, position, document.start, ""))


def greeted(document: FlowDocument, position: Position, said: str) -> Position:
    """Something was said that the flow need not have made: a greeting, a `say`."""
    # Of an interrupted reply the caller heard the front only; "pardon?" asks for all of it.
    is_known = position.last_said.startswith(said[:20])
    return replace(_begun(document, position), last_said=position.last_said if is_known else said)


def hear(document: FlowDocument, position: Position, text: str) -> tuple[Position, Reply]:
    """The caller said something."""
    position = replace(_begun(document, position), running=None)
    state = _state(document, position)
    asked = _missing(position, state)
    wants_name = asked is not None and document.slots[asked].type == "name"
    sentences = sentences_of(text)
    match = best_match(
        document,
        (*state.answers, *document.always),
        [one for one in sentences if not (wants_name and is_name(one))],
    )
    if match is None:
        filled = _fill(document, position, state, text, asked=asked)
        if filled.slots == position.slots:
            return _not_understood(document, position, state)
        return _said(*_go_on(document, replace(filled, misses=0), state))
    answer, position = match.answer, replace(position, misses=0)
    if answer.repeat:
        return position, Reply(position.last_said)
    if answer.next is None:
        rest = " ".join(sentence for sentence in sentences if sentence != match.sentence)
        position = _fill(document, position, state, rest, asked=None)
    return _act(document, position, answer, text)


def know(position: Position, content: str) -> tuple[Position, str]:
    """Context from outside: `key=value` lines become slots; the rest is returned."""
    settings, rest = as_settings(content)
    return replace(position, slots={**position.slots, **settings}), rest


def inform(document: FlowDocument, position: Position, content: str) -> tuple[Position, Reply]:
    """Context from outside that wants an answer: it is told to the caller; if it was settings only, the talk goes on with them."""
    position, rest = know(_begun(document, position), content)
    state = _state(document, position)
    if not rest:
        return (
            _said(*_go_on(document, position, state))
            if state.collect
            else (position, Reply(position.last_said))
        )
    return _said(position, _joined(as_speech(rest), _open_question(document, position, state)))


def learn(document: FlowDocument, position: Position, result: str) -> tuple[Position, Reply]:
    """A tool has answered."""
    call = position.running
    position = replace(_begun(document, position), running=None)
    if _is_failure(result):
        return _said(
            position,
            _joined(call.failed if call else Call(tool="-").failed, _question_of(document, position)),
        )
    if call is None or call.then is None:
        return position, Reply()
    known = {**position.slots, "result": _spoken_result(result)}
    return _said(position, _joined(filled_in(call.then, known), _question_of(document, position)))


def filled_in(text: str, slots: Mapping[str, str]) -> str:
    """The text with its `{slot}`s replaced; an unknown one leaves nothing."""
    return " ".join(PLACEHOLDER.sub(lambda found: slots.get(found[1], ""), text).split())


# --- steps ------------------------------------------------------------------------------------------------------------


def _act(
    document: FlowDocument, position: Position, act: Answer | Fallback, text: str
) -> tuple[Position, Reply]:
    """Says, goes on, calls. Without either of the last two the open question is asked again."""
    said = filled_in(act.say, position.slots)
    if act.next is not None:
        entered, further = _enter(document, position, act.next, text)
        return _said(entered, _joined(said, further), act.call)
    if act.call is None:
        said = _joined(said, _question_of(document, position))
    return _said(position, said, act.call)


def _not_understood(document: FlowDocument, position: Position, state: State) -> tuple[Position, Reply]:
    fallback = state.fallback or document.fallback
    position = replace(position, misses=position.misses + 1)
    if position.misses >= fallback.after and (fallback.next is not None or fallback.call is not None):
        return _act(document, position, fallback, "")
    missing = _missing(position, state)
    again = document.slots[missing].again if missing else None
    return _said(position, filled_in(again or fallback.say, position.slots), keeps_last=True)


def _begun(document: FlowDocument, position: Position) -> Position:
    return position if position.state is not None else _enter(document, position, document.start, "")[0]


def _enter(document: FlowDocument, position: Position, name: str, text: str) -> tuple[Position, str]:
    """Goes to a state; what the caller said on the way may hold some of its slots already."""
    position = replace(position, state=name)
    state = document.states[name]
    found = {
        slot: value
        for slot in state.collect
        if slot not in position.slots and (value := find(document.slots[slot], text)) is not None
    }
    return _go_on(document, replace(position, slots={**position.slots, **found}), state)


def _go_on(document: FlowDocument, position: Position, state: State) -> tuple[Position, str]:
    """Asks for what is missing, else says the state's text and passes on."""
    if _missing(position, state) is not None:
        return position, _open_question(document, position, state)
    said = filled_in(state.say, position.slots)
    if state.next is None:
        return position, said
    entered, further = _enter(document, position, state.next, "")
    return entered, _joined(said, further)


def _fill(
    document: FlowDocument, position: Position, state: State, text: str, *, asked: str | None
) -> Position:
    """Takes the slots that the text holds: the one just asked for in any form, the state's others where they are plainly said."""
    found: dict[str, str] = {}
    for name in state.collect:
        slot = document.slots[name]
        value = take(slot, text) if name == asked else find(slot, text)
        if value is not None:
            found[name] = value
    return replace(position, slots={**position.slots, **found})


def _missing(position: Position, state: State) -> str | None:
    return next((name for name in state.collect if name not in position.slots), None)


def _open_question(document: FlowDocument, position: Position, state: State) -> str:
    missing = _missing(position, state)
    return filled_in(document.slots[missing].ask, position.slots) if missing else ""


def _question_of(document: FlowDocument, position: Position) -> str:
    return _open_question(document, position, _state(document, position))


def _state(document: FlowDocument, position: Position) -> State:
    return document.states[position.state or document.start]


def _said(
    position: Position, text: str, call: Call | None = None, *, keeps_last: bool = False
) -> tuple[Position, Reply]:
    last = position.last_said if keeps_last or not text else text
    return replace(position, last_said=last, running=call), Reply(text, call)


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)


def _is_failure(result: str) -> bool:
    try:
        value = json.loads(result)
    except ValueError:
        return False
    return isinstance(value, dict) and bool(value.get("error"))


def _spoken_result(result: str) -> str:
    """A tool's answer as words: its text, or the values of its object."""
    try:
        value = json.loads(result)
    except ValueError:
        return result
    if isinstance(value, dict):
        value = value.get("result", ", ".join(str(part) for part in value.values()))
    return str(value)
