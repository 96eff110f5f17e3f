"""Ask Postgres, in one round trip, what ``decide`` must know about the relations that a statement names.

The query runs on the client's own connection, in its transaction and under its settings.  So it names
every function, operator and type with its schema (a client's search_path cannot put others in their
place: CVE-2025-12819 was that), reads only what PUBLIC may read, does not wait for locks, and speaks
ASCII in both directions: base64 of JSON.

``is_new``.  The row of pg_attribute with attnum -6 (tableoid) and the dependency of the row type on its
table are written when a relation is created and never again, so their xmin is the (sub)transaction that
created it.  It is ours if it is in progress and yet we see it.  Two traps.  A frozen row keeps an xmin of
perhaps an earlier epoch, and pg_xact_status() raises an error for what looks like the future; hence it is
called only below the snapshot's horizon, and what lies above can be ours or frozen: it must be close to
the newest xid.  And GRANT SELECT (tableoid) writes the first row anew; hence both rows, and the
ACCESS EXCLUSIVE lock that a creator holds until its transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from proxy.catalog import answer as carried
from proxy.catalog.column_state import STATE
from proxy.catalog.facts import (
    MISSING,
    Column,
    Constraint,
    Facts,
    Function,
    Heirs,
    Held,
    Index,
    Referring,
    Relation,
    Setting,
    Type,
)
from proxy.catalog.sources import NOTHING, Sources, quoted, sources
from proxy.catalog.type_names import SERIAL
from proxy.plans.plan import Lock
from proxy.sql.names import clip
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    AttachPartition,
    ConstraintKind,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    DetachPartition,
    Drop,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropIndex,
    DropNotNull,
    Explain,
    Name,
    Node,
    Other,
    OtherAction,
    SetDefault,
    SetNotNull,
    Statement,
)
from proxy.sql.written import written

SQL = files("proxy.catalog").joinpath("lookup.sql").read_text(encoding="ascii").replace("/* column_state */", STATE)
"""One text parameter, ``Request.parameter``; one row of one text column, for ``decode``.

