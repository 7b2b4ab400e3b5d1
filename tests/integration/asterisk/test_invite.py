"""What leaves for the carrier, read off the wire: a UDP socket that takes INVITEs and is always busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asterisk_kit import Desk

from trunkline.core.ids import TrunkId
from trunkline.pbx.port import TrunkSpec

pytestmark = pytest.mark.asterisk

BUSY = TrunkId("trk-busy")


class BusyCarrier(asyncio.DatagramProtocol):
    """Answers 486 and keeps every INVITE."""

    def __init__(self) -> None:
        self.invites: list[str] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        lines = data.decode().split("\r\n")
        if not lines[0].startswith("INVITE"):
            return
        if data.decode() not in self.invites:
            self.invites.append(data.decode())
        kept = [line for line in lines if line.partition(":")[0] in {"Via", "From", "Call-ID", "CSeq"}]
        to = next(line for line in lines if line.startswith("To:")) + ";tag=busy"
        self.transport.sendto(
            "\r\n".join(["SIP/2.0 486 Busy Here", *kept, to, "Content-Length: 0", "", ""]).encode(), addr
        )

    def headers(self) -> dict[str, str]:
        """Of the last INVITE, and its request line under an empty name."""
        first, *lines = self.invites[-1].partition("\r\n\r\n")[0].split("\r\n")
        return {"": first} | {
            name: value.strip() for name, _, value in (line.partition(":") for line in lines)
        }

    def payload_types(self) -> str:
        """What the SDP offers, in order, without telephone events."""
        offer = next(line for line in self.invites[-1].split("\r\n") if line.startswith("m=audio"))
        return offer.partition("RTP/AVP ")[2].removesuffix(" 101")


@pytest.fixture
async def carrier(desk: Desk) -> AsyncIterator[BusyCarrier]:
    transport, carrier = await asyncio.get_running_loop().create_datagram_endpoint(
        BusyCarrier, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    await desk.pbx.put_trunk(
        TrunkSpec(BUSY, "127.0.0.1", port, from_domain="customer.example", codecs=("alaw", "g722", "ulaw"))
    )
    yield carrier
    await desk.pbx.remove_trunk(BUSY)
    transport.close()


async def dial(desk: Desk, **wishes: Any) -> None:
    async with desk.call("echo", trunk_id=BUSY, **wishes) as line:
        end = await line.ended()
    assert end.hangup.sip == 486


async def test_the_number_and_its_caller_are_as_ordered(desk: Desk, carrier: BusyCarrier):
    """E.164 with its plus; From and P-Asserted-Identity say who calls, in the trunk's own domain."""
    await dial(desk, destination="+31209990002", caller_id="+4930123456", caller_name='Ann "A" & Co;<b>')
    headers = carrier.headers()

    assert headers[""].startswith("INVITE sip:+31209990002@127.0.0.1")
    assert headers["From"].startswith('"Ann \\"A\\" & Co;<b>" <sip:+4930123456@customer.example>')
    assert headers["P-Asserted-Identity"].endswith("<sip:+4930123456@customer.example>")


async def test_a_withheld_caller_is_anonymous(desk: Desk, carrier: BusyCarrier):
    """No number and no name of ours is anywhere."""
    await dial(desk, caller_id=None)

    assert carrier.headers()["From"].startswith('"Anonymous" <sip:anonymous@')
    assert "P-Asserted-Identity" not in carrier.headers()


async def test_codecs_are_offered_in_the_trunk_s_order(desk: Desk, carrier: BusyCarrier):
    """8 is A-law, 9 is G.722, 0 is mu-law."""
    await dial(desk)

    assert carrier.payload_types() == "8 9 0"


async def test_headers_are_added_as_they_are(desk: Desk, carrier: BusyCarrier):
    """Commas and semicolons are theirs to keep."""
    await dial(desk, headers={"X-Trunkline-Call": "a;b,c"})

    assert carrier.headers()["X-Trunkline-Call"] == "a;b,c"
