"""What clients send about calls: dial, control, list. Parsed here once; nothing behind checks again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from trunkline.core.errors import InvalidField
from trunkline.resources.assistant import AssistantPatch, TransientAssistant, given
from trunkline.resources.fields import (
    WHOLE,
    Digits,
    Document,
    Number,
    Phrase,
    Reference,
    Spoken,
    Text,
    TransferTarget,
)
from trunkline.resources.merge import AssistantChoice
from trunkline.resources.schema_rules import Schema, not_both, present
from trunkline.resources.validation import parse
from trunkline.store.rows import CallStatus

__all__ = ["CONTROL_COMMANDS", "CallsQuery", "ControlCommand", "OutboundRequest", "parse", "parse_control"]


def _broken(param: str, sentence: str) -> PydanticCustomError:
    return PydanticCustomError("rule", sentence, {"param": param})


# --- POST /calls/outbound ---------------------------------------------------------------------------------------------

_RENAMED: Final = (
    ("agent_id", "assistant_id"),
    ("agent", "assistant"),
    ("agent_config", "assistant_override"),
)


_SAVED: Final[Schema] = {"anyOf": [present("assistant_id", "string"), present("agent_id", "string")]}
_ONCE: Final[Schema] = {"anyOf": [present("assistant", "object"), present("agent", "object")]}
_CHANGED: Final[Schema] = {
    "anyOf": [present("assistant_override", "object"), present("agent_config", "object")]
}
_MODES: Final[list[JsonValue]] = [
    {"oneOf": [_SAVED, _ONCE]},
    {"not": {"allOf": [_ONCE, _CHANGED]}},
    not_both("assistant_id", "agent_id", "string"),
    not_both("assistant", "agent", "object"),
    not_both("assistant_override", "agent_config", "object"),
]


class OutboundRequest(Document):
    """Dial a number and let an assistant talk.

    Exactly one of: `assistant_id` (saved), `assistant` (used once), `assistant_id` with `assistant_override` (saved, changed for
    this call).
    """

    model_config = ConfigDict(json_schema_extra={"allOf": _MODES})

    destination: Number = Field(description="Who is called, in E.164.")
    number_id: Reference | None = Field(
        None,
        description="Which of your numbers calls, and so which trunk and caller ID; absent: the least recently used active one.",
    )
    assistant_id: Reference | None = Field(None, description="A saved assistant.")
    assistant: TransientAssistant | None = Field(
        None, description="A whole assistant, used once and not saved."
    )
    assistant_override: AssistantPatch | None = Field(
        None, description="Changes to the saved assistant, for this call alone."
    )
    agent_id: Reference | None = Field(None, deprecated=True, description="Older name of `assistant_id`.")
    agent: TransientAssistant | None = Field(None, deprecated=True, description="Older name of `assistant`.")
    agent_config: AssistantPatch | None = Field(
        None, deprecated=True, description="Older name of `assistant_override`."
    )
    first_message: Phrase | None = Field(None, description="Greeting of this call, before any other.")
    context: Text | None = Field(None, description="An extra system message for this call.")
    metadata: dict[str, Any] | None = Field(
        None, description="Anything of yours; comes back in the call and in every webhook."
    )
    ring_timeout_seconds: Annotated[int, Field(ge=5, le=300), WHOLE] | None = Field(
        None, description="How long it may ring; a setting when absent."
    )

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        fields = self.__dict__  # reading a deprecated field by name would warn about our own code
        for old, new in _RENAMED:
            if fields[old] is not None and fields[new] is not None and fields[old] != fields[new]:
                raise _broken(old, f"is the older name of {new}; both were given, with different values")
        reference, transient, override = (self._used(new) for _, new in _RENAMED)
        if transient is not None and reference is not None:
            raise _broken(
                transient,
                f"can't be combined with {reference}; to change a saved assistant use assistant_override",
            )
        if transient is not None and override is not None:
            raise _broken(override, f"changes a saved assistant and can't be combined with {transient}")
        if override is not None and reference is None:
            raise _broken("assistant_id", f"is required with {override}")
        if transient is None and reference is None:
            raise _broken("assistant_id", "is required, or assistant with a whole configuration")
        return self

    def _used(self, new: str) -> str | None:
        """The field the client used for `new`: itself, its older name, or None."""
        old = next(old for old, renamed in _RENAMED if renamed == new)
        return next((name for name in (new, old) if self.__dict__[name] is not None), None)

    @property
    def deprecated_fields(self) -> tuple[str, ...]:
        """Older names that the client used."""
        return tuple(old for old, _ in _RENAMED if self.__dict__[old] is not None)

    @property
    def choice(self) -> AssistantChoice:
        """The assistant's side of the request, older names resolved."""
        reference, transient, override = (self._used(new) for _, new in _RENAMED)
        return AssistantChoice(
            assistant_id=self.__dict__[reference] if reference else None,
            transient=given(self.__dict__[transient]) if transient else None,
            override=given(self.__dict__[override]) if override else None,
            first_message=self.first_message,
            context=self.context,
            id_param=reference or "assistant_id",
            transient_param=transient or "assistant",
            override_param=override or "assistant_override",
        )


# --- POST /calls/{id}/control -----------------------------------------------------------------------------------------


class InjectContext(Document):
    """Tells the model something the caller doesn't hear."""

    type: Literal["inject-context"] = Field(description="Which command.")
    content: Spoken = Field(description="The message to the model.")
    trigger_response: bool = Field(default=False, description="True: the assistant answers at once.")


class Say(Document):
    """Lets the assistant say these words."""

    type: Literal["say"] = Field(description="Which command.")
    content: Spoken = Field(description="The words.")
    end_after: bool = Field(default=False, description="True: hangs up once they were heard.")