``Request.sql`` is the same without the sections that a request does not ask for: to plan it all takes milliseconds.
"""


@lru_cache(maxsize=32)
def _sections(wanted: frozenset[str]) -> str:
    """``SQL`` without what stands between ``-- if name`` and ``-- end name`` for names that are not wanted; they nest."""
    lines: list[str] = []
    within: list[str] = []
    for line in SQL.splitlines():
        mark, _, name = line.strip().removeprefix("-- ").partition(" ")
        if line.strip().startswith("-- ") and mark == "if" and name.isidentifier():
            within.append(name)
        elif line.strip().startswith("-- ") and mark == "end" and name.isidentifier():
            within.remove(name)
        elif wanted.issuperset(within):
            lines.append(line)
    return "\n".join(lines)


OURS = "interlock"  # the schema in which what waits for COMMIT is written down

RELATION_TYPES = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE", "INDEX"})

# Postgres shortens the longer of table and column name first, and never a table's below this many bytes.
PREFIX_BYTES = 18


@dataclass(frozen=True, slots=True)
class Wanted:
    """A name to resolve as the server will: by the path, where a new relation goes, or beside another."""

    parts: tuple[str, ...]
    how: Literal["visible", "create", "beside"] = "visible"
    beside: tuple[str, ...] = ()  # parts of the table in whose schema it lives


@dataclass(frozen=True, slots=True)
class Request:
    wanted: tuple[Wanted, ...] = ()
    taken: tuple[str, ...] | None = None  # the table for which a name is to be chosen
    referencing: bool = False  # also find the tables whose foreign keys point here: no index helps with that
    cascade: bool = False  # also at any remove, and views likewise
    detail: bool = False  # also how it is partitioned and stored, and its sequences
    swaps: bool = False  # also all that there is to a column and what hangs on it
    writes: bool = False  # also what an UPDATE of its rows would set off, and whose it is
    heirs: bool = False  # also what only the tables that inherit from one have on a column
    parts: bool = False  # also the partitions, at any remove, and what tells their indexes apart
    sources: Sources = NOTHING
    inside: bool = True  # also what the open transaction has locked

    @property
    def sql(self) -> str:
        """As much of ``SQL`` as this request needs."""
        asked = {
            "taken": self.taken is not None,
            "referencing": self.referencing,
            "cascade": self.cascade,
            "detail": self.detail,
            "inside": self.inside,
            "writes": self.writes,
            "swaps": self.swaps,
            "heirs": self.heirs,
            "parts": self.parts,
            "sources": bool(self.sources.types or self.sources.functions),
        }
        return _sections(frozenset(name for name, yes in asked.items() if yes))

    @property
    def parameter(self) -> str:
        """The parameter of ``SQL``."""
        keys = {wanted.parts: key for key, wanted in enumerate(self.wanted)}
        names = [
            {
                "key": key,
                "database": w.parts[-3] if len(w.parts) > 2 else None,
                "schema": w.parts[-2] if len(w.parts) > 1 else None,
                "name": w.parts[-1],
                "how": w.how,
                "beside": keys[w.beside] if w.beside else None,
            }
            for key, w in enumerate(self.wanted)
        ]
        taken = []
        if self.taken is not None:
            prefix = clip(self.taken[-1], PREFIX_BYTES)
            taken.append({"key": keys[self.taken], "prefix": prefix, "last": _last(prefix)})
        asked: dict[str, object] = {"names": names, "taken": taken, "referencing": self.referencing}
        asked |= {"cascade": self.cascade, "users": self.sources.users}
        asked |= {"types": _keyed(self.sources.types.values()), "functions": _keyed(self.sources.functions)}
        return carried.encode(asked)


def _keyed(names: Iterable[tuple[str, ...]]) -> list[dict[str, object]]:
    return [
        {"key": key, "schema": parts[-2] if len(parts) > 1 else None, "name": parts[-1]}
        for key, parts in enumerate(names)
    ]


def _last(prefix: str) -> str | None:
    """A name that sorts, by bytes and in every encoding, after all that start with ``prefix``; None: there is none."""
    head = prefix.encode("ascii", "replace").partition(b"?")[0].decode().rstrip("\x7f")
    return head[:-1] + chr(ord(head[-1]) + 1) if head else None


def request(statement: Statement, *, in_transaction: bool = True) -> Request:
    """What to ask about a statement and what it runs."""
    node = statement.node
    while isinstance(node, Explain):
        node = node.target
    wanted = _by_name(node)
    for inner in statement.inner:
        for parts, w in _by_name(inner.node).items():
            # A table that one statement makes and another uses: there may be one that is used already.
            if w.how == "visible" or parts not in wanted:
                wanted[parts] = w
    for one in written(statement):
        wanted.setdefault(one.relation.parts, Wanted(one.relation.parts))
    named = _named(node)
    referencing = any(_referencing(one) for one in (node, *(inner.node for inner in statement.inner)))
    return Request(
        wanted=tuple(wanted.values()),
        taken=named if named in wanted else None,
        referencing=referencing,
        cascade=any(_cascades(one) for one in (node, *(inner.node for inner in statement.inner))),
        detail=any(_in_detail(one) or _in_parts(one) for one in (node, *(inner.node for inner in statement.inner))),
        swaps=any(_swaps(one) for one in (node, *(inner.node for inner in statement.inner))),
        writes=any(_writes(one) for one in (node, *(inner.node for inner in statement.inner))) or _changes(statement),
        heirs=any(_retypes(one) for one in (node, *(inner.node for inner in statement.inner))),
        parts=any(_in_parts(one) for one in (node, *(inner.node for inner in statement.inner))),
        sources=sources(statement),
        inside=in_transaction,
    )


def _by_name(node: Node) -> dict[tuple[str, ...], Wanted]:
    wanted: dict[tuple[str, ...], Wanted] = {}
    for w in _wanted(node):
        if not all(w.parts):
            continue  # ``""``: Postgres refuses it, and so would our own query
        # The first wins: two kinds of lookup can only meet in one name where they mean one relation,
        # or where Postgres will refuse the statement.
        wanted.setdefault(w.parts, w)
    return wanted


def _wanted(node: Node) -> Iterator[Wanted]:
    match node:
        case CreateIndex():
            yield Wanted(node.relation.parts)
            if node.name is not None:
                yield Wanted(node.name.parts, "beside", node.relation.parts)
        case DropIndex():
            yield from (Wanted(name.parts) for name in node.names)
        case AlterTable():
            yield Wanted(node.relation.parts)
            yield from (Wanted(name.parts) for name in _alter_names(node))
            yield from (Wanted((name,), "beside", node.relation.parts) for name in _alter_indexes(node))
        case CreateTable():
            yield Wanted(node.relation.parts, "create")
            others = (node.partition_of, *node.inherits, *node.references)
            yield from (Wanted(name.parts) for name in others if name is not None)
        case CreateTableAs():
            yield Wanted(node.relation.parts, "create")
        case Drop():
            if node.on is not None:
                yield Wanted(node.on.parts)
            elif node.object_type in RELATION_TYPES:
                yield from (Wanted(name.parts) for name in node.names)
        case Other():
            yield from (Wanted(name.parts) for name in node.relations)


def _alter_names(node: AlterTable) -> Iterator[Name]:
    for action in node.actions:
        match action:
            case AddConstraint() if action.constraint.references is not None:
                yield action.constraint.references
            case AddColumn():
                yield from (c.references for c in action.column.constraints if c.references is not None)
            case AttachPartition() | DetachPartition():
                yield action.partition
            case OtherAction() if action.relation is not None:
                yield action.relation


def _alter_indexes(node: AlterTable) -> Iterator[str]:
    """Names of the indexes behind new constraints."""
    for action in node.actions:
        if isinstance(action, AddConstraint):
            constraint = action.constraint
            if constraint.using_index is not None:
                yield constraint.using_index
            if constraint.name is not None and constraint.kind in (
                ConstraintKind.UNIQUE,
                ConstraintKind.PRIMARY_KEY,
                ConstraintKind.EXCLUDE,
            ):
                yield constraint.name


def _named(node: Node) -> tuple[str, ...] | None:
    """The table whose new index or constraint may get a name of Postgres's choice."""
    match node:
        case CreateIndex():
            return node.relation.parts
        case AlterTable() if any(isinstance(a, AddConstraint | SetNotNull) or _is_more(a) for a in node.actions):
            return node.relation.parts
    return None


