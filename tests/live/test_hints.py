"""What a hint says to run can be run, whatever things are called: each of its statements, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

import psycopg
import pytest

from proxy.rules.base import Finding, examine
from proxy.sql.read import read
from proxy.sql.statements import Unreadable, quote_identifier
from tests.facts import ask
from tests.servers import Server


def odd(start: str) -> str:
    """63 bytes with all that a name may have that SQL has another use for."""
    name = start + " \"a.b\" 'ü' \\ $$ -- /* "
    return name + "x" * (63 - len(name.encode()))


SCHEMA, TABLE, OTHER, PARTED, PART, VIEW, DOMAIN = (odd(n) for n in ("s", "t", "o", "p", "q", "m", "d"))
ID, C, D, N, FK, INDEX, EXPRESSION, CHECK, KEY = (odd(n) for n in ("id", "c", "D", "n", "f", "i", "e", "k", "u"))
NAMES = {
    "t": TABLE, "o": OTHER, "p": PARTED, "q": PART, "m": VIEW, "dom": DOMAIN, "id": ID, "c": C, "d": D, "n": N, "f": FK, "i": INDEX,
    "e": EXPRESSION, "k": CHECK, "u": KEY, "s": SCHEMA, "new": odd("new"), "new2": odd("new2"),
}  # fmt: skip
QUOTED = {short: quote_identifier(name) for short, name in NAMES.items()}


def sql(template: str) -> str:
    """``{t}`` is the table's name in quotes."""
    return template.format(**QUOTED)


MADE = """
CREATE SCHEMA {s}; SET search_path = {s};
CREATE DOMAIN {dom} AS int CHECK (VALUE > 0);
CREATE TABLE {o} ({id} int PRIMARY KEY, {c} int);
CREATE TABLE {t} ({id} int PRIMARY KEY, {c} varchar(20), {d} int, {n} numeric(8,2), {f} int, g int GENERATED ALWAYS AS ({d} + 1) STORED, u {dom});
ALTER TABLE {t} ADD CONSTRAINT {k} CHECK ({n} > 0), ADD CONSTRAINT {u} UNIQUE ({d}), ADD FOREIGN KEY ({f}) REFERENCES {o};
CREATE INDEX {i} ON {t} ({c}); CREATE INDEX {e} ON {t} (lower({c}));
CREATE TABLE {p} ({id} int NOT NULL, {c} int) PARTITION BY RANGE ({id}); CREATE TABLE {q} PARTITION OF {p} FOR VALUES FROM (0) TO (900);
CREATE MATERIALIZED VIEW {m} AS SELECT {id}, {c} FROM {o}; CREATE UNIQUE INDEX ON {m} ({id});
CREATE TABLE plain (a int); CREATE UNIQUE INDEX {new2} ON plain (a);
INSERT INTO {o} SELECT i, i FROM generate_series(1, 50) AS i;
INSERT INTO {t} ({id}, {c}, {d}, {n}, {f}, u) SELECT i, 'c', i, 1, i, 1 FROM generate_series(1, 50) AS i;
INSERT INTO {p} SELECT i, i FROM generate_series(1, 50) AS i;
REFRESH MATERIALIZED VIEW {m}; ANALYZE;
"""

