"""From an order to what Asterisk is told: the dial string and the channel's variables. Pure.

Orders are checked long before; the patterns here are the last fence, as a dial string that is not what it seems makes the
PBX call somebody else.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.core.errors import InvalidField
from trunkline.core.ids import TrunkId
from trunkline.pbx.port import Originate, TrunkSpec

LOCAL_CONTEXT: Final = "trunkline-local"
"""Where `local:<extension>` is looked up; dialplan/trunkline.conf has it."""

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_DIALLED: Final = re.compile(r"[+0-9*#]{2,32}")
# No `&` (Dial takes it for a second destination), no `/` (it ends the endpoint), no `,` and no `|`.
_SIP_URI: Final = re.compile(
    r"sips?:[A-Za-z0-9_.!~*'()+-]{1,64}@[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(;[A-Za-z0-9=._-]{1,64}){0,8}"
)
_LOCAL: Final = re.compile(r"local:([A-Za-z0-9*#_-]{1,64})")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_MAX_TEXT_CHARS: Final = 255


def endpoint_id(trunk_id: TrunkId) -> str:
    """The trunk's name on the PBX: prefixed, so that it never meets an operator's own, and safe in a dial string."""
    if _PLAIN_ID.fullmatch(trunk_id):
        return f"tl-{trunk_id}"
    return f"tl-x{trunk_id.encode().hex()}"


def dial_string(destination: str, trunk_id: TrunkId, trunk: TrunkSpec | None = None) -> str:
    """What ARI is given as `endpoint`; numbers in the form that `trunk` wants.

    Raises:
        InvalidField: the destination is none that we dial.
    """
    endpoint = endpoint_id(trunk_id)
    if _NUMBER.fullmatch(destination):
        dialled = trunk.as_dialled(destination) if trunk is not None else destination
        if not _DIALLED.fullmatch(dialled):
            raise InvalidField(
                "destination", "destination is nothing that can be dialled in this trunk's form."
            )
        return f"PJSIP/{dialled}@{endpoint}"
    if _SIP_URI.fullmatch(destination):
        return f"PJSIP/{endpoint}/{destination}"
    if local := _LOCAL.fullmatch(destination):
        # /n: the leg keeps its id; otherwise Asterisk replaces it once both halves are up.
        return f"Local/{local[1]}@{LOCAL_CONTEXT}/n"
    raise InvalidField("destination", "destination must be an E.164 number, a SIP URI or local:<extension>.")


def is_local(destination: str) -> bool:
    """Whether the PBX itself answers this destination."""
    return destination.startswith("local:")


def channel_variables(order: Originate) -> dict[str, str]:
    """Set while the channel is made, before anything is sent.

    Raises:
        InvalidField: a header or the caller's name has characters that could be taken for something else.
    """
    variables = {"TIMEOUT(absolute)": str(order.max_duration_s), **_caller_id(order)}
    if not is_local(order.destination):
        for name, value in order.headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise InvalidField("headers", f"{name!r} is no header name.")
            variables[f"PJSIP_HEADER(add,{name})"] = _text("headers", value)
    return variables


def _caller_id(order: Originate) -> dict[str, str]:
    """The INVITE's From comes from the connected line, what our own dialplan sees from the caller ID: both are set."""
    if order.caller_id is None:
        return {f"{function}(pres)": "prohib" for function in ("CALLERID", "CONNECTEDLINE")}
    number = _text("caller_id", order.caller_id)
    variables = {f"{function}(num)": number for function in ("CALLERID", "CONNECTEDLINE")}
    if order.caller_name is not None:
        name = _text("caller_name", order.caller_name)
        variables |= {f"{function}(name)": name for function in ("CALLERID", "CONNECTEDLINE")}
    return variables


def _text(param: str, value: str) -> str:
    if len(value) > _MAX_TEXT_CHARS or not value.isprintable():
        raise InvalidField(param, f"{param} must be at most {_MAX_TEXT_CHARS} printable characters.")
    return value