def _referencing(node: Node) -> bool:
    match node:
        case Drop():
            return node.object_type == "TABLE"
        case Other():
            return "CASCADE" in node.options
        case CreateTable():
            return node.partition_of is not None
        case AlterTable():
            return any(
                isinstance(a, DropConstraint | DropColumn | AlterColumnType | AttachPartition | DetachPartition)
                for a in node.actions
            )
    return False


def _cascades(node: Node) -> bool:
    match node:
        case Drop():
            return node.cascade or node.object_type == "TABLE"  # whether it may fail for what depends on it
        case Other():
            return "CASCADE" in node.options
        case AlterTable():
            return any(isinstance(a, DropColumn) and a.cascade for a in node.actions)
    return False


BRIEF = (AddColumn, SetNotNull, DropNotNull, SetDefault, DropDefault)  # not told by what ``detail`` asks for


def _in_detail(node: Node) -> bool:
    match node:
        case AlterTable():
            return not all(isinstance(a, BRIEF) for a in node.actions)
        case CreateTable():
            return node.partition_of is not None
        case Drop():
            return node.object_type in RELATION_TYPES
        case Other():
            return node.kind == "TRUNCATE TABLE"
    return False


def _writes(node: Node) -> bool:
    """Whether rows that are there may have to be written, or foreign keys made again."""
    if isinstance(node, Drop):
        return node.object_type == "TABLE"
    kinds = AlterColumnType | DropColumn
    return isinstance(node, AlterTable) and any(isinstance(a, kinds) or _is_more(a) for a in node.actions)


def _is_more(action: Action) -> bool:
    """Whether it is an ADD COLUMN that gives rows a value, or makes anything with a name."""
    return isinstance(action, AddColumn) and bool(action.column.constraints or action.column.type.name in SERIAL)


def _changes(statement: Statement) -> bool:
    """Whether it is an UPDATE or DELETE, and may be run in batches."""
    return any(one.whole and one.verb in ("UPDATE", "DELETE") for one in written(statement))


def _swaps(node: Node) -> bool:
    """Whether a column may give way to another one, or goes."""
    return isinstance(node, AlterTable) and any(isinstance(a, AlterColumnType | DropColumn) for a in node.actions)


def _retypes(node: Node) -> bool:
    return isinstance(node, AlterTable) and any(isinstance(a, AlterColumnType) for a in node.actions)


BY_PART = (ConstraintKind.FOREIGN_KEY, ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY)


