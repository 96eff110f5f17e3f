"""What the rules about an open transaction have in common: what it holds already, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proxy.catalog.facts import Held
from proxy.plans.plan import Lock
from proxy.rules.base import Context
from proxy.sql.statements import Name

# Where migration tools keep their history: a row or two, of no other session's concern.
BOOKKEEPING = frozenset(
    {
        "alembic_version", "django_migrations", "django_content_type", "schema_migrations", "ar_internal_metadata", "flyway_schema_history",
        "databasechangelog", "databasechangeloglock", "_prisma_migrations", "knex_migrations", "knex_migrations_lock", "goose_db_version",
        "__drizzle_migrations", "SequelizeMeta", "migrations", "_sqlx_migrations", "schema_version", "refinery_schema_history",
        "__EFMigrationsHistory", "seaql_migrations", "gorp_migrations", "__diesel_schema_migrations", "pgmigrations", "phinxlog",
        "doctrine_migration_versions", "atlas_schema_revisions", "mikro_orm_migrations", "kysely_migration", "kysely_migration_lock",
        "migratehistory", "_yoyo_migration", "_yoyo_log", "_yoyo_version", "yoyo_lock", "aerich", "tortoise_migrations", "migration",
        "typeorm_metadata",
    }
)  # fmt: skip
MOST_NAMES = 3


def locked(context: Context) -> tuple[Held, ...]:
    """Locks of this transaction that keep others from writing, or from reading and writing; the strongest of each table."""
    strongest: dict[tuple[str, str], Held] = {}
    for one in context.facts.locked if context.facts.in_transaction and not context.facts.in_recovery else ():
        if one.table not in strongest or strongest[one.table].lock.rank < one.lock.rank:
            strongest[one.table] = one
    return tuple(strongest.values())


def wrote(context: Context) -> tuple[Held, ...]:
    """Tables of the application whose rows this transaction has written, the largest first."""
    if not context.facts.in_transaction or context.facts.in_recovery:
        return ()
    found = [h for h in context.facts.held if h.lock is Lock.ROW_EXCLUSIVE and h.table[1] not in BOOKKEEPING]
    return tuple(sorted(found, key=lambda h: float("inf") if h.size_bytes is None else h.size_bytes, reverse=True))


def blocked(held: Sequence[Held]) -> str:
    """``reads and writes of "orders" and writes to "customers"``."""
    both = [h for h in held if h.lock is Lock.ACCESS_EXCLUSIVE]
    writes = [h for h in held if h.lock is not Lock.ACCESS_EXCLUSIVE]
    said = [f"reads and writes of {listed(both)}"] if both else []
    return " and ".join([*said, f"writes to {listed(writes)}"] if writes else said)


def listed(held: Iterable[Held]) -> str:
    names = [f'"{h.table[1]}"' for h in held]
    shown, more = names[:MOST_NAMES], len(names) - MOST_NAMES
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two (schema, name) may be one table: a schema that is not known may be any."""
    return one[1] == other[1] and (one[0] == other[0] or not one[0] or not other[0])


def named(held: Held, at: Name) -> Name:
    """Its name, at the place of another."""
    return Name(held.table if held.table[0] else held.table[1:], at.span)
