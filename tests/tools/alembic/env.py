"""Runs the migrations, a transaction for each, by whichever driver DATABASE_URL names."""

import asyncio
import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

url = make_url(os.environ["DATABASE_URL"])


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_async() -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


assert context.config.config_file_name is not None
fileConfig(context.config.config_file_name)
if url.get_dialect().is_async:
    asyncio.run(migrate_async())
else:
    with create_engine(url).connect() as connection:
        migrate(connection)
