"""Runs migrations on the connection that `store.migrate` opened."""

from alembic import context

from trunkline.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite can't alter most things in place
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
