"""`/sip-trunks`."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from trunkline.api.crud import Resource, crud
from trunkline.api.operation import Answer, Ask, Operation
from trunkline.api.render_call import TIME, Shape
from trunkline.resources.trunk import TrunkCreate, TrunkPatch


class TrunkState(Shape):
    """What the PBX knows of a trunk now."""

    reachable: bool | None = Field(
        description="Whether the carrier answers; null while it was not asked yet."
    )
    registered: bool | None = Field(description="Whether we are registered; null where we don't register.")
    rtt_ms: float | None = Field(description="Round trip to the carrier.")
    since: str = Field(description="Since when it is so.", pattern=TIME)
    reason: str | None = Field(description="Why it can't be reached.")


class SavedTrunk(Shape):
    """A SIP connection to a carrier. The password is never answered."""

    id: str
    name: str = Field(description="How people call it.")
    provider: str | None = Field(description="Who the carrier is.")
    address: str = Field(description="Where the carrier takes calls.", examples=["sip.example.com:5060"])
    outbound_address: str = Field(description="The same.")
    host: str
    port: int
    transport: Literal["udp", "tcp", "tls"]
    auth_username: str | None = Field(description="User that the carrier asks for.")
    username: str | None = Field(description="The same.")
    has_password: bool = Field(description="Whether a password is kept.")
    inbound_addresses: list[str] = Field(description="From where the carrier sends calls.")
    register_: bool = Field(alias="register", description="Whether we register with the carrier.")
    codecs: list[str] = Field(description="Best first.")
    srtp: bool = Field(description="Whether audio is encrypted.")
    max_channels: int | None = Field(description="Most calls at once.")
    cps: float | None = Field(description="Most new calls a second.")
    prefix: str = Field(description="Put in front of the number that is dialled.")
    strip: int = Field(description="Characters taken off the number's front.")
    from_domain: str | None = Field(description="Domain in our From header.")
    status: TrunkState
    created_at: str = Field(pattern=TIME)
    updated_at: str = Field(pattern=TIME)


class Tested(Shape):
    """The trunk was put on the PBX once more and looked at."""

    success: bool = Field(description="Whether the carrier answers.")
    trunk: SavedTrunk
    sip_trunk: SavedTrunk = Field(description="The same.")


async def test_trunk(ask: Ask[None, None]) -> Answer:
    """Puts the trunk on the PBX once more and tells how it is."""
    trunk = await ask.services.trunks.test(ask.organization_id, ask.id)
    return Answer({"success": trunk["status"]["reachable"] is True, "trunk": trunk, "sip_trunk": trunk})


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    *crud(
        Resource(
            path="/sip-trunks",
            tag="SIP trunks",
            noun="sip trunk",
            service=lambda services: services.trunks,
            create=TrunkCreate,
            patch=TrunkPatch,
            shape=SavedTrunk,
            one=("trunk", "sip_trunk"),
            many=("trunks",),
            examples={
                "A carrier that knows our address": {
                    "name": "Main",
                    "provider": "Example",
                    "address": "sip.example.com",
                },
                "A carrier that wants a registration": {
                    "name": "Main",
                    "provider": "Example",
                    "address": "sip.example.com:5061",
                    "transport": "tls",
                    "auth_username": "100200",
                    "auth_password": "secret",
                    "register": True,
                },
            },
        )
    ),
    Operation(
        "POST",
        "/sip-trunks/{id}/test",
        "testSipTrunk",
        "SIP trunks",
        "Test one sip trunk",
        test_trunk,
        description="Puts the trunk on the PBX once more and answers whether the carrier can be reached.",
        answer=Tested,
    ),
)
