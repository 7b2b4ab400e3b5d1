"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes every table, owners first."""
    _organizations()
    _api_keys()
    _assistants()
    _trunks()
    _numbers()
    _calls()
    _idempotency_keys()


def downgrade() -> None:
    """Drops them, owners last."""
    for table in (
        "idempotency_keys",
        "calls",
        "numbers",
        "trunks",
        "assistants",
        "api_keys",
        "organizations",
    ):
        op.drop_table(table)


def _organizations() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["organizations.id"], name="fk_organizations_parent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
    )


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_api_keys_organization_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("sha256", name="uq_api_keys_sha256"),
    )
    op.create_index("ix_api_keys_organization_id_created_at", "api_keys", ["organization_id", "created_at"])


def _assistants() -> None:
    op.create_table(
        "assistants",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_assistants_organization_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_assistants"),
    )
    op.create_index(
        "ix_assistants_organization_id_created_at", "assistants", ["organization_id", "created_at"]
    )


def _trunks() -> None:
    op.create_table(
        "trunks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_trunks_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_trunks"),
    )
    op.create_index("ix_trunks_organization_id_created_at", "trunks", ["organization_id", "created_at"])


def _numbers() -> None:
    op.create_table(
        "numbers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("phone_number", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("assistant_id", sa.String(length=36), nullable=True),
        sa.Column("transfer_trunk_id", sa.String(length=36), nullable=True),
        sa.Column("outbound_trunk_id", sa.String(length=36), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["assistant_id"], ["assistants.id"], name="fk_numbers_assistant_id"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_numbers_organization_id"),
        sa.ForeignKeyConstraint(["outbound_trunk_id"], ["trunks.id"], name="fk_numbers_outbound_trunk_id"),
        sa.ForeignKeyConstraint(["transfer_trunk_id"], ["trunks.id"], name="fk_numbers_transfer_trunk_id"),
        sa.PrimaryKeyConstraint("id", name="pk_numbers"),
        sa.UniqueConstraint("phone_number", name="uq_numbers_phone_number"),
    )
    op.create_index("ix_numbers_assistant_id", "numbers", ["assistant_id"])
    op.create_index("ix_numbers_organization_id_created_at", "numbers", ["organization_id", "created_at"])
    op.create_index("ix_numbers_outbound_trunk_id", "numbers", ["outbound_trunk_id"])
    op.create_index("ix_numbers_transfer_trunk_id", "numbers", ["transfer_trunk_id"])


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller_phone", sa.String(length=64), nullable=True),
        sa.Column("assistant_phone", sa.String(length=16), nullable=True),
        sa.Column("room_name", sa.String(length=40), nullable=True),
        sa.Column("number_id", sa.String(length=36), nullable=True),
        sa.Column("trunk_id", sa.String(length=36), nullable=True),
        sa.Column("assistant_id", sa.String(length=36), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=True),
        sa.Column("business_name", sa.Text(), nullable=True),
        sa.Column("assistant", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("end_reason", sa.String(length=24), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_seconds", sa.Float(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("analysis_result", sa.JSON(), nullable=True),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.Column("hangup", sa.JSON(), nullable=True),
        sa.Column("transfer", sa.JSON(), nullable=True),
        sa.Column("latency", sa.JSON(), nullable=False),
        sa.Column("media", sa.JSON(), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("recording_path", sa.Text(), nullable=True),
        sa.Column("node", sa.String(length=32), nullable=True),
        sa.Column("caller_leg_id", sa.String(length=80), nullable=True),
        sa.Column("bridge_id", sa.String(length=80), nullable=True),
        sa.CheckConstraint("direction IN ('inbound', 'outbound')", name="ck_calls_direction"),
        sa.CheckConstraint(
            "status IN ('connecting', 'in-progress', 'ended', 'failed')", name="ck_calls_status"
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_calls_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
    )
    op.create_index(
        "ix_calls_organization_id_created_at_id", "calls", ["organization_id", "created_at", "id"]
    )
    op.create_index(
        "ix_calls_organization_id_status_created_at_id",
        "calls",
        ["organization_id", "status", "created_at", "id"],
    )
    op.create_index("ix_calls_status_node", "calls", ["status", "node"])


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("endpoint", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_idempotency_keys_organization_id"
        ),
        sa.PrimaryKeyConstraint("organization_id", "endpoint", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
