"""A SIP trunk as clients write it, as it is kept, as the PBX needs it and as it is answered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from trunkline.core.clock import iso_utc
from trunkline.pbx.port import TrunkSpec
from trunkline.resources.fields import WHOLE, Address, Credential, DialPrefix, Document, Host, Name, Source
from trunkline.resources.schema_rules import present
from trunkline.store.rows import TrunkRow

_FORMS: Final = ("address", "outbound_address", "host")
_RENAMED: Final = (("username", "auth_username"), ("password", "auth_password"))
_PORTS: Final = {"udp": 5060, "tcp": 5060, "tls": 5061}
DEFAULTS: Final[Mapping[str, Any]] = {
    "provider": None,
    "host": "",
    "port": None,
    "transport": "udp",
    "auth_username": None,
    "inbound_addresses": [],
    "register": False,
    "codecs": ["ulaw", "alaw"],
    "srtp": False,
    "max_channels": None,
    "cps": None,
    "prefix": "",
    "strip": 0,
    "from_domain": None,
}
"""What a trunk's document holds when a field was not given."""


class _Common(Document):
    """What a new trunk and a patch have alike.

    Several spellings of one thing are taken when they agree, so that an answer can be sent back as it came. Agreement is
    more than JSON Schema can say.
    """

    address: Address | None = Field(None, description="Where the carrier takes calls: `host[:port]`.")
    outbound_address: Address | None = Field(None, description="The same in another spelling.")
    host: Host | None = Field(None, description="The same, without the port.")
    port: Annotated[int, Field(ge=1, le=65535), WHOLE] | None = Field(
        None, description="Port beside `host`; absent: 5060, or 5061 for tls."
    )
    auth_username: Credential | None = Field(None, description="User that the carrier asks for.")
    username: Credential | None = Field(None, description="The same in another spelling.")
    auth_password: Credential | None = Field(
        None, description="Its password; kept encrypted, never answered."
    )
    password: Credential | None = Field(None, description="The same in another spelling.")
    transport: Literal["udp", "tcp", "tls"] | None = Field(None, description="udp when absent.")
    inbound_addresses: list[Source] | None = Field(
        None, max_length=100, description="From where the carrier sends calls, besides `address`."
    )
    register_: bool | None = Field(
        None, alias="register", description="Registers with the carrier, which some need to send calls."
    )
    codecs: list[Literal["ulaw", "alaw", "g722", "opus", "slin16", "gsm"]] | None = Field(
        None, min_length=1, max_length=6, description="Best first; ulaw, alaw when absent."
    )
    srtp: bool | None = Field(None, description="Encrypts the audio.")
    max_channels: Annotated[int, Field(ge=1, le=100_000), WHOLE] | None = Field(
        None, description="Most calls at once; absent: no limit of the trunk's own."
    )
    cps: float | None = Field(
        None, gt=0, le=1000, description="Most new calls a second; absent: no limit of the trunk's own."
    )
    prefix: DialPrefix | None = Field(None, description="Put in front of the number that is dialled.")
    strip: Annotated[int, Field(ge=0, le=15), WHOLE] | None = Field(
        None,
        description="Characters taken off the number's front before `prefix` goes on; 1 takes the +.",
    )
    from_domain: Host | None = Field(None, description="Domain in our From header.")

    @model_validator(mode="after")
    def _one_spelling(self) -> Self:
        fields = self.__dict__
        for other, name in _RENAMED:
            if fields[other] is not None and fields[name] is not None and fields[other] != fields[name]:
                raise _broken(other, f"is another name of {name}; both were given, with different values")
        forms = [(form, *split_address(fields[form])) for form in _FORMS if fields[form] is not None]
        ports = {port for _, _, port in forms if port is not None}
        if len({host for _, host, _ in forms}) > 1 or len(ports) > 1:
            raise _broken(
                forms[-1][0], f"is another name of {forms[0][0]}; both were given, with different values"
            )
        if ports and fields["port"] is not None and ports != {fields["port"]}:
            raise _broken("port", "differs from the port in the address")
        return self

    def changes(self) -> dict[str, Any]:
        """The given fields of the kept document; null means default, but no trunk is without host. The password is not among them."""
        fields = {
            type(self).model_fields[name].alias or name: self.__dict__[name] for name in self.model_fields_set
        }
        known = DEFAULTS.keys() & fields.keys() - {"host"}
        changes = {name: DEFAULTS[name] if fields[name] is None else fields[name] for name in known}
        if "username" in fields:
            changes["auth_username"] = fields["username"] or changes.get("auth_username")
        forms = [split_address(fields[form]) for form in _FORMS if fields.get(form) is not None]
        if forms:
            ports = [port for _, port in forms if port is not None]
            changes |= {"host": forms[0][0], "port": next(iter(ports), fields.get("port"))}
        return changes

    @property
    def password_given(self) -> bool:
        """Whether the request says anything about the password, null included."""
        return not self.model_fields_set.isdisjoint({"password", "auth_password"})

    @property
    def new_password(self) -> str | None:
        """The password in either spelling."""
        return self.auth_password or self.password


def _broken(param: str, sentence: str) -> PydanticCustomError:
    return PydanticCustomError("rule", sentence, {"param": param})


class TrunkCreate(_Common):
    """A SIP connection to a carrier. The carrier's address is needed in one of its three spellings."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [present(form, "string") for form in _FORMS]})

    name: Name = Field(description="How people call it.")
    provider: Name = Field(description="Who the carrier is, in your words.")

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        if all(self.__dict__[form] is None for form in _FORMS):
            raise _broken("address", "is required, as host[:port]")
        return self


class TrunkPatch(_Common):
    """What changes; null goes back to the default."""

    name: Name = Field(default_factory=str, description="How people call it.")
    provider: Name = Field(default_factory=str, description="Who the carrier is, in your words.")


def split_address(address: str) -> tuple[str, int | None]:
    """`host[:port]` apart; an IPv6 address stays in its brackets."""
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        return address, None
    return host, int(port)


def trunk_spec(row: TrunkRow, password: str | None) -> TrunkSpec:
    """What the PBX must know; `password` in clear."""
    config = {**DEFAULTS, **row.config}
    return TrunkSpec(
        id=row.id,
        host=config["host"],
        port=config["port"] or _PORTS[config["transport"]],
        transport=config["transport"],
        username=config["auth_username"],
        password=password,
        register=config["register"],
        from_domain=config["from_domain"],
        codecs=tuple(config["codecs"]),
        srtp=config["srtp"],
        inbound_addresses=tuple(config["inbound_addresses"]),
        strip=config["strip"],
        prefix=config["prefix"],
    )


def render_trunk(row: TrunkRow, status: Mapping[str, Any]) -> dict[str, Any]:
    """The trunk as the API answers it, in every spelling; of the password only whether there is one."""
    config = {**DEFAULTS, **row.config}
    address = f"{config['host']}:{config['port']}" if config["port"] else config["host"]
    return {
        "id": row.id,
        "name": row.name,
        **config,
        "address": address,
        "outbound_address": address,
        "port": config["port"] or _PORTS[config["transport"]],
        "username": config["auth_username"],
        "has_password": row.secret is not None,
        "status": dict(status),
        "created_at": iso_utc(row.created_at),
        "updated_at": iso_utc(row.updated_at),
    }
