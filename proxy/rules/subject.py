"""The table that a finding is about: whether it needs protection, and how to speak of it."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.catalog.facts import Relation, describe_rows, describe_size
from proxy.plans.plan import Rewrite
from proxy.rules.base import Context
from proxy.rules.refused import refused
from proxy.sql.lexer import LexError, lex
from proxy.sql.statements import AlterTable, Name


@dataclass(frozen=True, slots=True)
class Subject:
    """A table; ``relation`` is None if nothing is known of it: then it may be large."""

    name: Name
    relation: Relation | None
    live: bool  # a database was asked

    @property
    def shown(self) -> str:
        """Its own name in double quotes, as Postgres's messages have it."""
        return f'"{self.name.name}"'

    @property
    def kind(self) -> str | None:
        """pg_class.relkind; None if not known."""
        return self.relation.kind if self.relation else None

    @property
    def unresolved(self) -> bool:
        """Whether the database was asked, and said nothing: then no plan can be made that is sure to fit."""
        return self.live and self.relation is None

    @property
    def amount(self) -> str:
        """``"orders" (41 GB, 212 million rows)``."""
        known = _measures(self.relation)
        return f"{self.shown} ({', '.join(known)})" if known else self.shown

    @property
    def all_rows(self) -> str:
        """``All 41 GB (212 million rows) of "orders"``, to begin a sentence."""
        match _measures(self.relation):
            case [size, rows]:
                return f"All {size} ({rows}) of {self.shown}"
            case [known]:
                return f"All {known} of {self.shown}"
            case _:
                return f"All rows of {self.shown}"


def subject(name: Name, context: Context) -> Subject | None:
    """The table of that name; None if there is nothing to protect.

    That is so if it does not exist (Postgres says so itself), if nobody else can see it (new in this
    transaction, temporary), and on a standby, where no DDL runs.
    """
    relation = context.relation(name)
    if context.facts.in_recovery or (relation is not None and (not relation.exists or relation.private)):
        return None
    return Subject(name, relation, context.facts.live)


def altered(context: Context, *, rows: bool = True) -> Subject | None:
    """The table of an ALTER TABLE, if (``rows``) it may hold rows that an action could be long about."""
    if altered not in context.known:
        context.known[altered] = _altered(context)
    about: Subject | None = context.known[altered]
    if about is not None and rows and about.kind == "p" and about.relation and not about.relation.has_children:
        return None  # without a partition there is no row
    return about


def _altered(context: Context) -> Subject | None:
    alter: AlterTable = context.table
    # ALTER VIEW, ALTER FOREIGN TABLE … refuse a table, and what they take has no rows of its own.
    about = subject(alter.relation, context) if alter.object_type == "TABLE" else None
    if about is None or about.kind not in (None, "r", "p"):
        return None
    return None if refused(context.statement, about.relation, context.facts.major) else about


def _measures(relation: Relation | None) -> list[str]:
    """Size and rows, as far as they are known."""
    if relation is None:
        return []
    known = [describe_size(relation.size_bytes)] if relation.size_bytes is not None else []
    return known + ([describe_rows(relation.rows)] if relation.rows is not None else [])


def script(*statements: str | tuple[str, str]) -> str:
    """Statements for a hint, one a line, each with its semicolon; of a pair, the second is a comment behind it."""
    return "\n".join(
        f"{on_one_line(one)};" if isinstance(one, str) else f"{on_one_line(one[0])}; -- {one[1]}" for one in statements
    )


def on_one_line(sql: str) -> str:
    """The statement without the line ends that its author has put between its words; those in a literal, or after a comment, stay."""
    if "\n" not in sql:
        return sql
    try:
        tokens = lex(sql)
    except LexError:
        return sql
    pieces, at = [], 0
    for token in tokens:
        gap = sql[at : token.start]
        pieces += [" " if "\n" in gap and not gap.strip() else gap, sql[token.start : token.end]]
        at = token.end
    return "".join((*pieces, sql[at:])).strip()


def by_steps(rewrite: Rewrite | None) -> str:
    """For a hint: what a rewrite that is a plan by itself runs; empty if there is none."""
    return script(*(sql for step in rewrite.steps for sql in step.statements)) if rewrite is not None else ""
