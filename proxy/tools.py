"""Recognising the migration tool by its bookkeeping, so that a message can name the remedy in the tool's own words.

Nothing here is needed for safety: a tool that is not recognised gets the same decisions and a general hint.
Few tools set ``application_name``; the table in which each one keeps its history gives it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True)
class Tool:
    """A migration tool: what its own statements contain, and how to run a migration of it outside a transaction."""

    name: str
    remedy: str | None
    """None where the tool has no switch for it."""
    marks: tuple[tuple[str, ...], ...]
    """Lower case; a statement is the tool's if it contains all texts of one group.  ``MARKS`` looks for the first of each."""
    applications: tuple[str, ...] = ()
    """Values of ``application_name`` that only this tool sends."""


HEAD_BYTES: Final = 4096
"""Bookkeeping statements are short, and dbmate's files begin with their mark; no more of a statement is looked at."""

# The order decides where two could match: the more particular one first.
TOOLS: Final[tuple[Tool, ...]] = (
    Tool(
        "Django",
        "set atomic = False on the Migration class, in a migration of its own",
        (("django_migrations",),),
    ),
    Tool(
        "Alembic", "put the operation into a block: with op.get_context().autocommit_block():", (("alembic_version",),)
    ),
    Tool(
        "Ecto",
        "put @disable_ddl_transaction true and @disable_migration_lock true into a migration of its own",
        (
            ("schema_migrations", "inserted_at"),
            ('lock table "schema_migrations" in share update exclusive mode',),
            ('from "schema_migrations" as s0',),
            ("t.typreceive", "t.typsend", "pg_range"),
        ),
    ),
    Tool(
        "Rails",
        "put disable_ddl_transaction! into the migration class, in a migration of its own",
        (
            ("ar_internal_metadata",),
            ('"schema_migrations"."version"',),
            ('insert into "schema_migrations" ("version") values',),
        ),
        ("bin/rails", "rails", "rake", "bin/rake"),
    ),
    Tool(
        "golang-migrate",
        "put this statement alone into a migration file of its own: the whole file is sent as one transaction",
        (("schema_migrations", "dirty"), ('"schema_migrations"', "truncate")),
    ),
    Tool(
        "dbmate",
        "begin the migration with: -- migrate:up transaction:false, in a file with this statement only",
        (("-- migrate:up",), ("schema_migrations", "(version varchar"), ("schema_migrations (version) values",)),
    ),
    Tool("goose", "put -- +goose NO TRANSACTION at the top of the migration file", (("goose_db_version",),)),
    Tool("sql-migrate", "begin the migration with: -- +migrate Up notransaction", (("gorp_migrations",),)),
    Tool(
        "Flyway",
        "put executeInTransaction=false into the script's .conf file (V7__name.sql.conf), and set flyway.postgresql.transactional.lock=false",
        (("flyway_schema_history",),),
    ),
    Tool(
        "Liquibase", 'set runInTransaction="false" on the changeSet, with this change only', (("databasechangelog",),)
    ),
    Tool("Laravel", "put public $withinTransaction = false; into the migration class", (('"migrations"', '"batch"'),)),
    Tool(
        "Doctrine Migrations",
        "add public function isTransactional(): bool { return false; } to the migration, and leave out --all-or-nothing",
        (("doctrine_migration_versions",),),
    ),
    Tool("Phinx", "add public function useTransactions(): bool { return false; } to the migration", (("phinxlog",),)),
    Tool("Knex", "put exports.config = { transaction: false }; into the migration file", (("knex_migrations",),)),
    Tool(
        "Prisma",
        "put this statement alone into a migration.sql of its own (prisma migrate dev --create-only): several in one file are one transaction",
        (("_prisma_migrations",), ("pg_advisory_lock(72707369)",)),
    ),
    Tool(
        "Sequelize",
        "leave the transaction option out of this call, and open no sequelize.transaction() around it",
        (("sequelizemeta",),),
    ),
    Tool("Drizzle", None, (("__drizzle_migrations",),)),
    Tool("node-pg-migrate", "call pgm.noTransaction() in the migration", (("pgmigrations",),)),
    Tool(
        "MikroORM",
        "add isTransactional() { return false; } to the migration, and set migrations: { allOrNothing: false }",
        (("mikro_orm_migrations",),),
    ),
    Tool(
        "Kysely", "run these migrations with new Migrator({ …, disableTransactions: true })", (("kysely_migration",),)
    ),
    Tool(
        "graphile-migrate",
        "make --! no-transaction the first line of the migration, with this statement only",
        (("graphile_migrate",),),
    ),
    Tool(
        "TypeORM",
        'put transaction = false into the migration class, and run with migrationsTransactionMode: "each"',
        (('"migrations"', '"timestamp"'), ('from "migrations" "migrations"',)),
    ),
    Tool(
        "postgres-migrations",
        "make -- postgres-migrations disable-transaction the first line of the migration file",
        (
            ('"hash"', "into migrations"),
            ("hash varchar(40)", "migrations"),
            ("pg_try_advisory_lock(-8525285245963000605)",),
        ),
    ),
    Tool("db-migrate", "run it with db-migrate up --non-transactional", (("run_on", '"migrations"'),)),
    Tool(
        "yoyo",
        "put __transactional__ = False into the migration (in SQL files: -- transactional: false)",
        (("_yoyo_",), ("yoyo_lock",)),
    ),
    Tool("Aerich", "put RUN_IN_TRANSACTION = False into a migration file with this statement only", (('"aerich"',),)),
    Tool("Tortoise", "set atomic = False on the Migration class", (("tortoise_migrations",),)),
    Tool(
        "Piccolo",
        "give wrap_in_transaction=False to the MigrationManager of the migration",
        (("ran_on", "migration"),),
    ),
    Tool("peewee-migrate", None, (("migratehistory",),)),
    Tool(
        "sqlx",
        "make -- no-transaction the first line of the migration file, with this statement only",
        (("_sqlx_migrations",),),
    ),
    Tool("refinery", None, (("refinery_schema_history",),)),
    Tool(
        "SeaORM",
        "add fn use_transaction(&self) -> Option<bool> { Some(false) } to the migration (SeaORM 2.0)",
        (("seaql_migrations",),),
    ),
    Tool(
        "Diesel",
        "put run_in_transaction = false into the migration's metadata.toml",
        (("__diesel_schema_migrations",),),
    ),
    Tool(
        "tern",
        "put ---- tern: disable-tx ---- into the migration file",
        (("select version from public.schema_version",), ("update public.schema_version set version",)),
    ),
    Tool("EF Core", 'use migrationBuilder.Sql("…", suppressTransaction: true)', (("__efmigrationshistory",),)),
    Tool("Atlas", "make -- atlas:txmode none the first line of the migration file", (("atlas_schema_revisions",),)),
    Tool(
        "Sqitch",
        "leave BEGIN; and COMMIT; out of this change's deploy script",
        (('"sqitch"',), ("search_path = 'sqitch'",), ("sqitch.changes",)),
    ),
    Tool("pg_restore", "leave out -1 / --single-transaction", (), ("pg_restore",)),
    Tool(
        "psql",
        "run it without BEGIN and without -1 / --single-transaction, and one statement in each -c",
        (),
        ("psql",),
    ),
)

