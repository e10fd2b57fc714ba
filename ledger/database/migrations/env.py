"""Runs migrations on the connection that `ledger.database.migrate` hands over."""

from alembic import context

from ledger.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
