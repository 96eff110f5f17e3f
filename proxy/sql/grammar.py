"""The way from a statement's first word to the module that reads it, and statements that hold statements."""

from __future__ import annotations

from collections.abc import Callable

from proxy.sql.alter import alter
from proxy.sql.calls import call
from proxy.sql.create import create
from proxy.sql.cursor import Cursor, option_is_on
from proxy.sql.drop import drop
from proxy.sql.maintenance import cluster, lock, refresh, reindex, truncate, vacuum
from proxy.sql.privileges import comment, grant, security_label
from proxy.sql.query import VERBS, at_query, query
from proxy.sql.settings import discard, reset_variable, set_variable, show
from proxy.sql.statements import (
    AlterTable,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    ExecutePrepared,
    Explain,
    Name,
    Node,
    Other,
)
from proxy.sql.transaction import prepare_transaction, transaction


def statement(c: Cursor) -> Node:
    """Read one statement; what is left behind it is the caller's business.  Raises NotRead."""
    word = c.word()
    if c.at("("):
        return query(c)
    reader = READERS.get(word) if word is not None else None
    if reader is None:
        raise c.refuse("a statement")
    return reader(c)


def _create(c: Cursor) -> Node:
    return _create_schema(c) if c.at("create", "schema") else create(c)


def _explain(c: Cursor) -> Explain:
    """EXPLAIN of anything: of DDL it is ours, for Postgres knows it only of CREATE TABLE AS and the like."""
    c.need("explain")
    analyze = False
    if c.at("(") and not at_query(c):
        first = c.i
        c.group()
        analyze = option_is_on(c, "analyze", first, c.i) or option_is_on(c, "analyse", first, c.i)
    else:
        while word := c.take_one("analyze", "analyse", "verbose"):
            analyze |= word != "verbose"
    if c.at("explain"):
        raise c.refuse("a statement other than EXPLAIN")
    start = c.here
    target = statement(c)
    return Explain(target, c.since(start), analyze)


def _prepare(c: Cursor) -> Node:
    """Only queries can be prepared."""
    c.need("prepare")
    if c.at("transaction") and not (c.at("as", ahead=1) or c.at("(", ahead=1)):  # else a statement of that name
        c.need("transaction")
        return prepare_transaction(c)
    c.name()
    c.maybe_group()
    c.need("as")
    inner = query(c)
    return Other("PREPARE", named_relations(inner), options=frozenset({inner.kind}))


def _execute(c: Cursor) -> ExecutePrepared:
    c.need("execute")
    name = c.name()
    c.maybe_group()
    return ExecutePrepared(name)


def _create_schema(c: Cursor) -> Other:
    """``CREATE SCHEMA``, with what it creates within: options are the kinds, relations what they name."""
    c.need("create", "schema")
    c.take("if", "not", "exists")
    if not c.at("authorization"):
        c.name()
    if c.take("authorization"):
        c.name()
    kinds: set[str] = set()
    relations: list[Name] = []
    while not c.done:  # no separator: each runs to the next CREATE or GRANT outside brackets
        start = c.i
        c.any()
        c.skip_to("create", "grant")
        inner = Cursor(c.tokens[start : c.i])
        if inner.at("create", "schema") or not (inner.at("create") or inner.at("grant")):
            raise inner.refuse("CREATE TABLE, VIEW, INDEX, SEQUENCE or TRIGGER, or GRANT")
        node = statement(inner)
        inner.need_end()
        kinds.add(node.kind)
        relations += named_relations(node)
    return Other("CREATE SCHEMA", tuple(relations), options=frozenset(kinds))


def named_relations(node: Node) -> tuple[Name, ...]:
    """The relation that a statement creates or changes, those that it points to not included."""
    match node:
        case CreateIndex() | AlterTable() | CreateTable() | CreateTableAs():
            return (node.relation,)
        case Other():
            return node.relations
        case _:
            return ()


def _copy(c: Cursor) -> Other:
    """Options: FROM or TO."""
    c.need("copy")
    c.take("binary")
    relations: tuple[Name, ...] = ()
    if not c.maybe_group():
        relations = (c.qname(),)
        c.maybe_group()
    direction = c.need_one("from", "to")
    c.need_rest("a file, STDIN or STDOUT")
    return Other("COPY", relations, options=frozenset({direction.upper()}))


def _whole(kind: str, *, alone: bool = False) -> Callable[[Cursor], Other]:
    """A statement of which only its first words matter; ``alone``: they may be all there is."""
    words = kind.lower().split()

    def read(c: Cursor) -> Other:
        c.any()
        for word in words[1:]:
            c.take(word)
        if not alone:
            c.need_rest("more text")
        c.rest()
        return Other(kind)

    return read


def _import(c: Cursor) -> Other:
    c.need("import", "foreign", "schema")
    c.need_rest("a schema")
    return Other("IMPORT FOREIGN SCHEMA")


READERS: dict[str, Callable[[Cursor], Node]] = {
    **dict.fromkeys((*VERBS, "with"), query),
    "alter": alter, "create": _create, "drop": drop, "comment": comment, "grant": grant, "revoke": grant,
    "security": security_label, "truncate": truncate, "vacuum": vacuum, "analyze": vacuum, "analyse": vacuum,
    "reindex": reindex, "cluster": cluster, "refresh": refresh, "lock": lock, "explain": _explain, "prepare": _prepare,
    "execute": _execute, "copy": _copy, "set": set_variable, "reset": reset_variable, "show": show, "discard": discard,
    **dict.fromkeys(("begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"), transaction),
    "do": _whole("DO"), "call": call, "deallocate": _whole("DEALLOCATE"), "declare": _whole("DECLARE CURSOR"),
    "fetch": _whole("FETCH"), "move": _whole("MOVE"), "close": _whole("CLOSE CURSOR"), "listen": _whole("LISTEN"),
    "notify": _whole("NOTIFY"), "unlisten": _whole("UNLISTEN"), "load": _whole("LOAD"),
    "checkpoint": _whole("CHECKPOINT", alone=True), "reassign": _whole("REASSIGN OWNED"), "import": _import,
}  # fmt: skip
