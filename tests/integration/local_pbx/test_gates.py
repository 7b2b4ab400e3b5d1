"""The dialplan's own gates: what gets out, what gets in, and what a REFER came to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import quote

import aiohttp
import pytest
from sip_caller import SipCaller
from tests.pbx_tools import ari, left_after

from trunkline.local_pbx import carrier, instance
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.subscribers import subscriber

pytestmark = pytest.mark.asterisk

TRUNK = "gate-test"
QUICK = subscriber("quick").number


@pytest.fixture(scope="module", autouse=True)
def trunk(pbx_pair: Pair) -> Iterator[None]:
    """A trunk to the carrier."""
    contact = f"sip:{pbx_pair.carrier.host}:{pbx_pair.carrier.sip_port}"
    objects = {
        "aor": {"contact": contact},
        "endpoint": {"aors": TRUNK, "disallow": "all", "allow": "ulaw", "context": "trunkline-inbound"},
        "identify": {"endpoint": TRUNK, "match": pbx_pair.carrier.host},
    }
    for kind, fields in objects.items():
        body = {"fields": [{"attribute": key, "value": value} for key, value in fields.items()]}
        ari(pbx_pair.pbx, "PUT", f"/asterisk/config/dynamic/res_pjsip/{kind}/{TRUNK}", body)
    yield
    for kind in reversed(objects):
        ari(pbx_pair.pbx, "DELETE", f"/asterisk/config/dynamic/res_pjsip/{kind}/{TRUNK}")


def calls_at_the_carrier(pair: Pair) -> int:
    told = instance.command_line(pair.carrier, "core show channels count")
    return int(next(line for line in told.splitlines() if "processed" in line).split()[0])


def dial_out(pair: Pair, extension: str, trunk: str) -> None:
    """As a phone of the PBX would, through the gate."""
    endpoint = quote(f"Local/{extension}@trunkline-outbound/n", safe="")
    variables = {"variables": {"TRUNKLINE_TRUNK": trunk}}
    ari(
        pair.pbx,
        "POST",
        f"/channels?endpoint={endpoint}&extension=s&context=trunkline-fallback&priority=1&timeout=5",
        variables,
    )


def test_a_number_on_a_named_trunk_gets_out(pbx_pair: Pair) -> None:
    """The gate is open for what it is there for."""
    before = len(carrier.takes(pbx_pair.carrier, QUICK))
    dial_out(pbx_pair, QUICK, TRUNK)
    assert carrier.wait_for_take(pbx_pair.carrier, QUICK, after=before).number == QUICK
    assert left_after(pbx_pair.pbx, 8) == []


@pytest.mark.parametrize(
    ("extension", "trunk"),
    [
        (QUICK, ""),
        (QUICK, "no-such-trunk"),
        (QUICK, f"{TRUNK}&PJSIP/{QUICK}@{TRUNK}"),
        (f"{QUICK}&PJSIP", TRUNK),
        (f"{QUICK}x", TRUNK),
        ("+3", TRUNK),
        ("+0201000015", TRUNK),
    ],
)
def test_anything_else_stays_in(pbx_pair: Pair, extension: str, trunk: str) -> None:
    """No trunk, a trunk by another name, a second destination, letters, too few digits: nobody is dialled."""
    before = calls_at_the_carrier(pbx_pair)
    dial_out(pbx_pair, extension, trunk)
    assert left_after(pbx_pair.pbx, 8) == []
    assert calls_at_the_carrier(pbx_pair) == before


async def test_a_transfer_that_the_far_side_refuses_comes_back_with_its_status(pbx_pair: Pair) -> None:
    """The stub runs Transfer(), and the service learns that it failed, and with what SIP status."""
    pbx = pbx_pair.pbx
    headers = {"Authorization": aiohttp.encode_basic_auth(pbx.ari_username, pbx.ari_password)}
    echo = quote(f"PJSIP/{subscriber('echo').number}@{TRUNK}", safe="")
    refer_to = {
        "variables": {
            "TRUNKLINE_REFER_TO": f"PJSIP/sip:{QUICK}@{pbx_pair.carrier.host}:{pbx_pair.carrier.sip_port}"
        }
    }
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        asyncio.timeout(15),
        session.ws_connect(f"{pbx.ari_url}/ari/events?app=trunkline") as events,
    ):
        where = "extension=s&context=trunkline-transfer&priority=1"
        await asyncio.to_thread(ari, pbx, "POST", f"/channels?endpoint={echo}&{where}", refer_to)
        while (event := await events.receive_json())["type"] != "StasisStart":
            pass
        channel = event["channel"]["id"]
        await asyncio.to_thread(ari, pbx, "DELETE", f"/channels/{channel}")
    assert event["args"] == ["transfer", "FAILURE", "603"]
    assert await asyncio.to_thread(left_after, pbx) == []


@pytest.mark.parametrize("user", ["+31abc", "+0123456", "5%26PJSIP", "12345678901234567890123", "100"])
def test_a_call_to_something_that_is_no_number_is_refused(pbx_pair: Pair, user: str) -> None:
    """From a known carrier: a number of ours is answered, letters and overlong digits are refused before anything runs."""
    with SipCaller(pbx_pair.pbx.host, pbx_pair.pbx.sip_port, user) as call:
        call.invite()
        assert call.wait(200) == (200 if user == "100" else 484)
        call.bye()
    assert left_after(pbx_pair.pbx, 8) == []