# Statements, and a rule that speaks of each.
CASES = (
    ("index-not-concurrent", "CREATE INDEX {new} ON {t} ({d}, lower({c})) WHERE {n} > 1"),
    ("index-not-concurrent", "CREATE INDEX ON {t} ({d})"),
    ("index-not-concurrent", "CREATE INDEX ON {m} ({c})"),
    ("drop-index-not-concurrent", "DROP INDEX {i}"),
    ("check-validated", "ALTER TABLE {t} ADD CONSTRAINT {new} CHECK ({d} > 0)"),
    ("check-validated", "ALTER TABLE {t} ADD CHECK ({d} > 0)"),
    ("foreign-key-validated", "ALTER TABLE {t} ADD CONSTRAINT {new} FOREIGN KEY ({d}) REFERENCES {o} ({id})"),
    ("foreign-key-validated", "ALTER TABLE {t} ADD FOREIGN KEY ({d}) REFERENCES {s}.{o}"),
    ("unique-builds-index", "ALTER TABLE {t} ADD CONSTRAINT {new} UNIQUE ({f})"),
    ("unique-builds-index", "ALTER TABLE {t} ADD UNIQUE ({f}, {n})"),
    ("primary-key-builds-index", "ALTER TABLE plain ADD CONSTRAINT {new} PRIMARY KEY (a)"),
    ("primary-key-using-index-scan", "ALTER TABLE plain ADD CONSTRAINT {new} PRIMARY KEY USING INDEX {new2}"),
    ("not-null-scan", "ALTER TABLE {t} ALTER {c} SET NOT NULL"),
    ("not-null-scan", "ALTER TABLE {t} ALTER {c} SET NOT NULL, ALTER {n} SET NOT NULL"),
    ("column-check-inline", "ALTER TABLE {t} ADD {new} int CHECK ({new} > 0)"),
    ("column-check-inline", "ALTER TABLE {t} ADD {new} int CONSTRAINT {new2} CHECK ({new} > 0) CHECK ({new} < 9)"),
    ("column-foreign-key-with-default", "ALTER TABLE {t} ADD {new} int DEFAULT 1 REFERENCES {o}"),
    ("column-unique-inline", "ALTER TABLE {t} ADD {new} int UNIQUE"),
    ("constrained-domain-column", "ALTER TABLE {t} ADD {new} {dom}"),
    ("volatile-default", "ALTER TABLE {t} ADD {new} uuid NOT NULL DEFAULT gen_random_uuid()"),
    ("volatile-default", "ALTER TABLE {t} ADD {new} bigserial"),
    ("volatile-default", "ALTER TABLE {t} ADD {new} int GENERATED ALWAYS AS IDENTITY"),
    ("column-type-rewrite", "ALTER TABLE {t} ALTER {n} TYPE bigint"),
    ("column-type-scan", "ALTER TABLE {t} ALTER {n} TYPE numeric(10,2)"),
    ("column-type-rebuilds-index", "ALTER TABLE {t} ALTER {c} TYPE text"),
    ("set-expression-rewrite", "ALTER TABLE {t} ALTER g SET EXPRESSION AS ({d} + 2)"),
    ("domain-constraint-scan", "ALTER DOMAIN {dom} ADD CONSTRAINT {new} CHECK (VALUE < 99)"),
    ("domain-not-null", "ALTER DOMAIN {dom} SET NOT NULL"),
    ("reindex-not-concurrent", "REINDEX INDEX {i}"),
    ("reindex-not-concurrent", "REINDEX TABLE {t}"),
    ("refresh-not-concurrent", "REFRESH MATERIALIZED VIEW {m}"),
    ("vacuum-full", "VACUUM FULL {t}"),
    ("detach-not-concurrent", "ALTER TABLE {p} DETACH PARTITION {q}"),
    ("drop-table", "DROP TABLE {o}"),
    ("rename-table", "ALTER TABLE {t} RENAME TO {new}"),
    ("rename-column", "ALTER TABLE {t} RENAME {c} TO {new}"),
    ("truncate", "TRUNCATE {t}"),
    ("not-null-without-default", "ALTER TABLE {t} ADD {new} int NOT NULL"),
    ("foreign-key-without-index", "ALTER TABLE {t} ADD FOREIGN KEY ({f}) REFERENCES {o} ({id}) NOT VALID"),
)
ONLY_FROM = {"set-expression-rewrite": 17, "detach-not-concurrent": 14}


@pytest.fixture
def session(postgres: Server, database: str) -> Iterator[psycopg.Connection]:
    with postgres.connect(database) as found:
        found.autocommit = True
        found.execute(sql(MADE))
        yield found


def findings(session: psycopg.Connection, statement: str) -> list[Finding]:
    (one,) = read(statement)
    return [finding for _, finding in examine(one, ask(session, one, in_transaction=False))]


def runnable(hint: str) -> list[str]:
    """Its statements, as far as nothing is left open in them; lines in brackets are remarks."""
    text = "\n".join(line for line in hint.splitlines() if not line.startswith("("))
    pieces = [piece for piece in text.split(";\n") if "<" not in piece.split(" ", 1)[0]]
    kept = [s for s in read(";\n".join(pieces)) if not isinstance(s.node, Unreadable)]
    return [s.sql for s in takewhile(lambda s: "<value>" not in s.sql, kept)]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("rule", "template"), CASES, ids=[f"{rule}-{i}" for i, (rule, _) in enumerate(CASES)])
def test_a_hint_runs(postgres: Server, session: psycopg.Connection, rule: str, template: str) -> None:
    if postgres.version < ONLY_FROM.get(rule, 0):
        pytest.skip("not in this version")
    found = [f for f in findings(session, sql(template)) if f.rule == rule]
    assert found, rule
    for finding in found:
        assert "\n" not in finding.problem
        ran = runnable(finding.remedy)
        for statement in ran:
            session.execute(statement.encode())
        assert ran or "<" in finding.remedy, finding.remedy
    assert session.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
