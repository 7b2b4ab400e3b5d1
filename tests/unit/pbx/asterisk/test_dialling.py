"""Dial strings and channel variables: nothing but what was ordered reaches the PBX."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.core.errors import InvalidField
from trunkline.core.ids import LegId, TrunkId
from trunkline.pbx.asterisk.dialling import channel_variables, dial_string, endpoint_id
from trunkline.pbx.port import Originate, TrunkSpec

TRUNK = TrunkId("trunk_1")


def order(**changes: Any) -> Originate:
    fields: dict[str, Any] = {
        "leg_id": LegId("tl-1"),
        "trunk_id": TRUNK,
        "destination": "+31201000001",
        "caller_id": "+4930123456",
        "ring_timeout_s": 30,
        "max_duration_s": 600,
    }
    return Originate(**(fields | changes))


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("+31201000001", "PJSIP/+31201000001@tl-trunk_1"),
        ("sip:200@pbx.example", "PJSIP/tl-trunk_1/sip:200@pbx.example"),
        (
            "sips:a.b@pbx.example:5061;transport=tls",
            "PJSIP/tl-trunk_1/sips:a.b@pbx.example:5061;transport=tls",
        ),
        ("local:200", "Local/200@trunkline-local/n"),
    ],
)
def test_a_destination_is_dialled_through_its_trunk(destination: str, expected: str):
    """Or inside the PBX, where it is local."""
    assert dial_string(destination, TRUNK) == expected


@pytest.mark.parametrize(
    "destination",
    [
        "31201000001",
        "+3120&PJSIP/x",
        "+31201000001\n",
        "+٣١٢٠١٠٠٠٠٠١",
        "sip:200@pbx.example&PJSIP/trunk/sip:1",
        "sip:200@pbx.example/x",
        "sip:20,0@pbx.example",
        "local:200@other",
        "local:${EXTEN}",
        "local:",
        "",
        "500&PJSIP/itsp/14165551212",
    ],
)
def test_anything_else_is_refused(destination: str):
    """Two destinations, another context, dialplan expressions, foreign digits."""
    with pytest.raises(InvalidField):
        dial_string(destination, TRUNK)


@given(st.text(max_size=40))
def test_no_text_makes_the_pbx_dial_twice(destination: str):
    """Whatever is let through names one endpoint and one target."""
    try:
        made = dial_string(destination, TRUNK)
    except InvalidField:
        return
    assert re.fullmatch(
        r"(PJSIP/\+[0-9]+@tl-trunk_1|PJSIP/tl-trunk_1/sips?:[^&/,|]+|Local/[^&/,|@]+@trunkline-local/n)", made
    )


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_trunks_never_share_an_endpoint(one: str, other: str):
    """And every name is safe in a dial string and a path."""
    names = {endpoint_id(TrunkId(one)), endpoint_id(TrunkId(other))}

    assert len(names) == len({one, other})
    assert all(re.fullmatch(r"tl-[A-Za-z0-9_-]*", name) for name in names)


def test_the_pbx_itself_limits_the_call():
    """Even when nobody is left to hang up."""
    assert channel_variables(order())["TIMEOUT(absolute)"] == "600"


def test_the_caller_id_is_set_for_the_invite_and_for_the_dialplan():
    """The From comes from the connected line."""
    variables = channel_variables(order(caller_name="Harbour Dental"))

    assert variables["CONNECTEDLINE(num)"] == variables["CALLERID(num)"] == "+4930123456"
    assert variables["CONNECTEDLINE(name)"] == variables["CALLERID(name)"] == "Harbour Dental"


def test_no_caller_id_withholds_it():
    """Rather than presenting whatever the PBX is called."""
    variables = channel_variables(order(caller_id=None))

    assert variables["CONNECTEDLINE(pres)"] == variables["CALLERID(pres)"] == "prohib"
    assert not any("num" in name for name in variables)


def test_headers_are_added_to_the_invite():
    """Only where there is an INVITE."""
    headers = {"X-Trunkline-Call": "call-1"}

    assert channel_variables(order(headers=headers))["PJSIP_HEADER(add,X-Trunkline-Call)"] == "call-1"
    assert not any(
        "HEADER" in name for name in channel_variables(order(headers=headers, destination="local:1"))
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {"X-A": "b\r\nX-C: d"}},
        {"headers": {"X-A)": "b"}},
        {"headers": {"X A": "b"}},
        {"headers": {"": "b"}},
        {"caller_name": "a\nb"},
        {"caller_id": "1\r\n2"},
        {"caller_name": "x" * 300},
    ],
)
def test_what_could_end_a_header_is_refused(changes: dict[str, Any]):
    """Line breaks, brackets, blanks, endless text."""
    with pytest.raises(InvalidField):
        channel_variables(order(**changes))


def test_a_carrier_that_wants_its_own_form_gets_it() -> None:
    """`strip` and `prefix` of the trunk shape the number, and nothing else can come of it."""
    trunk = TrunkSpec(TRUNK, "sip.example", 5060, strip=1, prefix="00")

    assert dial_string("+31201234567", TRUNK, trunk) == f"PJSIP/0031201234567@{endpoint_id(TRUNK)}"
    with pytest.raises(InvalidField):
        dial_string("+31201234567", TRUNK, TrunkSpec(TRUNK, "sip.example", 5060, prefix="1&PJSIP/"))
