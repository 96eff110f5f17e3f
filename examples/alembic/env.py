"""Runs the migrations in autocommit, by whichever driver DATABASE_URL names."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url

url = make_url(os.environ["DATABASE_URL"])


def migrate(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_async() -> None:
    from sqlalchemy.ext.asyncio import create_async_engine  # needs sqlalchemy[asyncio], the other drivers do not

    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


# AUTOCOMMIT, for CREATE INDEX CONCURRENTLY and the like cannot run in a transaction.
if url.get_dialect().is_async:
    asyncio.run(migrate_async())
else:
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        migrate(connection)
