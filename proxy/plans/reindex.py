"""REINDEX as REINDEX … CONCURRENTLY, with what an interrupted one leaves behind cleared away, before and after.

``…_ccnew`` is a copy that was not finished, ``…_ccold`` an original whose copy took its place: both invalid, and
both to be dropped (Postgres docs, REINDEX, "Rebuilding Indexes Concurrently").
"""

from __future__ import annotations

import re

from proxy.catalog.facts import Facts, Index, Relation
from proxy.plans import done
from proxy.plans.branches import Branches, branches
from proxy.plans.build_parts import of
from proxy.plans.done import EQ
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.target import Target, literal
from proxy.records import replace
from proxy.sql import edit
from proxy.sql.lexer import Token, lex
from proxy.sql.names import LIMIT_BYTES, clip
from proxy.sql.statements import Other, Statement

PARTITIONED = 14  # the first version that goes through partitions
LEFT = re.compile(r"_cc(?:new|old)[0-9]*")
CATALOGS = ("pg_catalog", "information_schema", "pg_toast")


def reindex(statement: Statement, node: Other, facts: Facts) -> Rewrite | None:
    """None where Postgres rebuilds less concurrently than otherwise: catalogs, exclusion constraints, whole databases."""
    what, options, after = _parts(statement)
    if what is None or "concurrently" in [token.value for token in options]:
        return None
    start = statement.span.start
    edits = (Edit(after - start, after - start, " CONCURRENTLY"),)
    sql = edit.apply(statement.sql, edits)
    if what == "schema":
        name = lex(statement.sql)[-1]
        if name.kind not in ("word", "quoted") or name.value in (*CATALOGS, "schema"):
            return None
        return Rewrite((_step(sql, edits, None, _left_in_schema(clip(name.value))),))
    relation = facts.find(node.relations[0]) if node.relations else None
    if what not in ("index", "table") or relation is None or not relation.exists:
        return None
    table = _table(relation, facts)
    if table is None or table.schema in CATALOGS or (table.kind == "p" and facts.major < PARTITIONED):
        return None
    whole = relation.index is None
    found = branches(table, facts) if whole and table.kind == "p" else Branches((), ())
    if found is None:
        return None
    rebuilt = (table, *found.all) if whole else (table,)
    excluding = {c.index for member in rebuilt for c in member.constraints.values() if c.kind == "x"}
    if excluding if whole else relation.name in excluding:
        return None
    steps: list[Step] = []
    # Of a whole table Postgres leaves out what is invalid if it does so concurrently, and only then.
    group = statement.text[options[0].start : options[-1].end] + " " if options else ""
    for member in rebuilt if whole else ():
        for index in member.indexes.values() if member.kind != "p" else ():
            if not index.valid and not _is_left(index, member):
                words = f"REINDEX {group}INDEX CONCURRENTLY {of(member).sibling(index.name).sql}"
                steps.append(_step(words, (), member, _left_on_table(of(member))))
    whole_step = _step(sql, edits, table, _left_on_table(of(table)))
    if facts.in_transaction and not whole:
        # What follows in the transaction may drop it: nothing is left to be done then.
        whole_step = replace(whole_step, done=done.gone(relation.oid))
    return Rewrite((*steps, whole_step))


def _parts(statement: Statement) -> tuple[str | None, list[Token], int]:
    """The word for what is rebuilt, the tokens of the options in brackets, and the place behind that word."""
    options: list[Token] = []
    depth = 0
    for token in lex(statement.sql)[1:]:
        placed = token._replace(start=token.start + statement.span.start, end=token.end + statement.span.start)
        depth += {"(": 1, ")": -1}.get(token.value, 0) if token.kind == "op" else 0
        if depth or token.value == ")":
            options.append(placed)
        else:
            return token.value, options, placed.end
    return None, options, statement.span.end


def _table(relation: Relation, facts: Facts) -> Relation | None:
    if relation.index is None:
        return relation
    return facts.relations.get((relation.index.table_schema, relation.index.table))


def _is_left(index: Index, table: Relation) -> bool:
    """Whether it has the name of what a REINDEX of one of the table's indexes leaves, cut as the server cuts it."""
    for other in table.indexes.values():
        for cut in range(LIMIT_BYTES - len("_ccnew") - 2, LIMIT_BYTES - len("_ccnew") + 1):
            rest = index.name.removeprefix(clip(other.name, cut))
            if rest != index.name and LEFT.fullmatch(rest):
                return True
    return False


def _step(sql: str, edits: tuple[Edit, ...], table: Relation | None, left: str) -> Step:
    return Step(
        (sql,),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "builds each index anew beside the old one, while reads and writes go on",
        relations=(table.qualified,) if table is not None else (),
        transaction=False,
        budget="builds",
        left=left,
        edits=edits,
    )


def _left_on_table(table: Target) -> str:
    of_tree = (
        "WITH RECURSIVE tree (oid) AS (SELECT c.oid FROM pg_catalog.pg_class c"
        f" JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace"
        f" WHERE n.nspname {EQ} {literal(table.schema)} AND c.relname {EQ} {literal(table.name)}"
        f" UNION SELECT h.inhrelid FROM tree JOIN pg_catalog.pg_inherits h ON h.inhparent {EQ} tree.oid)"
    )
    return _left(of_tree, f"EXISTS (SELECT FROM tree WHERE tree.oid {EQ} COALESCE(o.oid, t.oid))")


def _left_in_schema(schema: str) -> str:
    mine = (
        f"EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname {EQ} {literal(schema)}"
        f" AND n.oid {EQ} COALESCE(o.relnamespace, t.relnamespace))"
    )
    return _left("", mine)


def _left(head: str, mine: str) -> str:
    """Statements that drop what an interrupted REINDEX CONCURRENTLY has left, of TOAST tables too.

    That is, invalid indexes that are named after another one of their table, unless another session is at it.
    """
    base = "pg_catalog.regexp_replace(x.relname, '_cc(new|old)[0-9]*$', '')"
    return (
        f"{head} SELECT pg_catalog.encode(pg_catalog.convert_to(pg_catalog.format("
        "'DROP INDEX CONCURRENTLY %I.%I', s.nspname, x.relname), 'UTF8'), 'hex')"
        f" FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid {EQ} i.indexrelid"
        f" JOIN pg_catalog.pg_namespace s ON s.oid {EQ} x.relnamespace"
        f" JOIN pg_catalog.pg_class t ON t.oid {EQ} i.indrelid"
        f" LEFT JOIN pg_catalog.pg_class o ON o.reltoastrelid {EQ} t.oid"
        f" WHERE NOT i.indisvalid AND x.relname OPERATOR(pg_catalog.~) '_cc(new|old)[0-9]*$' AND {mine}"
        " AND EXISTS (SELECT FROM pg_catalog.pg_index j"
        f" JOIN pg_catalog.pg_class y ON y.oid {EQ} j.indexrelid WHERE j.indrelid {EQ} i.indrelid"
        f" AND y.oid OPERATOR(pg_catalog.<>) x.oid AND (y.relname {EQ} {base} OR"
        f" (pg_catalog.octet_length(x.relname::pg_catalog.text) OPERATOR(pg_catalog.>) {LIMIT_BYTES - 4}"
        f" AND pg_catalog.starts_with(y.relname::pg_catalog.text, {base}))))"
        f" AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.relation {EQ} t.oid AND l.granted"
        f" AND l.mode {EQ} 'ShareUpdateExclusiveLock' AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()"
        # no user: autovacuum, which makes way
        f" AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid {EQ} l.pid AND a.usesysid IS NULL))"
    )
