"""Trunks put into Asterisk while it runs, by ARI's dynamic configuration: what each object holds, and in which order.

The PBX keeps them in memory only, so whoever owns this puts them again after each connect. Answers to a push carry
passwords in clear; they are not looked at.
"""

from __future__ import annotations

import ipaddress
from typing import Final

import structlog

from trunkline.core.errors import InvalidField
from trunkline.core.ids import TrunkId
from trunkline.pbx.asterisk.ari_rest import AriRest, segment
from trunkline.pbx.asterisk.dialling import endpoint_id
from trunkline.pbx.port import TrunkSpec

_log = structlog.get_logger()

INBOUND_CONTEXT: Final = "trunkline-inbound"
"""Where a carrier's calls to us enter the dialplan; dialplan/trunkline.conf has it."""

_ORDER: Final = ("auth", "aor", "endpoint", "identify", "registration")
"""Each refers to those before it; they go in reverse."""

Fields = dict[str, str]


def trunk_objects(trunk: TrunkSpec) -> dict[str, Fields]:
    """The trunk as Asterisk's objects, by kind, in the order in which they are put. Pure.

    Raises:
        InvalidField: a value that would end one setting and begin another.
    """
    name = endpoint_id(trunk.id)
    with_login = trunk.username is not None and trunk.password is not None
    objects: dict[str, Fields] = {}
    if with_login:
        objects["auth"] = {
            "auth_type": "userpass",
            "username": trunk.username or "",
            "password": trunk.password or "",
        }
    objects["aor"] = {"contact": _uri(trunk, None), "qualify_frequency": "30", "qualify_timeout": "3.0"}
    objects["endpoint"] = _endpoint(trunk, name, with_login=with_login)
    objects["identify"] = {"endpoint": name, "match": ",".join(_addresses(trunk))}
    if trunk.register and trunk.username is not None:
        objects["registration"] = _registration(trunk, name, with_login=with_login)
    for fields in objects.values():
        for attribute, value in fields.items():
            if not value.isprintable():
                raise InvalidField(attribute, f"A trunk's {attribute} must not have control characters.")
    return objects


async def put(rest: AriRest, trunk: TrunkSpec) -> None:
    """Makes the trunk usable, or brings it up to date.

    Raises:
        InvalidField: the trunk can't be written down.
        UpstreamError: the PBX refused or can't be reached; some objects may be there.
    """
    objects = trunk_objects(trunk)
    name = endpoint_id(trunk.id)
    for kind in _ORDER:
        if kind in objects:
            await rest.put(
                _path(kind, name),
                {"fields": [{"attribute": a, "value": v} for a, v in objects[kind].items()]},
            )
        elif kind != "auth":
            await rest.delete(_path(kind, name))
    if "auth" not in objects:
        # Only now: until here the old endpoint may have referred to it.
        await rest.delete(_path("auth", name))
    _log.info("trunk put", trunk_id=trunk.id)


async def remove(rest: AriRest, trunk_id: TrunkId) -> None:
    """Takes the trunk away; calls on it go on. No error when it is gone."""
    for kind in reversed(_ORDER):
        await rest.delete(_path(kind, endpoint_id(trunk_id)))
    _log.info("trunk removed", trunk_id=trunk_id)


def _path(kind: str, name: str) -> str:
    return f"/asterisk/config/dynamic/res_pjsip/{kind}/{segment(name)}"


def _endpoint(trunk: TrunkSpec, name: str, *, with_login: bool) -> Fields:
    fields = {
        "context": INBOUND_CONTEXT,
        "aors": name,
        "disallow": "all",
        "allow": ",".join(trunk.codecs),
        # The audio stays with us: it is talked to, recorded and watched here.
        "direct_media": "no",
        "rtp_symmetric": "yes",
        "force_rport": "yes",
        # No RTP goes out while the assistant is silent; a keep-alive holds the carrier's NAT and patience open. It must be
        # below rtp.conf's rtcpinterval (5 s), or only the first one is sent.
        "rtp_keepalive": "2",
        # A carrier that vanished without a BYE does not hold a line for ever.
        "rtp_timeout": "60",
        "rtp_timeout_hold": "600",
        "dtmf_mode": "rfc4733",
        # A REFER from outside would make this PBX dial at our expense.
        "allow_transfer": "no",
        "allow_subscribe": "no",
        # 183 then always means sound.
        "ignore_183_without_sdp": "yes",
        # The number that we present is believed only with these; what a carrier tells us of its callers is not trusted.
        "trust_id_outbound": "yes",
        "send_pai": "yes",
        # Who speaks for us changes with every bridge; a re-INVITE that tells a carrier so only troubles it.
        "send_connected_line": "no",
        "trust_id_inbound": "no",
        "identify_by": "ip",
        "media_encryption": "sdes" if trunk.srtp else "no",
        # Never silently without encryption where it was asked for.
        "media_encryption_optimistic": "no",
    }
    if trunk.from_domain:
        fields["from_domain"] = trunk.from_domain
    # An empty value also clears what an earlier push of this trunk left.
    fields["outbound_auth"] = name if with_login else ""
    return fields


def _registration(trunk: TrunkSpec, name: str, *, with_login: bool) -> Fields:
    fields = {
        "server_uri": _uri(trunk, None),
        "client_uri": _uri(trunk, trunk.username, host=trunk.from_domain),
        "contact_user": trunk.username or "",
        "endpoint": name,
        # Calls that come over the registration find the endpoint even from an address that we do not know.
        "line": "yes",
        "expiration": "300",
        "retry_interval": "30",
        # Asterisk's defaults give up for good after a 403, a 404 or ten tries.
        "max_retries": "1000000",
        "auth_rejection_permanent": "no",
        "forbidden_retry_interval": "120",
        "fatal_retry_interval": "120",
    }
    if with_login:
        fields["outbound_auth"] = name
    return fields


def _uri(trunk: TrunkSpec, user: str | None, *, host: str | None = None) -> str:
    place = f"{_bracketed(trunk.host)}:{trunk.port}" if host is None else _bracketed(host)
    transport = "" if trunk.transport == "udp" else f";transport={trunk.transport}"
    return f"sip:{user + '@' if user else ''}{place}{transport}"


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def _addresses(trunk: TrunkSpec) -> list[str]:
    return list(dict.fromkeys((trunk.host, *trunk.inbound_addresses)))