_BY_NAME: Final = {tool.name: tool for tool in TOOLS}
_BY_APPLICATION: Final = {application: tool.name for tool in TOOLS for application in tool.applications}
_GENERAL: Final = "psql without BEGIN or -1, Django atomic = False, Rails disable_ddl_transaction!, Alembic op.get_context().autocommit_block()"


class Marks:
    """A cheap look before ``recognise``: finds every statement that it would know by its text, and few others."""

    def __init__(self) -> None:
        firsts = {group[0] for tool in TOOLS for group in tool.marks}
        # One search for each of these stands for most.  (A regular expression of all takes 0.5 µs a byte.)
        common = ("migrat", "schema_", "sqitch", "yoyo", "advisory_lock(", "an_on", "un_on")
        rest = (first for first in firsts if not any(word in first for word in common))
        self._fragments = (*common, *sorted(rest))

    def search(self, body: bytes) -> bool:
        head = body[:HEAD_BYTES].decode("latin-1").lower()  # ``in`` takes a third of the time that it does on bytes
        for fragment in self._fragments:  # noqa: SIM110
            if fragment in head:
                return True
        return False


MARKS: Final = Marks()


def recognise(application_name: str, sql: str) -> str | None:
    """The name of the tool that sends such a statement, or that has such a name; None if neither says.

    The statement counts for more: other tools run their scripts by psql.
    """
    return _recognise(application_name, sql[:HEAD_BYTES])


def named(application_name: str) -> str | None:
    """The tool that alone has such a name."""
    return _BY_APPLICATION.get(application_name)


@lru_cache(maxsize=256)
def _recognise(application_name: str, head: str) -> str | None:
    text = head.lower()
    for tool in TOOLS:
        if any(all(mark in text for mark in group) for group in tool.marks):
            return tool.name
    return named(application_name)


def whose(own: str | None, other: str | None) -> str | None:
    """The tool of a connection, by what it has shown itself and what another of the same client has: some run their scripts by psql."""
    return (other or own) if own in (None, "psql") else own


def remedy(tool: str | None) -> str:
    """How to run a migration outside a transaction, in that tool's own words: one line, no full stop."""
    known = _BY_NAME.get(tool or "")
    if known is None:
        return _GENERAL
    if known.remedy is None:
        return f"{known.name} has no switch for it: run this statement with psql, without BEGIN, before the migration"
    return f"in {known.name}: {known.remedy}"
