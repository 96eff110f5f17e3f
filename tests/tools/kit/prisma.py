"""Prisma, its engine in JavaScript: no transactions at all, and a migration recorded before it is run."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.tools.scenario import Step, Tool, run_program, without_transactions
from tests.tools.ways import Ran, Way

CONFIG = """import { PrismaPg } from '@prisma/adapter-pg';

export default {
  experimental: { adapter: true },
  engine: 'js',
  schema: 'schema.prisma',
  migrations: { path: 'migrations' },
  adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL }),
};
"""
# Else it tries to download its native engines, of which it asks only whether they can connect.
NATIVE = dict.fromkeys(("PRISMA_QUERY_ENGINE_LIBRARY", "PRISMA_SCHEMA_ENGINE_BINARY"), shutil.which("true") or "true")
SCHEMA = """datasource db {
  provider = "postgresql"
  url      = env("DATABASE_URL")
}
"""
ALWAYS = {
    "prisma.config.ts": CONFIG,
    "schema.prisma": SCHEMA,
    "migrations/migration_lock.toml": 'provider = "postgresql"\n',
}


def name(step: Step) -> str:
    return f"202601010000{step.number:02}_{step.title}"


def prisma(folder: Path, way: Way, *command: str) -> Ran:
    env = {"DATABASE_URL": way.url, "PRISMA_HIDE_UPDATE_MESSAGE": "1", "CHECKPOINT_DISABLE": "1", **NATIVE}
    return run_program(folder, "node_modules/.bin/prisma", "migrate", *(command or ("deploy",)), env=env)


def resolve(folder: Path, way: Way) -> None:
    """The failed migration is recorded, and keeps all others from running until its user says what became of it."""
    with way.server.connect(way.database) as session:
        (failed,) = session.execute(
            "SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL"
        ).fetchone() or ("",)
    ran = prisma(folder, way, "resolve", "--rolled-back", failed)
    assert ran.status == 0, ran.output
    way.sql("DELETE FROM _prisma_migrations WHERE rolled_back_at IS NOT NULL")  # else it is a row more than directly


PRISMA = Tool(
    "Prisma 6.19, engine js (pg 8.23)",
    [{f"migrations/{name(step)}/migration.sql": step.up, **ALWAYS} for step in without_transactions()],
    prisma,
    node="prisma",
    recover=resolve,
)
TOOLS = {"prisma": PRISMA}
