"""The tables. Column names are the field names of `rows`; times are UTC with microseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: Final = MetaData(naming_convention=NAMES)

LIVE: Final = ("connecting", "in-progress")
"""A call in one of these is still on the PBX."""


class Utc(TypeDecorator[datetime]):
    """A moment: aware going in, aware and UTC coming out. SQLite keeps it as text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses naive times: nobody knows when they were."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite gives the zone not back; it always was UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _json(name: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, JSON(none_as_null=True), nullable=nullable)


def _owner() -> Column[Any]:
    return Column("organization_id", String(36), ForeignKey("organizations.id"), nullable=False)


organizations: Final = Table(
    "organizations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("parent_id", String(36), ForeignKey("organizations.id")),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    _owner(),
    Column("name", Text, nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_at", Utc, nullable=False),
    Column("last_used_at", Utc),
    Column("revoked_at", Utc),
    Index(None, "organization_id", "created_at"),
)

assistants: Final = Table(
    "assistants",
    metadata,
    Column("id", String(36), primary_key=True),
    _owner(),
    Column("name", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    _json("config", nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Index(None, "organization_id", "created_at"),
)

trunks: Final = Table(
    "trunks",
    metadata,
    Column("id", String(36), primary_key=True),
    _owner(),
    Column("name", Text, nullable=False),
    _json("config", nullable=False),
    Column("secret", Text),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Index(None, "organization_id", "created_at"),
)

numbers: Final = Table(
    "numbers",
    metadata,
    Column("id", String(36), primary_key=True),
    _owner(),
    Column("phone_number", String(16), nullable=False, unique=True),
    Column("name", Text),
    Column("assistant_id", String(36), ForeignKey("assistants.id")),
    Column("transfer_trunk_id", String(36), ForeignKey("trunks.id")),
    Column("outbound_trunk_id", String(36), ForeignKey("trunks.id")),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("last_used_at", Utc),
    Index(None, "organization_id", "created_at"),
    Index(None, "assistant_id"),
    Index(None, "transfer_trunk_id"),
    Index(None, "outbound_trunk_id"),
)

calls: Final = Table(
    "calls",
    metadata,
    Column("id", String(80), primary_key=True),
    _owner(),
    Column("direction", String(8), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("caller_phone", String(64)),
    Column("assistant_phone", String(16)),
    Column("room_name", String(40)),
    # A call outlives the number, trunk and assistant it ran with, so these three are no foreign keys.
    Column("number_id", String(36)),
    Column("trunk_id", String(36)),
    Column("assistant_id", String(36)),
    Column("agent_name", Text),
    Column("business_name", Text),
    _json("assistant", nullable=False),
    Column("error", Text),
    Column("end_reason", String(24)),
    Column("started_at", Utc),
    Column("ended_at", Utc),
    Column("duration_seconds", Float),
    Column("summary", Text),
    _json("analysis_result"),
    _json("messages", nullable=False),
    _json("metadata"),
    _json("hangup"),
    _json("transfer"),
    _json("latency", nullable=False),
    _json("media"),
    _json("warnings", nullable=False),
    Column("recording_path", Text),
    Column("node", String(32)),
    Column("caller_leg_id", String(80)),
    Column("bridge_id", String(80)),
    CheckConstraint("direction IN ('inbound', 'outbound')", name="direction"),
    CheckConstraint("status IN ('connecting', 'in-progress', 'ended', 'failed')", name="status"),
    Index(None, "organization_id", "created_at", "id"),
    Index(None, "organization_id", "status", "created_at", "id"),
    Index(None, "status", "node"),
)

idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("organization_id", String(36), ForeignKey("organizations.id"), primary_key=True),
    Column("endpoint", String(200), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("status", Integer),
    Column("body", Text),
    Index(None, "created_at"),
)
