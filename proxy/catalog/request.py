"""The question that ``lookup`` is about: as much of its query as a statement needs, and the parameter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

from proxy.catalog import answer as carried
from proxy.catalog import asked
from proxy.catalog.built_in_types import NAMES
from proxy.catalog.column_state import STATE
from proxy.catalog.effect import effect
from proxy.catalog.facts import Facts
from proxy.catalog.sources import NOTHING, Sources, sources
from proxy.plans.target import is_own
from proxy.sql.names import clip
from proxy.sql.statements import AlterTable, CreateIndex, Explain, Statement
from proxy.sql.written import written


def _text(name: str) -> str:
    return files("proxy.catalog").joinpath(name).read_text(encoding="ascii")


SQL = _text("lookup.sql").replace("/* column_state */", STATE).replace("/* size */", _text("size.sql"))
SQL = SQL.replace("/* makeup */", _text("makeup.sql"))
"""One text parameter, ``Request.parameter``; one row of one text column, for ``decode``.

``Request.sql`` is the same without the sections that a request does not ask for: to plan it all takes milliseconds.
"""


@lru_cache(maxsize=128)
def sections(wanted: frozenset[str]) -> str:
    """``SQL`` without what stands between ``-- if name`` and ``-- end name`` for names that are not wanted; they nest.

    Without comments and indentation, too: the server reads each of our texts anew.
    """
    lines: list[str] = []
    within: list[str] = []
    for line in SQL.splitlines():
        mark, _, name = line.strip().removeprefix("-- ").partition(" ")
        if line.strip().startswith("-- ") and mark == "if" and name.isidentifier():
            within.append(name)
        elif line.strip().startswith("-- ") and mark == "end" and name.isidentifier():
            within.remove(name)
        elif not line.strip().startswith("--") and wanted.issuperset(within):
            lines.append(line.strip())
    return "\n".join(lines)


READ = ("carried", "beside", "following", "taken", "functions")  # sections that read the parameter

# Postgres shortens the longer of table and column name first, and never a table's below this many bytes.
PREFIX_BYTES = 18


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for one statement.  ``sections`` of the query are named like the fields that ask for them."""

    wanted: tuple[asked.Wanted, ...] = ()
    taken: tuple[str, ...] | None = None  # the table for which a name is to be chosen
    given: bool = False  # none has to be, unless for a partition
    relation_names: bool = True  # of relations that might be in its way
    constraint_names: bool = True  # of constraints, likewise
    referencing: bool = False  # also find the tables whose foreign keys point here: no index helps with that
    cascade: bool = False  # also at any remove, and views likewise
    detail: bool = False  # also how it is partitioned
    owned: bool = False  # also the sequences of its columns
    swaps: bool = False  # also all that there is to a column and what hangs on it
    writes: bool = False  # also what an UPDATE of its rows would set off, and whose it is
    retypes: bool = False  # also what the columns' types are over, and what only heirs of a table have on a column
    mentions: bool = False  # also the columns that an index has anywhere
    place: bool = False  # also in which tablespace, and by which access method
    parts: bool = False  # also the partitions, at any remove, and what tells their indexes apart
    indexes: bool = True  # a name may be an index's: also the table of it
    sources: Sources = NOTHING
    roles: bool = True  # also what the session's user is a member of
    inside: bool = True  # also what the open transaction has locked
    shared: bool = False  # in a form that suits most statements, for the server keeps it planned
    again: bool = (
        False  # for the second time: what few statements need is asked only then, for to plan it takes milliseconds
    )

    def kept(self, *, written: bool = False) -> Request:
        """For a transaction block, where the server keeps a question planned and each is in a hurry.

        ``written``: it has planned, too, what is asked where rows are written, as a default that calls a function may have it.
        """
        return replace(
            self, shared=True, again=self.again or (written and self.writes and bool(self.sources.functions))
        )

    @property
    def sql(self) -> str:
        """As much of ``SQL`` as this request needs."""
        return self._text(carried=True)

    @property
    def inlined(self) -> str:
        """The same with its values in it: for a Query, which has no parameters."""
        names, types = self._literals()
        if not names:
            return carried.inlined(self.sql, self.parameter)
        text = self._text(carried=False).replace("/* names */", names).replace("/* types */", types)
        return carried.inlined(text, self.parameter) if "$1" in text else text

    def _literals(self) -> tuple[str, str]:
        """What the names and the types mean, as rows of calls; empty where that takes more than a call each.

        To read them out of JSON takes the server longer than to look them up.
        """
        names, types = [], []
        for w in self.wanted:
            if not w.beside and not (w.how == "visible" and _is_word(w.parts)):
                return "", ""
            call = "NULL" if w.beside else f"pg_catalog.to_regclass('\"{w.parts[0]}\"')"
            names.append(f"(CAST({call} AS pg_catalog.oid))")
        for key, parts in enumerate(self.sources.types.values()):
            if not _is_word(parts):
                return "", ""
            types.append(f"({key}, CAST(pg_catalog.to_regtype('\"{parts[0]}\"') AS pg_catalog.oid))")
        return f"VALUES {', '.join(names)}" if names else "", f"VALUES {', '.join(types)}"

    def _text(self, *, carried: bool) -> str:
        """``carried``: the names and the types come in the parameter."""
        # Planned once, for all that may come: what only some statements need adds little to what it takes to plan and to answer.
        alike = self.shared and not self.retypes and not (self.again and self.parts)
        fully = alike and self.again
        asked = {
            "carried": carried,
            "taken": self.chosen or self.shared,
            "relation_names": self.relation_names or self.shared,
            "constraint_names": self.constraint_names or self.shared,
            "referencing": self.referencing or alike,
            "cascade": self.cascade or alike,
            "following": self.referencing or self.cascade or alike,
            "detail": (self.detail and self.again) or fully,
            "owned": self.owned or alike,
            "inside": self.inside,
            "roles": self.roles or self.shared,
            "building": self.again or self.shared,
            "writes": (self.writes and self.again) or fully,
            "swaps": self.swaps and self.again,
            "retypes": self.retypes,
            "casts": self.retypes and bool(self.sources.types),
            "heirs": self.retypes and self.again,
            "parts": self.parts and self.again,
            "domains": self.again or self.retypes,
            "collations": self.again or self.retypes,
            "trees": self.again,
            "titles": self.referencing or self.cascade or self.sources.users or alike,
            "indexes": self.indexes or self.again or self.shared,
            "qualified": self.shared or any(len(w.parts) > 1 or w.how == "create" for w in self.wanted),
            "place": self.place,
            "mentions": (self.mentions and (self.again or self.retypes)) or fully,
            "defined": (self.again and (self.parts or self.writes)) or fully,
            "beside": any(wanted.beside for wanted in self.wanted) or self.shared,
            "bounded": self.shared if self.taken is None else _last(clip(self.taken[-1], PREFIX_BYTES)) is not None,
            "types": bool(self.sources.types) or alike,
            "described": self.described,
            "of_schema": self.shared or any(len(parts) > 1 for parts in self.sources.types.values()),
            "users": self.sources.users,
            "functions": bool(self.sources.functions) or alike,
            "computed": self.sources.computed or alike,
        }
        asked["request"] = any(asked[name] for name in READ)
        return sections(frozenset(name for name, yes in asked.items() if yes))

    @property
    def chosen(self) -> bool:
        """Whether a name may have to be chosen, among those that are taken."""
        return self.taken is not None and (self.again or not self.given)

    @property
    def described(self) -> bool:
        """Whether more is asked of the types than what their names mean."""
        asked_anyway = self.again or self.retypes or self.shared or self.sources.users
        return asked_anyway or not NAMES.issuperset(self.sources.types.values())

    @property
    def parameter(self) -> str:
        """The parameter of ``SQL``."""
        keys = {wanted.parts: key for key, wanted in enumerate(self.wanted)}
        names = [
            {
                "database": w.parts[-3] if len(w.parts) > 2 else None,
                "schema": w.parts[-2] if len(w.parts) > 1 else None,
                "name": w.parts[-1] if not w.beside else "",
                "how": w.how,
            }
            for w in self.wanted
        ]
        beside = [
            {"key": key, "name": w.parts[-1], "beside": keys[w.beside]} for key, w in enumerate(self.wanted) if w.beside
        ]
        asked: dict[str, object] = {"names": names, "beside": beside}
        if self.taken is not None:
            prefix = clip(self.taken[-1], PREFIX_BYTES)
            asked |= {"taken": keys[self.taken], "prefix": prefix, "last": _last(prefix)}
        asked |= {"referencing": self.referencing, "cascade": self.cascade}
        asked |= {"types": _keyed(self.sources.types.values()), "functions": _keyed(self.sources.functions)}
        return carried.encode(asked)


