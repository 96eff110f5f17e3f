"""Every statement here was seen on the wire, sent by the tool it is said to be of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tools import HEAD_BYTES, MARKS, TOOLS, recognise, remedy, whose

SEEN = [
    (
        "Django",
        'INSERT INTO "django_migrations" ("app", "name", "applied") VALUES (%s, %s, %s) RETURNING "django_migrations"."id"',
    ),
    ("Alembic", "UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002'"),
    (
        "Ecto",
        'CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" bigint, "inserted_at" timestamp(0), PRIMARY KEY ("version"))',
    ),
    ("Ecto", 'LOCK TABLE "schema_migrations" IN SHARE UPDATE EXCLUSIVE MODE'),
    ("Ecto", 'SELECT s0."version" FROM "schema_migrations" AS s0'),
    ("Ecto", 'INSERT INTO "schema_migrations" ("version","inserted_at") VALUES ($1,$2)'),
    (
        "Ecto",
        "SELECT t.oid, t.typname, t.typsend, t.typreceive FROM pg_type AS t LEFT JOIN pg_range AS r ON r.rngtypid = t.oid",
    ),
    (
        "Rails",
        'SELECT "schema_migrations"."version" FROM "schema_migrations" ORDER BY "schema_migrations"."version" ASC',
    ),
    ("Rails", 'INSERT INTO "schema_migrations" ("version") VALUES ($1) RETURNING "version"'),
    ("Rails", """INSERT INTO "schema_migrations" ("version") VALUES ('20240101000001') RETURNING "version\""""),
    (
        "Rails",
        'SELECT "ar_internal_metadata".* FROM "ar_internal_metadata" WHERE "ar_internal_metadata"."key" = $1 LIMIT $2',
    ),
    ("golang-migrate", 'SELECT version, dirty FROM "public"."schema_migrations" LIMIT 1'),
    ("golang-migrate", 'INSERT INTO "public"."schema_migrations" (version, dirty) VALUES ($1, $2)'),
    ("golang-migrate", 'TRUNCATE "public"."schema_migrations"'),
    ("dbmate", "create table if not exists public.schema_migrations (version varchar primary key)"),
    ("dbmate", "insert into public.schema_migrations (version) values ($1)"),
    ("dbmate", "-- migrate:up\nCREATE INDEX posts_title_idx ON posts (title);"),
    ("goose", "SELECT version_id, is_applied from goose_db_version ORDER BY id DESC"),
    ("sql-migrate", 'insert into "gorp_migrations" ("id","applied_at") values ($1,$2);'),
    ("Flyway", 'INSERT INTO "public"."flyway_schema_history" ("installed_rank", "version") VALUES ($1, $2)'),
    ("Liquibase", "SELECT COUNT(*) FROM public.databasechangeloglock"),
    ("Liquibase", "INSERT INTO public.databasechangelog (ID, AUTHOR, FILENAME) VALUES ('04', 'lab', 'c.xml')"),
    ("Laravel", 'insert into "migrations" ("migration", "batch") values ($1, $2)'),
    ("Laravel", 'select "migration" from "migrations" order by "batch" asc, "migration" asc'),
    ("Doctrine Migrations", "SELECT * FROM doctrine_migration_versions"),
    ("Knex", 'insert into "knex_migrations" ("batch", "migration_time", "name") values ($1, $2, $3)'),
    ("Knex", 'update "knex_migrations_lock" set "is_locked" = $1 where "is_locked" = $2'),
    (
        "Prisma",
        "INSERT INTO _prisma_migrations (id, checksum, logs, started_at, migration_name) VALUES ($1, $2, $3, $4, $5)",
    ),
    ("Prisma", "SELECT pg_advisory_lock(72707369)"),
    ("Sequelize", 'INSERT INTO "SequelizeMeta" ("name") VALUES ($1) RETURNING "name";'),
    ("postgres-migrations", "SELECT pg_try_advisory_lock(-8525285245963000605);"),
    ("tern", "select version from public.schema_version"),
    ("tern", "update public.schema_version set version=$1"),
    ("Drizzle", 'insert into "drizzle"."__drizzle_migrations" ("hash", "created_at") values(\'ab\', \'1\')'),
    ("node-pg-migrate", """INSERT INTO "public"."pgmigrations" (name, run_on) VALUES ('1_a', NOW());"""),
    ("MikroORM", 'select "name" from "mikro_orm_migrations"'),
    ("Kysely", 'select "name", "timestamp" from "kysely_migration" order by "timestamp", "name"'),
    ("graphile-migrate", "select filename from graphile_migrate.migrations order by filename desc limit 1"),
    ("TypeORM", 'SELECT * FROM "migrations" "migrations" ORDER BY "id" DESC'),
    ("TypeORM", 'INSERT INTO "migrations"("timestamp", "name") VALUES ($1, $2)'),
    ("postgres-migrations", 'INSERT INTO migrations ("id","name","hash") VALUES ($1,$2,$3)'),
    ("db-migrate", 'INSERT INTO "migrations" ("name", "run_on") VALUES ($1, $2)'),
    ("yoyo", "INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ($1, $2)"),
    ("yoyo", "INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, $1, $2)"),
    ("Aerich", 'INSERT INTO "aerich" ("version","app","content") VALUES ($1,$2,$3) RETURNING "id"'),
    ("Tortoise", "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ($1, $2, $3)"),
    ("Piccolo", 'INSERT INTO "migration" ("name", "app_name", "ran_on") VALUES ($1, $2, $3)'),
    ("peewee-migrate", 'INSERT INTO "migratehistory" ("name", "migrated_at") VALUES (%s, %s)'),
    ("sqlx", "INSERT INTO _sqlx_migrations ( version, description, success ) VALUES ( $1, $2, TRUE )"),
    ("Diesel", 'SELECT "__diesel_schema_migrations"."version" FROM "__diesel_schema_migrations"'),
    ("EF Core", 'SELECT "MigrationId" FROM "__EFMigrationsHistory" ORDER BY "MigrationId"'),
    ("Sqitch", "SET search_path = 'sqitch'"),
]


