"""A trunk as Asterisk's objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trunkline.core.errors import InvalidField
from trunkline.core.ids import TrunkId
from trunkline.pbx.asterisk.provisioning import put, remove, trunk_objects
from trunkline.pbx.port import TrunkSpec

PLAIN = TrunkSpec(TrunkId("t1"), "sip.carrier.example", 5060)
WITH_LOGIN = replace(
    PLAIN, username="harbour", password="pa;ss", register=True, transport="tls", port=5061, srtp=True
)


class RecordingRest:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def put(self, path: str, body: dict[str, Any]) -> None:
        self.asked.append(("put", path.rsplit("/", 2)[1]))

    async def delete(self, path: str) -> bool:
        self.asked.append(("delete", path.rsplit("/", 2)[1]))
        return False


def test_a_trunk_without_login_needs_three_objects():
    """Where to send, how to talk, whom to believe."""
    assert list(trunk_objects(PLAIN)) == ["aor", "endpoint", "identify"]


def test_a_trunk_with_login_has_auth_first_and_registration_last():
    """Each object refers to those before it."""
    assert list(trunk_objects(WITH_LOGIN)) == ["auth", "aor", "endpoint", "identify", "registration"]


def test_invites_go_where_the_carrier_listens():
    """Host, port and transport are one contact."""
    assert trunk_objects(PLAIN)["aor"]["contact"] == "sip:sip.carrier.example:5060"
    assert trunk_objects(WITH_LOGIN)["aor"]["contact"] == "sip:sip.carrier.example:5061;transport=tls"
    assert trunk_objects(replace(PLAIN, host="2001:db8::1"))["aor"]["contact"] == "sip:[2001:db8::1]:5060"


def test_the_far_side_can_not_use_us():
    """No REFER, no subscriptions, no trust in its caller's identity, and calls only into the inbound context."""
    endpoint = trunk_objects(PLAIN)["endpoint"]

    assert endpoint["allow_transfer"] == endpoint["allow_subscribe"] == endpoint["trust_id_inbound"] == "no"
    assert endpoint["context"] == "trunkline-inbound"


def test_audio_stays_with_the_pbx_and_silence_does_not_close_the_door():
    """Keep-alives must come more often than RTCP (5 s), or only the first is sent."""
    endpoint = trunk_objects(PLAIN)["endpoint"]

    assert endpoint["direct_media"] == "no"
    assert 0 < int(endpoint["rtp_keepalive"]) < 5
    assert int(endpoint["rtp_timeout"]) > 0


def test_encryption_is_never_given_up_silently():
    """Asked for, it is a must."""
    endpoint = trunk_objects(WITH_LOGIN)["endpoint"]

    assert (endpoint["media_encryption"], endpoint["media_encryption_optimistic"]) == ("sdes", "no")
    assert trunk_objects(PLAIN)["endpoint"]["media_encryption"] == "no"


def test_codecs_keep_their_order():
    """Best first."""
    assert trunk_objects(replace(PLAIN, codecs=("g722", "alaw")))["endpoint"]["allow"] == "g722,alaw"


def test_the_host_itself_may_always_call():
    """Once, however often it is named."""
    spec = replace(PLAIN, inbound_addresses=("192.0.2.0/24", "sip.carrier.example"))

    assert trunk_objects(spec)["identify"]["match"] == "sip.carrier.example,192.0.2.0/24"


def test_a_registration_does_not_give_up():
    """Asterisk's defaults stop for good after one 403."""
    registration = trunk_objects(WITH_LOGIN)["registration"]

    assert registration["client_uri"] == "sip:harbour@sip.carrier.example:5061;transport=tls"
    assert registration["auth_rejection_permanent"] == "no"
    assert int(registration["forbidden_retry_interval"]) > 0
    assert int(registration["max_retries"]) > 1000


def test_a_domain_of_its_own_is_used_for_from_and_registration():
    """Some carriers know their customers by it."""
    objects = trunk_objects(replace(WITH_LOGIN, from_domain="customer.example"))

    assert objects["endpoint"]["from_domain"] == "customer.example"
    assert objects["registration"]["client_uri"] == "sip:harbour@customer.example;transport=tls"


@pytest.mark.parametrize(
    "change", [{"host": "a\nb"}, {"username": "x\r\ny", "password": "z"}, {"codecs": ("ulaw\x00",)}]
)
def test_control_characters_are_refused(change: dict[str, Any]):
    """They could begin a setting of somebody else's making."""
    with pytest.raises(InvalidField):
        trunk_objects(replace(PLAIN, **change))


async def test_what_a_trunk_no_longer_has_is_taken_away():
    """A trunk that lost its login keeps neither its registration nor its password; the endpoint is changed first."""
    rest = RecordingRest()
    await put(rest, PLAIN)  # type: ignore[arg-type]

    assert rest.asked == [
        ("put", "aor"),
        ("put", "endpoint"),
        ("put", "identify"),
        ("delete", "registration"),
        ("delete", "auth"),
    ]


async def test_a_trunk_is_removed_in_reverse():
    """Nothing ever refers to what is gone."""
    rest = RecordingRest()
    await remove(rest, PLAIN.id)  # type: ignore[arg-type]

    assert [kind for _, kind in rest.asked] == ["registration", "identify", "endpoint", "aor", "auth"]