# What most statements of a transaction block are asked about; and, for the second time, those that write rows, say.
LIKELY = (Request().kept(), Request(again=True).kept())


def more(first: Request, statement: Statement, facts: Facts) -> Request | None:
    """What to ask once more; None: all is known that matters.

    There is more to know of partitions and domains, and of what a plan would touch that works on rows or makes foreign keys again.
    """
    if first.again:
        return None
    inherited = asked.only_inherited(statement.node) if not statement.inner else frozenset()
    alone = {r.oid for parts, r in facts.relations.items() if parts in inherited}
    needed = any(
        (r.has_children or r.partitioned or r.is_partition) and r.oid not in alone for r in facts.relations.values()
    )
    needed |= not first.indexes and any(r.kind in "iI" for r in facts.relations.values())
    needed |= any(t.is_domain or t.has_default for t in facts.types.values())
    needed |= not first.described and not facts.types.keys() >= first.sources.types.keys()
    # Is somebody building it now?
    needed |= any(not index.valid for r in facts.relations.values() for index in r.indexes.values())
    needed |= any(r.index is not None and not r.index.valid for r in facts.relations.values())
    # What an interrupted run has left is gone on with, whatever there is still to do.
    needed |= any(is_own(name) for r in facts.relations.values() for name in (*r.constraints, *r.indexes, *r.columns))
    if not needed and (first.writes or first.swaps):
        foretold = effect(statement, facts)
        needed = foretold.work != "none" or len(foretold.relations) + len(foretold.others) > 1
    return replace(first, again=True) if needed else None


