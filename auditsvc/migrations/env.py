"""Alembic's entry point; called only by :func:`auditsvc.ground.database.migrate`, which hands over its connection."""

from alembic import context

from auditsvc.ground.database import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
