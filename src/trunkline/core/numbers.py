"""E.164 numbers and SIP URIs: parsed once at the edge, trusted afterwards."""

from __future__ import annotations

import re
from typing import NewType

from trunkline.core.errors import InvalidField

E164 = NewType("E164", str)
"""`+`, a country code and a subscriber number, 2 to 15 digits in all (ITU-T E.164)."""

SipUri = NewType("SipUri", str)

# ASCII digits only: `\d` would also take other scripts' digits.
E164_PATTERN = r"\+[1-9][0-9]{1,14}"
SIP_URI_PATTERN = (
    r"sips?:[A-Za-z0-9_.!~*'()&=+$,;?/%-]{1,64}@[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(;[A-Za-z0-9=._-]+)*"
)
_E164 = re.compile(E164_PATTERN)
_SIP_URI = re.compile(SIP_URI_PATTERN)


def parse_e164(text: str, param: str = "destination") -> E164:
    """Takes `+49301234567` and nothing else: no spaces, no `00`, no national forms.

    Raises:
        InvalidField: names `param`.
    """
    if not _E164.fullmatch(text):
        raise InvalidField(
            param,
            f"{param} must be an E.164 number: + and 2 to 15 digits without spaces, such as +31201234567.",
        )
    return E164(text)


def parse_transfer_target(text: str, param: str = "destination") -> E164 | SipUri:
    """An E.164 number or a `sip:`/`sips:` URI with a user part.

    Raises:
        InvalidField: names `param`.
    """
    if _E164.fullmatch(text):
        return E164(text)
    if _SIP_URI.fullmatch(text):
        return SipUri(text)
    raise InvalidField(
        param,
        f"{param} must be an E.164 number such as +31201234567 or a SIP URI such as sip:200@pbx.example.",
    )


def redacted(number: str | None) -> str:
    """A number fit for a log line: the country and the last two digits stay."""
    if not number:
        return "anonymous"
    return f"{number[:3]}…{number[-2:]}" if len(number) > 6 else "…"
