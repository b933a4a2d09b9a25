"""Alembic's entry: runs the revisions on the connection that `migrate` hands over."""

from alembic import context

from khata.engine.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,
)
context.run_migrations()
