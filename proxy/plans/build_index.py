"""CREATE INDEX CONCURRENTLY, over what an interrupted build may have left behind."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Facts, Relation
from proxy.plans import done
from proxy.plans.index_built import index_built
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.target import Target, literal, target
from proxy.sql import edit, lexer
from proxy.sql.names import choose_name, fold, join_columns
from proxy.sql.statements import CreateIndex, Statement, quote_identifier


def build_index(statement: Statement, node: CreateIndex, facts: Facts) -> Rewrite:
    """The client's own statement with CONCURRENTLY in it.

    An index without a name gets the one that Postgres would give it, so that a failed build can be
    cleared; where that depends on how Postgres reads an expression, Postgres names it.
    """
    relation = facts.find(node.relation)
    table = target(node.relation, relation, statement)
    name = node.name.name if node.name else default_name(statement, node, facts, relation)
    at = node.keyword.end - statement.span.start
    named = "" if node.name or name is None else f" {quote_identifier(name)}"
    edits = (Edit(at, at, f" CONCURRENTLY{named}"),)
    sql = edit.apply(statement.sql, edits)
    if name is None:
        return Rewrite((_unnamed(sql, edits, table, relation),))
    index = table.sibling(name)
    before = (drop_leftover(index, table),) if is_leftover(name, facts, relation, node) else ()
    return Rewrite(
        (
            *before,
            build(
                index,
                table,
                sql,
                edits=edits,
                finished=index_built(index, table, statement, node, len(include_list(statement))),
            ),
        )
    )


def build(
    index: Target, table: Target, sql: str, *, edits: Sequence[Edit] = (), finished: str | None, keep: bool = False
) -> Step:
    """The step that builds ``index``; ``keep``: it was there before, perhaps, and is not to be dropped again."""
    return Step(
        (sql,),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "builds the index while reads and writes go on",
        relations=(table.key,),
        transaction=False,
        budget="builds",
        done=finished,
        undo=() if keep else (f"DROP INDEX CONCURRENTLY IF EXISTS {index.sql}",),
        edits=tuple(edits),
        index=index.key,
    )


def drop_leftover(index: Target, table: Target) -> Step:
    """The step that clears an invalid index away.  IF NOT EXISTS would be content with it, so we look first."""
    return Step(
        (f"DROP INDEX CONCURRENTLY {index.sql}",),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "clears the invalid index that an interrupted build left behind",
        relations=(table.key,),
        transaction=False,
        budget="builds",
        done=done.no_invalid_index(index),
    )


def is_leftover(name: str, facts: Facts, relation: Relation | None, node: CreateIndex | None = None) -> bool:
    """Whether an invalid index of that name stands in the way, and nobody is building it now."""
    found = relation.indexes.get(name) if relation else None
    if found is None and node is not None and node.name and (named := facts.find(node.name)):
        found = named.index
        if found is not None and relation is not None and found.table_oid != relation.oid:
            return False  # of another table: not ours to drop; Postgres says that the name is taken
    return found is not None and not found.valid and not (relation is not None and relation.being_built)


def default_name(statement: Statement, node: CreateIndex, facts: Facts, relation: Relation | None) -> str | None:
    """The name that Postgres would choose; None if it hangs on an expression, or on what is not known."""
    if relation is None or None in node.columns:
        return None
    columns = distinct([*(c for c in node.columns if c), *include_list(statement)])
    leftovers = (
        {i.name for i in relation.indexes.values() if not (i.valid or i.waits)} if not relation.being_built else set()
    )
    taken = facts.taken_relations.get(relation.schema, frozenset()) - leftovers
    return choose_name(relation.name, join_columns(columns), "idx", taken)


def distinct(names: Sequence[str]) -> list[str]:
    """Column names as ChooseIndexColumnNames (indexcmds.c) makes them differ: a, a1, a2."""
    chosen: list[str] = []
    for name in names:
        candidate, n = name, 0
        while candidate in chosen:
            n += 1
            candidate = f"{name}{n}"
        chosen.append(candidate)
    return chosen


def include_list(statement: Statement) -> list[str]:
    """Names in an INCLUDE list: they are part of the default name."""
    tokens = lexer.lex(statement.sql)
    depth, words = 0, []
    for number, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.value, 0) if token.kind == "op" else 0
        if not depth and token.kind == "word" and token.value == "include":
            words = tokens[number + 2 :]
            break
    names: list[str] = []
    for token in words:
        if token.kind == "op" and token.value == ")":
            break
        if token.kind != "op":
            names.append(fold(token.value) if token.kind == "word" else token.value)
    return names


def _unnamed(sql: str, edits: Sequence[Edit], table: Target, relation: Relation | None) -> Step:
    """A build whose index Postgres names.  After a failure the one invalid index more than before is ours."""
    return Step(
        (sql,),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "builds the index while reads and writes go on",
        relations=(table.key,),
        transaction=False,
        budget="builds",
        undo=(_drop_new_invalid(table, relation),) if table.schema and relation else (),
        edits=tuple(edits),
    )


def _drop_new_invalid(table: Target, relation: Relation) -> str:
    """Drops the invalid indexes that the table had not before, unless another session builds one just now.

    DROP INDEX CONCURRENTLY cannot run inside DO, so this takes a short ACCESS EXCLUSIVE lock.
    """
    eq = done.EQ
    known = ", ".join(str(index.oid) for index in relation.indexes.values())
    new = f" AND i.indexrelid OPERATOR(pg_catalog.<>) ALL (ARRAY[{known}]::pg_catalog.oid[])" if known else ""
    query = (
        "SELECT pg_catalog.format('DROP INDEX %I.%I', n.nspname, x.relname) AS command"
        f" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {eq} c.relnamespace"
        f" JOIN pg_catalog.pg_index i ON i.indrelid {eq} c.oid"
        f" JOIN pg_catalog.pg_class x ON x.oid {eq} i.indexrelid"
        f" WHERE n.nspname {eq} {literal(table.schema)} AND c.relname {eq} {literal(table.name)}"
        f" AND NOT i.indisvalid{new} AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.relation {eq} c.oid"
        f" AND l.mode {eq} 'ShareUpdateExclusiveLock' AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())"
    )
    body = f"DECLARE r record; BEGIN FOR r IN {query} LOOP EXECUTE r.command; END LOOP; END"
    return f"DO LANGUAGE plpgsql {literal(body)}"