@pytest.mark.parametrize(("tool", "sql"), SEEN)
def test_a_tool_is_known_by_its_own_statements(tool: str, sql: str) -> None:
    assert recognise("", sql) == tool
    assert recognise("", sql.lower()) == tool
    assert recognise("psql", sql) == tool  # the statement counts for more than the name
    assert MARKS.search(sql.encode())


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT 1",
        "BEGIN",
        "CREATE INDEX posts_title_idx ON posts (title)",
        "ALTER TABLE orders ADD COLUMN migrated_at timestamptz",
        "ALTER TABLE users ADD COLUMN batch integer, ADD COLUMN hash text",
        "UPDATE bird_migrations SET run_on = now()",
        "select version from public.schema_migrations order by version desc",  # several tools send this
        "TRUNCATE orders",
    ],
)
def test_other_statements_are_nobodys(sql: str) -> None:
    assert recognise("", sql) is None
    assert recognise("my application", sql) is None


@pytest.mark.parametrize(
    ("application", "tool"),
    [
        ("psql", "psql"),
        ("pg_restore", "pg_restore"),
        ("bin/rails", "Rails"),
        ("postgres.js", None),
        ("PSQL tool", None),
        ("", None),
    ],
)
def test_application_names(application: str, tool: str | None) -> None:
    assert recognise(application, "CREATE INDEX ON posts (title)") == tool


REMEDIES = {
    "Django": "atomic = False",
    "Alembic": "with op.get_context().autocommit_block():",
    "Ecto": "@disable_ddl_transaction true and @disable_migration_lock true",
    "Rails": "disable_ddl_transaction!",
    "golang-migrate": "file of its own",
    "dbmate": "-- migrate:up transaction:false",
    "goose": "-- +goose NO TRANSACTION",
    "sql-migrate": "-- +migrate Up notransaction",
    "Flyway": "executeInTransaction=false",
    "Liquibase": 'runInTransaction="false"',
    "Laravel": "public $withinTransaction = false;",
    "Doctrine Migrations": "isTransactional(): bool { return false; }",
    "Knex": "exports.config = { transaction: false };",
    "Prisma": "migration.sql of its own",
    "Sequelize": "transaction option",
    "Drizzle": "psql",
    "node-pg-migrate": "pgm.noTransaction()",
    "TypeORM": "transaction = false",
    "yoyo": "__transactional__ = False",
    "sqlx": "-- no-transaction",
    "psql": "without BEGIN",
}


@pytest.mark.parametrize(("tool", "code"), REMEDIES.items())
def test_the_remedy_holds_the_tool_s_own_code(tool: str, code: str) -> None:
    assert code in remedy(tool)
    assert tool in remedy(tool)


@pytest.mark.parametrize("tool", [*(tool.name for tool in TOOLS), None, "unheard of"])
def test_a_remedy_is_one_short_line(tool: str | None) -> None:
    text = remedy(tool)
    assert "\n" not in text
    assert len(text) < 200
    assert not text.endswith(".")
    assert "please" not in text.lower()


def test_the_general_remedy_names_likely_tools() -> None:
    assert remedy(None) == remedy("unheard of")
    for word in ("Django", "Rails", "Alembic", "psql"):
        assert word in remedy(None)


def test_every_tool_can_be_recognised_and_names_are_unique() -> None:
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)
    for tool in TOOLS:
        assert tool.marks or tool.applications
        for group in tool.marks:
            assert all(mark == mark.lower() for mark in group)
            assert recognise("", " ".join(group)) is not None


@given(
    sql=st.text(st.sampled_from("schema_migrations \"'.,();-inertdyov1"), max_size=60)
    | st.sampled_from([sql for _, sql in SEEN])
)
def test_the_cheap_look_misses_nothing(sql: str) -> None:
    """Whatever is recognised by its text is found by MARKS in its bytes."""
    assert recognise("", sql) is None or MARKS.search(sql.encode())


def test_only_the_head_of_a_statement_is_looked_at() -> None:
    """A dump of many megabytes costs as little as its first lines."""
    late = "x" * HEAD_BYTES + "alembic_version"
    assert recognise("", late) is None
    assert not MARKS.search(late.encode())


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        ("Knex", "Sqitch", "Knex"),
        ("psql", "Sqitch", "Sqitch"),
        ("psql", None, "psql"),
        (None, "Ecto", "Ecto"),
        (None, None, None),
    ],
)
def test_whose_words_a_remedy_is_in(own: str | None, other: str | None, said: str | None) -> None:
    assert whose(own, other) == said