def _is_word(parts: tuple[str, ...]) -> bool:
    """Whether it is one name that means itself between quotes of any kind, and in every encoding."""
    return len(parts) == 1 and parts[0].isascii() and parts[0].isidentifier()


def _keyed(names: Iterable[tuple[str, ...]]) -> list[dict[str, object]]:
    return [
        {"key": key, "schema": parts[-2] if len(parts) > 1 else None, "name": parts[-1]}
        for key, parts in enumerate(names)
    ]


def _last(prefix: str) -> str | None:
    """A name that sorts, by bytes and in every encoding, after all that start with ``prefix``; None: there is none."""
    head = prefix.encode("ascii", "replace").partition(b"?")[0].decode().rstrip("\x7f")
    return head[:-1] + chr(ord(head[-1]) + 1) if head else None


def request(statement: Statement, *, in_transaction: bool = True, roles: bool = True) -> Request:
    """What to ask about a statement and what it runs; ``roles``: and who the user is a member of."""
    node = statement.node
    while isinstance(node, Explain):
        node = node.target
    wanted = asked.by_name(node)
    for inner in statement.inner:
        for parts, w in asked.by_name(inner.node).items():
            # A table that one statement makes and another uses: there may be one that is used already.
            if w.how == "visible" or parts not in wanted:
                wanted[parts] = w
    for one in written(statement):
        wanted.setdefault(one.relation.parts, asked.Wanted(one.relation.parts))
    named = asked.named(node)
    referencing = any(asked.referencing(one) for one in (node, *(inner.node for inner in statement.inner)))
    return Request(
        wanted=tuple(wanted.values()),
        taken=named if named in wanted else None,
        given=asked.is_given(node),
        relation_names=asked.names_relation(node),
        constraint_names=not isinstance(node, CreateIndex),
        referencing=referencing,
        cascade=any(asked.cascades(one) for one in (node, *(inner.node for inner in statement.inner))),
        detail=any(
            asked.in_detail(one) or asked.in_parts(one) for one in (node, *(inner.node for inner in statement.inner))
        ),
        owned=any(asked.with_sequences(one) for one in (node, *(inner.node for inner in statement.inner))),
        swaps=any(asked.swaps(one) for one in (node, *(inner.node for inner in statement.inner))),
        writes=any(asked.writes(one) for one in (node, *(inner.node for inner in statement.inner)))
        or asked.changes(statement),
        retypes=any(asked.retypes(one) for one in (node, *(inner.node for inner in statement.inner))),
        mentions=asked.changes(statement)
        or any(asked.swaps(one) for one in (node, *(inner.node for inner in statement.inner))),
        place=any(asked.is_placed(one) for one in (node, *(inner.node for inner in statement.inner))),
        parts=any(asked.in_parts(one) for one in (node, *(inner.node for inner in statement.inner))),
        sources=sources(statement),
        roles=roles,
        again=asked.changes(statement),
        inside=in_transaction,
        indexes=not (isinstance(node, AlterTable) and node.object_type == "TABLE")
        or any(w.beside for w in wanted.values()),
    )
