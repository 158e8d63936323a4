"""What Alembic runs around the migrations: the connection is ours, and so is the transaction."""

from alembic import context

from lb.adapters.stores.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
