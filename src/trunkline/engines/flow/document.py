"""A flow, as it is written: what is asked, what is understood, what is answered. Checked once; trusted afterwards.

A flow is a JSON object. A conversation is always in one of its `states`. What the caller says is compared with the `intents` that the state's
`answers`, and after them the flow's `always`, name; and the `slots` that the state has to `collect` are looked for in it. Texts may hold
`{slot}`, which is replaced by the slot's value.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trunkline.core.errors import InvalidField

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Said = Annotated[str, Field(max_length=2_000)]
Phrase = Annotated[str, Field(min_length=1, max_length=200)]
SlotType = Literal["name", "day", "time", "number", "digits", "yes_no", "choice", "text"]
PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Intent(_Part):
    """Something a caller may want, and how it is said."""

    keywords: tuple[Phrase, ...] = Field(
        (),
        description="Words that must be heard in this order. `*` stands for up to four words, `open*` for every word that begins so.",
    )
    examples: tuple[Phrase, ...] = Field(
        (), description="Whole sentences; what resembles one closely is understood, too."
    )
    minor: bool = Field(
        default=False, description="Yields to every other intent that is heard, as a greeting does."
    )

    @model_validator(mode="after")
    def _is_said_somehow(self) -> Self:
        if not self.keywords and not self.examples:
            raise ValueError("an intent needs keywords or examples")
        return self


class Slot(_Part):
    """Something to find out."""

    type: SlotType = Field(description="What is looked for in the caller's words.")
    ask: Said = Field(description="The question.")
    again: Said | None = Field(
        None, description="The question after an answer that was not understood; absent: `ask`."
    )
    options: dict[Phrase, tuple[Phrase, ...]] = Field(
        {}, description="For `choice`: each value and the keywords that mean it."
    )


class Call(_Part):
    """A tool to be run."""

    tool: str = Field(
        min_length=1,
        max_length=64,
        description="Its name; `end_call` and `transfer_call` are always understood.",
    )
    arguments: dict[str, str] = Field(
        {},
        description="Its arguments; texts with `{slot}`. Required ones that are missing take the tool's first choice.",
    )
    unavailable: Said | None = Field(None, description="Said instead when the assistant has no such tool.")
    then: Said | None = Field(None, description="Said when the tool has answered; `{result}` is its answer.")
    failed: Said = Field("I am sorry, that did not work.", description="Said when it has failed.")


class Answer(_Part):
    """What to do when an intent was understood."""

    intent: Name = Field(description="Which one.")
    say: Said = Field("", description="Said first.")
    next: Name | None = Field(
        None, description="The state to go to; absent: stay, and come back to the open question."
    )
    call: Call | None = Field(None, description="A tool to run after that.")
    repeat: bool = Field(default=False, description="Say again what was said last.")


class Fallback(_Part):
    """What to do when nothing was understood."""

    say: Said = Field(
        "I am sorry, I did not understand that. Could you say it in other words?",
        description="Said each time.",
    )
    after: int = Field(3, ge=1, le=10, description="So many times in a row are too many.")
    next: Name | None = Field(None, description="The state to go to then; absent: stay.")
    call: Call | None = Field(None, description="A tool to run then.")


class State(_Part):
    """One stage of the talk."""

    say: Said = Field("", description="Said on entering, once everything is collected.")
    collect: tuple[Name, ...] = Field(
        (), description="Slots to fill, in this order; known ones are not asked for."
    )
    next: Name | None = Field(None, description="The state to go to once everything is collected.")
    answers: tuple[Answer, ...] = Field((), description="What is understood in this state.")
    fallback: Fallback | None = Field(None, description="Absent: the flow's.")


class FlowDocument(_Part):
    """A whole flow."""

    name: Name = Field(description="What it is called in records: `flow/<name>`.")
    start: Name = Field(description="The first state.")
    states: dict[Name, State] = Field(min_length=1, max_length=200)
    intents: dict[Name, Intent] = Field(
        {}, description="Beside these `yes`, `no`, `repeat`, `human`, `goodbye` and `stop` are known."
    )
    slots: dict[Name, Slot] = Field({})
    always: tuple[Answer, ...] = Field((), description="What is understood in every state.")
    fallback: Fallback = Field(Fallback())

    @model_validator(mode="after")
    def _names_what_exists(self) -> Self:
        known = {**BUILT_IN_INTENTS, **self.intents}
        answers = [*self.always, *(answer for state in self.states.values() for answer in state.answers)]
        targets = [
            self.start,
            self.fallback.next,
            *(answer.next for answer in answers),
            *(state.next for state in self.states.values()),
        ]
        wrong = [f"state {name!r}" for name in targets if name is not None and name not in self.states]
        wrong += [f"intent {answer.intent!r}" for answer in answers if answer.intent not in known]
        wrong += [
            f"slot {name!r}"
            for state in self.states.values()
            for name in state.collect
            if name not in self.slots
        ]
        if wrong:
            raise ValueError(f"it names what it does not have: {', '.join(sorted(set(wrong)))}")
        self._check_circles()
        return self

    def _check_circles(self) -> None:
        """States that pass the talk on without asking anything must not pass it round."""
        for first in self.states:
            seen, name = {first}, self._passes_to(first)
            while name is not None:
                if name in seen:
                    raise ValueError(f"the states go round without asking anything: {name!r}")
                seen.add(name)
                name = self._passes_to(name)

    def _passes_to(self, name: str) -> str | None:
        return self.states[name].next

    def intent(self, name: str) -> Intent:
        """One of its own intents, or else a built-in one."""
        return self.intents.get(name) or BUILT_IN_INTENTS[name]


BUILT_IN_INTENTS: Final[dict[str, Intent]] = {
    "yes": Intent(
        keywords=(
            "yes",
            "yeah",
            "yep",
            "sure",
            "correct",
            "right",
            "exactly",
            "that is fine",
            "that's fine",
            "okay",
            "of course",
        ),
        minor=True,
    ),
    "no": Intent(
        keywords=(
            "no",
            "nope",
            "not really",
            "no thank*",
            "wrong",
            "neither",
            "nothing else",
            "that's all",
            "that is all",
        ),
        minor=True,
    ),
    "repeat": Intent(
        keywords=(
            "repeat",
            "say that again",
            "say it again",
            "once more",
            "pardon",
            "come again",
            "what did you say",
            "didn't catch",
        ),
        examples=("Sorry, what was that?", "Could you say that again please?"),
    ),
    # "A few men" is what a recogniser makes of "a human" on a bad line.
    "human": Intent(
        keywords=(
            "human",
            "a few men",
            "operator",
            "real person",
            "a person",
            "somebody else",
            "someone else",
            "an agent",
            "a colleague",
            "receptionist",
        ),
        examples=(
            "Can I talk to a person please?",
            "Put me through to someone.",
            "I want to speak to somebody.",
        ),
    ),
    "goodbye": Intent(
        keywords=(
            "goodbye",
            "good bye",
            "bye",
            "bye-bye",
            "see you later",
            "see you soon",
            "see you then",
            "have a nice day",
            "hang up",
        ),
        examples=("That was all, thank you.",),
    ),
    "stop": Intent(
        keywords=("stop", "wait", "hold on", "one moment", "just a second", "hang on"), minor=True
    ),
}


def parse_flow(data: Any, param: str = "llm_config.flow") -> FlowDocument:
    """Checks a flow.

    Raises:
        InvalidField: names the place in the document.
    """
    try:
        return FlowDocument.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join([param, *(str(part) for part in first["loc"])])
        raise InvalidField(where, f"{where}: {first['msg'].removeprefix('Value error, ')}.") from None


def flow_schema() -> dict[str, Any]:
    """JSON Schema of a flow, for documentation."""
    return FlowDocument.model_json_schema()
