"""Which lock a statement, run as it is written, takes on which existing relations, and what it does under it.

A function of the text and the facts; measured on 13 and 18 by tests/live/test_effect.py.  What is not known
is ACCESS EXCLUSIVE and says so.  Relations that nobody else can see (new in this transaction, temporary)
and relations that do not exist (Postgres raises its own error) are left out.
Source: Postgres docs, "Explicit Locking"; AlterTableGetLockLevel (commands/tablecmds.c).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from proxy.catalog import alter
from proxy.catalog.after import inside
from proxy.catalog.bounds import bound
from proxy.catalog.claims import Claims, Work
from proxy.catalog.facts import Facts
from proxy.catalog.routines import Sought
from proxy.catalog.sources import domain
from proxy.plans.build_parts import builds_nothing
from proxy.plans.plan import Lock
from proxy.sql.interest import EVERYDAY
from proxy.sql.lexer import lex
from proxy.sql.statements import (
    AlterTable,
    Call,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    Drop,
    DropIndex,
    Explain,
    Node,
    Other,
    Query,
    SetVariable,
    Show,
    Statement,
    Transaction,
)

__all__ = ["Effect", "Locked", "Work", "effect"]

AE = Lock.ACCESS_EXCLUSIVE
SRE = Lock.SHARE_ROW_EXCLUSIVE
SUE = Lock.SHARE_UPDATE_EXCLUSIVE


@dataclass(frozen=True, slots=True)
class Locked:
    relation: tuple[str, str]  # (schema, name); the schema is empty if the search_path decides and was not asked
    lock: Lock


@dataclass(frozen=True, slots=True)
class Effect:
    """``lock`` is the strongest that is taken, on ``relations``; ``others`` are locked more weakly.

    All relations with what inherits from them.  ``known`` is False where lock or work is assumed.
    """

    lock: Lock
    work: Work
    relations: tuple[tuple[str, str], ...] = ()
    others: tuple[Locked, ...] = ()
    known: bool = True


def effect(statement: Statement, facts: Facts) -> Effect:
    claims = Claims(facts)
    _claim(statement, statement.node, claims)
    for inner, claims.facts in inside(statement, facts):
        _claim(inner, inner.node, claims)
    strongest = max(claims.locks.values(), key=lambda lock: lock.rank, default=Lock.NONE)
    if claims.elsewhere.rank > strongest.rank:
        strongest = claims.elsewhere
    idle = strongest is Lock.NONE
    return Effect(
        lock=strongest,
        work="none" if idle else claims.work,
        relations=tuple(relation for relation, lock in claims.locks.items() if lock is strongest),
        others=tuple(Locked(relation, lock) for relation, lock in claims.locks.items() if lock is not strongest),
        known=claims.known,
    )


def _claim(statement: Statement, node: Node, claims: Claims) -> None:
    match node:
        case CreateIndex():
            _create_index(statement, node, claims)
        case DropIndex():
            for name in node.names:
                claims.index(name, *((SUE, SUE) if node.concurrently else (AE, AE)))
        case AlterTable():
            alter.claim(statement, node, claims)
        case CreateTable():
            _create_table(statement, node, claims)
        case Drop():
            _drop(node, claims)
        case Explain():
            if node.analyze:
                _claim(statement, node.target, claims)
        case Query():
            claims.anywhere(
                Lock.ROW_SHARE if _locks_rows(statement, node) else QUERIES.get(node.kind, Lock.ROW_EXCLUSIVE)
            )
        case Call():  # as DO, if it is known what it runs
            asked = Sought("procedure", node.procedure.parts).key in claims.facts.routines
            claims.assume(Lock.NONE if asked or statement.inner else AE)
        case Other():
            _other(statement, node, claims)
        case CreateTableAs() | Transaction() | SetVariable() | Show():
            pass
        case _:
            claims.assume(AE)


ROW_LOCKS = frozenset({("for", "update"), ("for", "share"), ("for", "no"), ("for", "key")})
QUERIES = {
    "SELECT": Lock.ACCESS_SHARE,
    "VALUES": Lock.NONE,
    "TABLE": Lock.ACCESS_SHARE,
}


def _locks_rows(statement: Statement, node: Query) -> bool:
    """Whether it may be a SELECT … FOR UPDATE or the like."""
    if node.kind != "SELECT":
        return False
    words = [token.value for token in lex(statement.sql) if token.kind == "word"]
    return any(pair in ROW_LOCKS for pair in pairwise(words))


def _create_index(statement: Statement, node: CreateIndex, claims: Claims) -> None:
    existing = claims.facts.find(node.name) if node.name is not None else None
    if node.if_not_exists and existing is not None and existing.exists:
        claims.take(node.relation, SUE if node.concurrently else Lock.SHARE)  # taken before it looks for the name
        return
    table = claims.find(node.relation)
    builds = not (node.only and table is not None and table.partitioned)
    builds = builds and not builds_nothing(statement, node, claims.facts)
    claims.take(node.relation, SUE if node.concurrently else Lock.SHARE, "build" if builds else "none")


def _create_table(statement: Statement, node: CreateTable, claims: Claims) -> None:
    table = claims.find(node.relation)
    if table is not None and table.exists:
        return
    for name in node.references:
        claims.take(name, SRE)
    if node.partition_of is None:
        for name in node.inherits:
            claims.take(name, SUE)
        return
    parent = claims.take(node.partition_of, AE)
    if parent is not None:
        for constraint in parent.constraints.values():
            if constraint.references is not None:
                claims.take_pair(constraint.references, SRE)
        for key in (k for k in parent.referring if not k.part and claims.facts.major >= 15):
            claims.take_pair(key.table, SRE)
        alter.claim_default(parent, bound(statement.sql), claims)


LOCKED_WHOLE = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE"})


def _drop(node: Drop, claims: Claims) -> None:
    if node.on is not None:
        claims.take(node.on, AE)
    elif node.object_type in LOCKED_WHOLE:
        for name in node.names:
            relation = claims.take(name, AE)
            if relation is None:
                continue
            for _, schema, sequence in relation.sequences:
                claims.take_pair((schema, sequence), AE)
            for pair in (c.references for c in relation.constraints.values() if not c.inherited):
                if pair is not None:
                    claims.take_pair(pair, AE)
            if relation.is_partition:
                for pair in relation.parents:
                    claims.take_pair(pair, AE)
            if node.cascade:
                for key in relation.referring:
                    if key.columns:  # not what refers to those in turn
                        claims.take_pair(key.table, AE)
                for _, schema, view in relation.views:
                    claims.take_pair((schema, view), AE)
    elif node.object_type == "STATISTICS":
        claims.assume(SUE)  # on their table
    elif node.cascade:
        claims.assume(AE)  # whatever depends on it: columns of a type, views on a function …


# ---------------------------------------------------------------- statements without a class of their own

# Kind -> lock on the relations that its text names.
NAMED: dict[str, tuple[Lock, Work]] = {
    "TRUNCATE TABLE": (AE, "none"),
    "CLUSTER": (AE, "rewrite"),
    "SECURITY LABEL": (SUE, "none"),
    "ANALYZE": (SUE, "scan"),
    "CREATE TRIGGER": (SRE, "none"),
    "CREATE CONSTRAINT TRIGGER": (SRE, "none"),
    "ALTER TRIGGER": (AE, "none"),
    "CREATE RULE": (AE, "none"),
    "ALTER RULE": (AE, "none"),
    "CREATE POLICY": (AE, "none"),
    "ALTER POLICY": (AE, "none"),
    "CREATE STATISTICS": (SUE, "none"),
    "CREATE VIEW": (AE, "none"),
}

# These lock no relation that others use.
LOCKLESS = frozenset(
    {
        "GRANT", "REVOKE", "GRANT ROLE", "REVOKE ROLE", "ALTER DEFAULT PRIVILEGES", "CREATE SEQUENCE", "CREATE SCHEMA",
        "CREATE FUNCTION", "CREATE PROCEDURE", "CREATE AGGREGATE", "CREATE TYPE", "CREATE DOMAIN", "CREATE ROLE",
        "CREATE DATABASE", "CREATE TABLESPACE", "CREATE LANGUAGE", "CREATE OPERATOR", "CREATE OPERATOR CLASS",
        "CREATE OPERATOR FAMILY", "CREATE CAST", "CREATE COLLATION", "CREATE CONVERSION", "CREATE SERVER",
        "CREATE FOREIGN DATA WRAPPER", "CREATE USER MAPPING", "CREATE SUBSCRIPTION", "CREATE EVENT TRIGGER",
        "CREATE ACCESS METHOD", "CREATE TRANSFORM", "ALTER FUNCTION", "ALTER PROCEDURE", "ALTER ROUTINE", "ALTER AGGREGATE",
        "ALTER SCHEMA", "ALTER ROLE", "ALTER DATABASE", "ALTER SYSTEM", "ALTER TABLESPACE", "ALTER LANGUAGE", "ALTER OPERATOR",
        "ALTER COLLATION", "ALTER CONVERSION", "ALTER SERVER", "ALTER FOREIGN DATA WRAPPER", "ALTER USER MAPPING",
        "ALTER SUBSCRIPTION", "ALTER EVENT TRIGGER", "ALTER STATISTICS", "ALTER EXTENSION", "ALTER LARGE OBJECT",
        "DROP USER MAPPING",
    }
)  # fmt: skip


PARTS = frozenset({"constraint", "trigger", "rule", "policy"})

# Changes of a domain that look at every column of its type.
VERIFIES = frozenset({"ADD CONSTRAINT", "VALIDATE CONSTRAINT", "SET NOT NULL"})


def _other(statement: Statement, node: Other, claims: Claims) -> None:
    match node.kind:
        case "REINDEX":
            _reindex(node, claims)
        case "VACUUM":
            full = "FULL" in node.options
            _each(node, claims, AE if full else SUE, "rewrite" if full else "scan")
        case "REFRESH MATERIALIZED VIEW":
            if node.concurrently:
                _each(node, claims, Lock.EXCLUSIVE, "scan")  # compared with the new result row by row
            else:
                _each(node, claims, AE, "none" if "WITH NO DATA" in node.options else "rewrite")
        case "LOCK TABLE":
            _each(node, claims, next((lock for lock in Lock if lock.sql in node.options), AE))
            found = [claims.find(name) for name in node.relations]
            claims.known &= all(relation is not None and relation.kind != "v" for relation in found)
        case "COMMENT":
            _each(node, claims, Lock.ACCESS_SHARE if _is_about_part(statement) else SUE)
        case "COPY":
            _each(node, claims, Lock.ROW_EXCLUSIVE)
        case "ALTER DOMAIN":
            if node.options & VERIFIES and "NOT VALID" not in node.options:
                _verify_domain(statement, claims)
        case "CREATE PUBLICATION" | "ALTER PUBLICATION":
            claims.assume(SUE)
        case "ALTER TYPE":
            if "CASCADE" in node.options:  # an attribute of a type that tables are OF
                claims.assume(AE, "rewrite" if "ALTER ATTRIBUTE" in node.options else "none")
        case "DO":  # its statements are looked at one by one, but not what its queries call
            claims.assume(Lock.NONE)
        case "CREATE EXTENSION":
            claims.assume(Lock.NONE)
        case kind if kind in NAMED:
            _each(node, claims, *NAMED[kind])
            if "CASCADE" in node.options:
                _each_referencing(node, claims)
            if "RESTART IDENTITY" in node.options:
                _each_sequence(node, claims)
        case kind if (
            kind in LOCKLESS or kind in EVERYDAY or kind.startswith(("CREATE TEXT SEARCH", "ALTER TEXT SEARCH"))
        ):
            pass
        case _:
            _each(node, claims, AE)
            claims.assume(AE)


def _verify_domain(statement: Statement, claims: Claims) -> None:
    """Every table with a column of the domain is read."""
    name = domain(statement)
    known = claims.facts.types.get(name) if name is not None else None
    if known is None:
        claims.assume(Lock.SHARE, "scan")
    for pair in known.users if known is not None else ():
        claims.take_pair(pair, Lock.SHARE, "scan")


def _each(node: Other, claims: Claims, lock: Lock, work: Work = "none") -> None:
    for name in node.relations:
        claims.take(name, lock, work)
    if not node.relations and node.kind in ("VACUUM", "CLUSTER"):  # of everything
        claims.assume(lock, work)


def _each_referencing(node: Other, claims: Claims) -> None:
    for name in node.relations:
        relation = claims.find(name)
        for pair in relation.referenced_by if relation is not None else ():
            claims.take_pair(pair, AE)


def _each_sequence(node: Other, claims: Claims) -> None:
    for name in node.relations:
        relation = claims.find(name)
        for _, schema, sequence in relation.sequences if relation is not None else ():
            claims.take_pair((schema, sequence), AE)


def _is_about_part(statement: Statement) -> bool:
    """Whether a COMMENT is about what is on a table, and not about a relation or a column."""
    return any(token.value in PARTS for token in lex(statement.sql)[2:3])


def _reindex(node: Other, claims: Claims) -> None:
    if "INDEX" in node.options:
        for name in node.relations:
            claims.index(name, *((SUE, SUE) if node.concurrently else (AE, Lock.SHARE)), "build")
    elif "TABLE" in node.options:
        for name in node.relations:
            found = claims.find(name)
            skipped = claims.facts.major < 14 and found is not None and found.partitioned  # 13 warns, and does no more
            table = claims.take(name, SUE if node.concurrently else Lock.SHARE, "none" if skipped else "build")
            if table is None or table.private or skipped:
                continue
            for index in table.indexes.values():
                claims.take_pair((index.schema, index.name), SUE if node.concurrently else AE, "build")
    else:
        claims.assume(SUE if node.concurrently else AE, "build")
