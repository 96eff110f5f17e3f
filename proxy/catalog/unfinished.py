"""What migrations have left half-done in a whole database: constraints NOT VALID, indexes invalid, partitions half detached, second columns.

Reads what PUBLIC may read, in one query; of a build or VALIDATE that is going on now it cannot tell that it will end well,
so an index that some session is building just now is left out.  A second column that is being filled just now is not told from
one that was left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from proxy.sql.statements import quote_identifier

Kind = Literal["NOT VALID", "invalid index", "half detached", "second column"]

SQL = """
SELECT * FROM (
    SELECT
        'NOT VALID' AS kind, s.nspname AS schema, c.relname AS "table", k.conname AS name,
        pg_catalog.pg_get_constraintdef(k.oid) AS definition
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) k.conrelid
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE NOT k.convalidated
        AND k.conparentid OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid)
        AND COALESCE(
            pg_catalog.to_jsonb(k) OPERATOR(pg_catalog.->) 'conenforced', CAST('true' AS pg_catalog.jsonb)
        ) OPERATOR(pg_catalog.=) CAST('true' AS pg_catalog.jsonb)
    UNION ALL
    SELECT 'invalid index', s.nspname, t.relname, c.relname, pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
    JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) i.indrelid
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE NOT i.indisvalid
        AND s.nspname OPERATOR(pg_catalog.<>) 'pg_toast'
        AND NOT EXISTS (
            SELECT 1
            FROM pg_catalog.pg_locks AS l
            JOIN pg_catalog.pg_stat_activity AS a
                ON a.pid OPERATOR(pg_catalog.=) l.pid AND a.usesysid IS NOT NULL
            WHERE l.relation OPERATOR(pg_catalog.=) i.indrelid
                AND l.granted
                AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock'
        )
    UNION ALL
    SELECT 'half detached', s.nspname, p.relname, pg_catalog.concat(x.nspname, '.', c.relname), ''
    FROM pg_catalog.pg_inherits AS h
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) h.inhrelid
    JOIN pg_catalog.pg_namespace AS x ON x.oid OPERATOR(pg_catalog.=) c.relnamespace
    JOIN pg_catalog.pg_class AS p ON p.oid OPERATOR(pg_catalog.=) h.inhparent
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) p.relnamespace
    WHERE p.relkind OPERATOR(pg_catalog.=) 'p'
        AND pg_catalog.to_jsonb(h) OPERATOR(pg_catalog.->) 'inhdetachpending'
            OPERATOR(pg_catalog.=) CAST('true' AS pg_catalog.jsonb)
    UNION ALL
    -- Of a type change in steps: its definition here is what takes it away, with all that hangs on it.
    SELECT 'second column', s.nspname, c.relname, a.attname, pg_catalog.concat(
        (
            SELECT pg_catalog.string_agg(
                pg_catalog.format(
                    'ALTER TABLE %s DROP CONSTRAINT %I; ', CAST(k.conrelid AS pg_catalog.regclass), k.conname
                ), '' ORDER BY k.oid
            )
            FROM pg_catalog.pg_constraint AS k
            WHERE k.contype OPERATOR(pg_catalog.=) 'f'
                AND k.confrelid OPERATOR(pg_catalog.=) a.attrelid
                AND a.attnum OPERATOR(pg_catalog.=) ANY (k.confkey)
        ),
        (
            SELECT pg_catalog.string_agg(
                pg_catalog.format('DROP TRIGGER %I ON %I.%I; ', g.tgname, s.nspname, c.relname), '' ORDER BY g.tgname
            )
            FROM pg_catalog.pg_trigger AS g
            JOIN pg_catalog.pg_proc AS f ON f.oid OPERATOR(pg_catalog.=) g.tgfoid
            WHERE g.tgrelid OPERATOR(pg_catalog.=) a.attrelid
                AND pg_catalog.strpos(f.prosrc, CAST(a.attname AS pg_catalog.text)) OPERATOR(pg_catalog.>) 0
        ),
        pg_catalog.format('ALTER TABLE %I.%I DROP COLUMN %I', s.nspname, c.relname, a.attname),
        (
            SELECT pg_catalog.string_agg(
                pg_catalog.format('; DROP FUNCTION %s', CAST(g.tgfoid AS pg_catalog.regprocedure)), '' ORDER BY g.tgname
            )
            FROM pg_catalog.pg_trigger AS g
            JOIN pg_catalog.pg_proc AS f ON f.oid OPERATOR(pg_catalog.=) g.tgfoid
            WHERE g.tgrelid OPERATOR(pg_catalog.=) a.attrelid
                AND pg_catalog.strpos(f.prosrc, CAST(a.attname AS pg_catalog.text)) OPERATOR(pg_catalog.>) 0
        )
    )
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE pg_catalog.starts_with(CAST(a.attname AS pg_catalog.text), '_interlock_new_')
        AND NOT a.attisdropped
        AND c.relkind OPERATOR(pg_catalog.=) 'r'
) AS found
ORDER BY found.schema, found."table", found.kind, found.name
"""


@dataclass(frozen=True, slots=True)
class Unfinished:
    kind: Kind
    schema: str
    table: str
    name: str  # of the constraint or the index; of a partition with its schema
    definition: str
    finish: tuple[str, ...]  # statements that put it right, each in a transaction of its own


def decode(rows: Sequence[tuple[Any, ...]]) -> list[Unfinished]:
    """The rows of ``SQL``."""
    return [
        Unfinished(
            cast(Kind, kind),
            schema,
            table,
            name,
            "" if kind == "second column" else definition,
            _finish(kind, schema, table, name, definition),
        )
        for kind, schema, table, name, definition in rows
    ]


def _finish(kind: str, schema: str, table: str, name: str, definition: str) -> tuple[str, ...]:
    where = f"{quote_identifier(schema)}.{quote_identifier(table)}"
    match kind:
        case "NOT VALID":
            return (f"ALTER TABLE {where} VALIDATE CONSTRAINT {quote_identifier(name)}",)
        case "invalid index" if (
            " ON ONLY " in definition
        ):  # of a partitioned table: it is valid once all partitions have one
            return (
                f"-- attach an index of each partition: ALTER INDEX {quote_identifier(schema)}.{quote_identifier(name)} ATTACH PARTITION …",
            )
        case "invalid index":
            return (f"DROP INDEX CONCURRENTLY {quote_identifier(schema)}.{quote_identifier(name)}",)
        case "second column":
            # At once: without the trigger nothing fills the column, and without the column the trigger fails.
            return (
                "-- send the same ALTER TABLE again to go on with it; or take it back",
                f"BEGIN; {definition}; COMMIT",
            )
        case _:
            part = ".".join(quote_identifier(word) for word in name.split(".", 1))
            return (f"ALTER TABLE {where} DETACH PARTITION {part} FINALIZE",)