def _in_parts(node: Node) -> bool:
    """Whether it is done partition by partition, if its table has any."""
    match node:
        case CreateIndex():
            return not node.only
        case AlterTable():
            return any(
                isinstance(a, AttachPartition | DetachPartition)
                or (isinstance(a, AddConstraint) and a.constraint.kind in BY_PART)
                for a in node.actions
            )
        case CreateTable():
            return node.partition_of is not None
        case Other():
            return node.kind == "REINDEX" and not node.concurrently
    return False


def decode(text: str | bytes, request: Request, *, now: datetime, in_transaction: bool) -> Facts:
    """The facts in the one value that ``SQL`` returned for ``request``.  Raises UnreadableAnswer."""
    answer = carried.decode(text)
    try:
        relations = _relations(answer, request)
        taken = _taken(answer)
        return Facts(
            server_version=answer["server_version"],
            live=True,
            now=now,
            database=answer["database"],
            user=answer["user"],
            session_user=answer["session_user"],
            roles=frozenset(answer["roles"] or ()),
            application_name=answer["application_name"],
            in_transaction=in_transaction,
            in_recovery=answer["in_recovery"],
            allow=answer["allow"] or "",
            settings={s["name"]: Setting(s["value"], s["source"]) for s in answer["settings"] or ()},
            relations=relations,
            types=_types(answer, request),
            functions=_functions(answer, request),
            volatile_operators=frozenset(answer.get("volatile_operators") or ()),
            volatile_casts=frozenset(answer.get("volatile_casts") or ()),
            free_casts=tuple((source, target) for source, target in answer.get("casts") or ()),
            taken_names={schema: frozenset(r | c) for schema, (r, c) in taken.items()},
            taken_constraints={schema: frozenset(c) for schema, (_, c) in taken.items()},
            held=_held(answer) if in_transaction else (),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise carried.UnreadableAnswer(f"the database's answer about the catalog cannot be read: {error!r}") from error


def _held(answer: dict[str, Any]) -> tuple[Held, ...]:
    return tuple(
        Held((schema, name), Lock(mode), size, None if rows is None or rows < 0 else round(rows))
        for schema, name, mode, size, rows in answer.get("held") or ()
        if schema != OURS
    )


def _relations(answer: dict[str, Any], request: Request) -> dict[tuple[str, ...], Relation]:
    rows = {r["oid"]: r for r in answer["relations"] or ()}
    types = {t["oid"]: t for t in answer.get("types") or ()}
    by_oid = {oid: _relation(r, rows, answer["block_size"], types) for oid, r in rows.items()}
    relations: dict[tuple[str, ...], Relation] = {}
    for relation in by_oid.values():
        relations[relation.qualified] = relation
    # After those: what the statement's own words mean goes before what another name happens to be.
    relations |= {w.parts: MISSING for w in request.wanted}
    relations |= {request.wanted[key].parts: by_oid[oid] for key, oid in answer["found"] or ()}
    for key in answer["doubtful"] or ():
        del relations[request.wanted[key].parts]
    return relations


def _relation(
    row: dict[str, Any], rows: dict[int, dict[str, Any]], block_size: int, types: dict[int, dict[str, Any]]
) -> Relation:
    kind = row["kind"]
    indexes = [_index(i) for i in row["indexes"] or ()]
    index = next(iter(indexes), None) if kind in "iI" else None
    table = rows[index.table_oid] if index is not None else row
    size = None if row["size"] is None else int(row["size"])
    return Relation(
        exists=True,
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        kind=kind,
        persistence=row["persistence"],
        is_new=table["is_new"],
        is_partition=row["is_partition"],
        populated=row["populated"],
        bound=row.get("bound") or "",
        partition_constraint=row.get("partition_constraint") or "",
        required=tuple(row.get("required") or ()),
        pending_checks=tuple(row.get("pending_checks") or ()),
        detach_pending=bool(row.get("detach_pending")),
        has_children=bool(row["has_children"]),
        partitions=row["leaves"] if kind in "pI" else 0,
        size_bytes=size,
        rows=_rows(row, size, block_size),
        being_built=table["being_built"],
        columns={c["name"]: _column(c, types) for c in row["columns"] or ()},
        constraints={c["name"]: _constraint(c) for c in row["constraints"] or ()},
        indexes={} if kind in "iI" else {i.name: i for i in indexes},
        index=index,
        parents=tuple((s, n) for s, n in row["parents"] or ()),
        detaching=tuple((s, n) for s, n in row["detaching"] or ()),
        default_partition=tuple(row["default_partition"]) if row["default_partition"] else None,
        referenced_by=tuple(dict.fromkeys((s, n) for s, n, *_ in row.get("referenced_by") or ())),
        referring=tuple(Referring((s, n), tuple(c or ()), *more) for s, n, c, *more in row.get("referenced_by") or ()),
        partition_key=row.get("partition_key") or "",
        checked_below=tuple(row.get("checked_below") or ()),
        sequences=tuple((c, s, n) for c, s, n in row.get("sequences") or ()),
        tablespace=row.get("tablespace") or "",
        spaced=bool(row.get("spaced")),
        access_method=row.get("access_method") or "",
        published=tuple(row.get("published") or ()),
        row_held_by=tuple(row.get("row_held_by") or ()),
        owner=row.get("owner") or "",
        triggers=tuple(row.get("triggers") or ()),
        per_statement=tuple(row.get("per_statement") or ()),
        on_update_of=tuple(row.get("on_update_of") or ()),
        on_update=tuple(row.get("on_update") or ()),
        heirs=Heirs(**{key: frozenset(names or ()) for key, names in (row.get("heirs") or {}).items()}),
        views=tuple((c or "", s, n) for c, s, n in row.get("views") or ()),
    )


def _column(c: dict[str, Any], types: dict[int, dict[str, Any]]) -> Column:
    column = Column(**(c | {"dependents": tuple(c.get("dependents") or ())}))
    domain = types.get(column.type_oid)
    if domain is None or not domain["is_domain"]:
        return replace(column, base_oid=column.type_oid)
    return replace(column, base=domain["base"], base_oid=domain["base_oid"])


def _types(answer: dict[str, Any], request: Request) -> dict[str, Type]:
    rows = {t["oid"]: t for t in answer.get("types") or ()}
    found: dict[int, int] = dict(answer.get("typed") or ())
    types = {}
    for key, typed in enumerate(request.sources.types):
        if key not in found:
            types[typed] = Type(exists=False)
            continue
        row = rows[found[key]]
        users = tuple((s, n) for s, n in row["users"] or ())
        types[typed] = Type(**(row | {"users": users, "demands": tuple(row["demands"] or ())}))
    return types


def _functions(answer: dict[str, Any], request: Request) -> dict[str, tuple[Function, ...]]:
    found: dict[int, list[Function]] = {key: [] for key in range(len(request.sources.functions))}
    for key, *function in answer.get("functions") or ():
        found[key].append(Function(*function))
    return {quoted(parts): tuple(found[key]) for key, parts in enumerate(request.sources.functions)}


def _rows(row: dict[str, Any], size: int | None, block_size: int) -> int | None:
    """Rows at the last ANALYZE, scaled to the present size as the planner does (estimate_rel_size)."""
    if size == 0:
        return 0
    if row["analyzed_rows"] is None or row["analyzed_rows"] < 0:
        return None
    rows, pages, now = float(row["analyzed_rows"]), int(row["analyzed_pages"]), row["analyzed_size"]
    return round(rows if now is None else rows / pages * (int(now) / block_size))


def _constraint(c: dict[str, Any]) -> Constraint:
    return Constraint(
        name=c["name"],
        kind=c["kind"],
        validated=c["validated"],
        columns=tuple(c["columns"] or ()),
        definition=c["definition"] or "",
        index=c["index"],
        enforced=c["enforced"] is not False,
        inherited=c["inherited"],
        references=tuple(c["references"]) if c["references"] else None,
        whole_references=bool(c.get("whole_references")),
        beside=bool(c.get("beside")),
        comment=c.get("comment"),
    )


def _index(i: dict[str, Any]) -> Index:
    listed = {key: tuple(i.get(key) or ()) for key in ("columns", "mentions", "attributes")}
    texts = {key: i.get(key) or "" for key in ("definition", "shape", "tablespace")}
    above = i.get("above")
    return Index(**(i | listed | texts | {"above": tuple(above) if above else None}))


def _taken(answer: dict[str, Any]) -> dict[str, tuple[set[str], set[str]]]:
    taken: dict[str, tuple[set[str], set[str]]] = {}
    for schema, kind, name in answer.get("taken") or ():
        relations, constraints = taken.setdefault(schema, (set(), set()))
        (constraints if kind == "constraint" else relations).add(name)
    return taken
