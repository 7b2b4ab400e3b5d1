"""Where calls may go. One pure function for the API, for transfers and for tools; the dialplan's gate checks again.

Everything is refused that isn't an E.164 number inside the allowed prefixes and outside the blocked ones, or a SIP URI
that the operator allowed by host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import phonenumbers

from trunkline.core.errors import InvalidField
from trunkline.core.numbers import E164, SipUri

_PREMIUM = frozenset(
    {
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.PAGER,
    }
)


@dataclass(frozen=True, slots=True)
class DialPolicy:
    """What an operator allows.

    Attributes:
        allowed_prefixes: a number must start with one of these; `+` is every country.
        blocked_prefixes: longer knowledge wins: these are closed whatever is allowed.
        sip_hosts: hosts that a `sip:` target may name; empty closes SIP URIs.
    """

    allowed_prefixes: Sequence[str] = ("+",)
    blocked_prefixes: Sequence[str] = ()
    sip_hosts: Sequence[str] = ()


def check_destination(target: E164 | SipUri, policy: DialPolicy, param: str = "destination") -> None:
    """Returns when `target` may be dialled.

    Raises:
        InvalidField: says which rule closed it; never says which numbers are open.
    """
    if target.startswith("+"):
        _check_number(target, policy, param)
    elif sip_host(target) not in policy.sip_hosts:
        raise InvalidField(
            param,
            f"{param} names a SIP host that this service may not dial; allow it in calls.allowed_sip_hosts.",
            code="destination_not_allowed",
        )


def _check_number(number: str, policy: DialPolicy, param: str) -> None:
    if not number.startswith(tuple(policy.allowed_prefixes)):
        raise InvalidField(
            param, f"{param} is in a country or range that is not allowed.", code="destination_not_allowed"
        )
    if number.startswith(tuple(policy.blocked_prefixes)):
        raise InvalidField(param, f"{param} is in a range that is closed.", code="destination_not_allowed")
    if _is_premium_or_short(number):
        raise InvalidField(
            param,
            f"{param} is a premium, shared-cost, emergency or service number, which are closed.",
            code="destination_not_allowed",
        )


def _is_premium_or_short(number: str) -> bool:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    if phonenumbers.number_type(parsed) in _PREMIUM:
        return True
    region = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    national = phonenumbers.national_significant_number(parsed)
    return phonenumbers.is_emergency_number(national, region) or phonenumbers.is_emergency_number(
        "0" + national, region
    )


def sip_host(uri: str) -> str:
    """The host of a SIP URI, in lower case, without port and parameters."""
    return uri.partition("@")[2].partition(";")[0].partition(":")[0].lower()
