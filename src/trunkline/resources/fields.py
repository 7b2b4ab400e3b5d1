"""Field types that several resources share, each with its rule, its sentence and its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from trunkline.core.numbers import E164_PATTERN, SIP_URI_PATTERN

_LEAST_IPV6_PREFIX: Final = 16


class Document(BaseModel):
    """JSON types are taken at their word (`"5"` is no number, `1` is no true); fields we don't know are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Block(Document):
    """A part whose further fields are kept as given: every provider has options of its own."""

    model_config = ConfigDict(extra="allow")


def _check(pattern: str, phrase: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise PydanticCustomError("form", phrase)
        return value

    return check


def _whole(value: object) -> object:
    """JSON knows one kind of number, so 5.0 is the whole number 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_whole)
"""Stands last in an `Annotated[int, ...]`: what comes after it would be lost to the JSON Schema."""

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_check(r"(?s).*\S.*", "must not be blank")),
    Field(json_schema_extra={"pattern": r"\S"}),
]
Text = Annotated[str, StringConstraints(max_length=20_000)]
Spoken = Annotated[
    str,
    StringConstraints(min_length=1, max_length=5_000),
    AfterValidator(_check(r"(?s).*\S.*", "must not be blank")),
    Field(json_schema_extra={"pattern": r"\S"}),
]
Phrase = Annotated[str, StringConstraints(max_length=1_000)]
ShortText = Annotated[str, StringConstraints(max_length=200)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=200)]

_E164_PHRASE = "must be an E.164 number: + and 2 to 15 digits without spaces, such as +31201234567"
Number = Annotated[
    str,
    AfterValidator(_check(E164_PATTERN, _E164_PHRASE)),
    WithJsonSchema({"type": "string", "pattern": f"^{E164_PATTERN}$", "examples": ["+31201234567"]}),
]
TransferTarget = Annotated[
    str,
    AfterValidator(
        _check(
            f"({E164_PATTERN})|({SIP_URI_PATTERN})",
            "must be an E.164 number such as +31201234567 or a SIP URI such as sip:200@pbx.example",
        )
    ),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^(({E164_PATTERN})|({SIP_URI_PATTERN}))$",
            "examples": ["+31201234567", "sip:200@pbx.example"],
        }
    ),
]

_H16 = "[0-9A-Fa-f]{1,4}"
# IPv6 as RFC 4291 writes it, with at most one `::`; a looser pattern would take `[fa6]`, on which URL readers choke.
_IPV6 = "|".join(
    (
        f"({_H16}:){{7}}{_H16}",
        f"({_H16}:){{1,7}}:",
        *(f"({_H16}:){{1,{left}}}(:{_H16}){{1,{7 - left}}}" for left in range(6, 0, -1)),
        f":(:{_H16}){{1,7}}",
        "::",
    )
)
_HOST = rf"([A-Za-z0-9]([A-Za-z0-9._-]{{0,251}}[A-Za-z0-9])?|\[({_IPV6})\])"
Host = Annotated[
    str,
    AfterValidator(_check(_HOST, "must be a host name or an IP address")),
    WithJsonSchema({"type": "string", "pattern": f"^{_HOST}$"}),
]
_PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_ADDRESS = f"{_HOST}(:{_PORT})?"
Address = Annotated[
    str,
    AfterValidator(
        _check(_ADDRESS, "must be a host name or an IP address, with :port where it isn't the usual one")
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_ADDRESS}$", "examples": ["sip.example.com:5060"]}),
]
_URL = rf"https?://{_HOST}(:{_PORT})?([/?#][!-~]{{0,2000}})?"
Url = Annotated[
    str,
    AfterValidator(_check(_URL, "must be an http or https address")),
    WithJsonSchema({"type": "string", "pattern": f"^{_URL}$", "examples": ["https://example.com/hook"]}),
]
_EMAIL = r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
Email = Annotated[
    str,
    AfterValidator(_check(_EMAIL, "must be a mail address")),
    WithJsonSchema({"type": "string", "pattern": f"^{_EMAIL}$", "examples": ["desk@example.com"]}),
]
ToolName = Annotated[
    str,
    AfterValidator(_check(r"[A-Za-z0-9_-]{1,64}", "must be 1 to 64 letters, digits, _ or -")),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$", "examples": ["book_appointment"]}),
]
Digits = Annotated[
    str,
    AfterValidator(_check(r"[0-9A-D*#]{1,64}", "must be 1 to 64 keys of 0-9 * # A-D")),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-D*#]{1,64}$", "examples": ["1234#"]}),
]

_IPV4_NETWORK = (
    r"(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}/([89]|[12][0-9]|3[0-2])"
)


def _check_source(value: str) -> str:
    """A host or a network. A network that is most of the Internet would let anyone call in as this carrier."""
    if re.fullmatch(f"({_HOST})|({_IPV4_NETWORK})", value):
        return value
    try:
        if ip_network(value, strict=False).prefixlen >= _LEAST_IPV6_PREFIX and ":" in value:
            return value
    except ValueError:
        pass
    raise PydanticCustomError(
        "form", "must be a host, an IP address or a network such as 192.0.2.0/24, not wider than /8"
    )


Source = Annotated[
    str,
    AfterValidator(_check_source),
    WithJsonSchema(
        {"type": "string", "pattern": f"^(({_HOST})|({_IPV4_NETWORK}))$", "examples": ["192.0.2.0/24"]}
    ),
]
Credential = Annotated[
    str,
    AfterValidator(
        _check(r"[^\x00-\x1f\x7f]{1,128}", "must be 1 to 128 characters without control characters")
    ),
    WithJsonSchema({"type": "string", "pattern": r"^[^\x00-\x1f\x7f]{1,128}$"}),
]
DialPrefix = Annotated[
    str,
    AfterValidator(
        _check(r"\+?[0-9*#]{0,16}", "must be up to 16 keys of 0-9 * #, with a + in front where it belongs")
    ),
    WithJsonSchema({"type": "string", "pattern": r"^\+?[0-9*#]{0,16}$"}),
]