class EndCall(Document):
    """Hangs up."""

    type: Literal["end-call"] = Field(description="Which command.")
    message: Phrase | None = Field(None, description="Spoken first.")


class Transfer(Document):
    """Connects the caller with someone else, inside the PBX."""

    type: Literal["transfer"] = Field(description="Which command.")
    destination: TransferTarget = Field(description="E.164 number or SIP URI.")
    message: Phrase | None = Field(None, description="Spoken, and heard to its end, before the transfer.")
    mode: Literal["blind", "warm", "refer"] = Field(
        "blind",
        description="blind: connect on answer; warm: the target is briefed first; refer: the carrier is asked to do it.",
    )
    caller_id: Number | None = Field(None, description="Number shown to the target; absent: ours.")
    timeout_seconds: Annotated[int, Field(ge=5, le=300), WHOLE] | None = Field(
        None, description="How long the target may ring; a setting when absent."
    )
    briefing: Phrase | None = Field(
        None, description="warm: what the target is told before the caller is connected."
    )
    fallback_message: Phrase | None = Field(
        None, description="Said to the caller when the target can't be reached."
    )


class Mute(Document):
    """The caller is no longer heard."""

    type: Literal["mute"] = Field(description="Which command.")


class Unmute(Document):
    """The caller is heard again."""

    type: Literal["unmute"] = Field(description="Which command.")


class SendDtmf(Document):
    """Presses keys towards the caller."""

    type: Literal["send-dtmf"] = Field(description="Which command.")
    digits: Digits = Field(description="Keys: `0-9 * # A-D`, at most 64.")


class Hold(Document):
    """Music for the caller; nobody listens."""

    type: Literal["hold"] = Field(description="Which command.")


class Resume(Document):
    """Ends the hold."""

    type: Literal["resume"] = Field(description="Which command.")


class CancelTransfer(Document):
    """Takes the caller back from a transfer that was not answered yet."""

    type: Literal["cancel-transfer"] = Field(description="Which command.")


ControlCommand = (
    InjectContext | Say | EndCall | Transfer | Mute | Unmute | SendDtmf | Hold | Resume | CancelTransfer
)
CONTROL_COMMANDS: Final[TypeAdapter[ControlCommand]] = TypeAdapter(
    Annotated[ControlCommand, Field(discriminator="type")]
)
"""For the API's schema; parse with `parse_control`."""

_BY_TYPE: Final[dict[str, type[ControlCommand]]] = {
    "inject-context": InjectContext,
    "say": Say,
    "end-call": EndCall,
    "transfer": Transfer,
    "mute": Mute,
    "unmute": Unmute,
    "send-dtmf": SendDtmf,
    "hold": Hold,
    "resume": Resume,
    "cancel-transfer": CancelTransfer,
}


def parse_control(data: object) -> ControlCommand:
    """One control command.

    Raises:
        InvalidField: names `type` when it is missing or unknown, else the wrong field.
    """
    if not isinstance(data, dict):
        raise InvalidField("body", "body must be an object.")
    kind = data.get("type")
    if kind is None:
        raise InvalidField("type", "type is required.", code="required_field")
    if not isinstance(kind, str) or kind not in _BY_TYPE:
        raise InvalidField("type", f"type must be one of: {', '.join(_BY_TYPE)}.")
    command: ControlCommand = parse(_BY_TYPE[kind], data)
    return command


# --- GET /calls -------------------------------------------------------------------------------------------------------

_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNESCAPED_PLUS: Final = re.compile(r" (?=[0-9]{2}:?[0-9]{2}$)")
_LEAP_SECOND: Final = re.compile(r"(?<=:[0-5][0-9]:)60")


def _number_in_query(value: object) -> object:
    """A query's values are text; anything else than digits stays text, which the strict model refuses."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise PydanticCustomError("query_number", "must be a whole number")


def _moment(value: object, *, whole_day: time) -> datetime:
    """ISO 8601; a bare date is the day's first or last moment, and a time without zone is UTC."""
    text = str(value)
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(datetime.fromisoformat(text), whole_day, UTC)
        if not _DATE.match(text):
            raise ValueError
        # In a query an unescaped + arrives as a space; datetime knows no leap second.
        repaired = _LEAP_SECOND.sub("59", _UNESCAPED_PLUS.sub("+", text.upper()))
        moment = datetime.fromisoformat(repaired)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError(
            "moment", "must be an ISO 8601 date or date-time, such as 2026-03-01 or 2026-03-01T09:30:00Z"
        ) from None


def _start(value: object) -> datetime:
    return _moment(value, whole_day=time.min)


def _end(value: object) -> datetime:
    return _moment(value, whole_day=time.max)


_MomentSchema: Final = WithJsonSchema(
    {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
        "examples": ["2026-03-01"],
    }
)
_QueryNumber = Annotated[int, BeforeValidator(_number_in_query)]


class CallsQuery(Document):
    """Which calls are listed. Both dates are inclusive and compare with `created_at`."""

    limit: _QueryNumber = Field(100, ge=1, le=1000, description="At most this many.")
    offset: _QueryNumber = Field(0, ge=0, le=2_147_483_647, description="Skips this many.")
    status: CallStatus | None = Field(None, description="Only calls in this status.")
    start_date: Annotated[datetime | None, BeforeValidator(_start), _MomentSchema] = Field(
        None, description="Calls from here on; a bare date is that whole day, UTC."
    )
    end_date: Annotated[datetime | None, BeforeValidator(_end), _MomentSchema] = Field(
        None, description="Calls up to here; a bare date is that whole day, UTC."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise _broken("start_date", "must not be after end_date")
        return self
