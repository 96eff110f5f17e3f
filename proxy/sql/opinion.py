"""A second opinion: what stock sqlglot takes a statement for, beside what we do.

It is told and never acted on.  Where the two differ sqlglot is nearly always wrong (docs/decisions.md); a
difference of a form not met before is worth a look all the same.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from proxy.sql.names import clip, fold
from proxy.sql.statements import (
    AlterTable,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    Drop,
    DropIndex,
    Other,
    Query,
    Statement,
    Unreadable,
    quote_identifier,
)

if TYPE_CHECKING:
    from sqlglot import exp

LONGEST = 20_000  # characters: sqlglot recurses, and its compiled form would end the process
BRACKETS = 200

# What sqlglot calls by one name, and Postgres by several.
SAME = {
    "CREATE MATERIALIZED VIEW": "CREATE VIEW", "CREATE TABLE AS": "CREATE TABLE", "DROP MATERIALIZED VIEW": "DROP VIEW",
}  # fmt: skip
# Kinds of ours and the classes that sqlglot has for them; where it has none a Command is right, and anything else is not.
CLASSES = {
    "SET": "Set", "RESET": "Set", "COMMENT": "Comment", "GRANT": "Grant", "REVOKE": "Revoke", "GRANT ROLE": "Grant",
    "REVOKE ROLE": "Revoke", "COPY": "Copy", "ANALYZE": "Analyze", "BEGIN": "Transaction", "COMMIT": "Commit",
    "ROLLBACK": "Rollback", "ROLLBACK TO": "Rollback",
}  # fmt: skip


def disagreement(statement: Statement) -> str | None:
    """How sqlglot reads it otherwise, for a log; None if it agrees, has no opinion, or we have none."""
    ours = _ours(statement)
    if ours is None or len(statement.sql) > LONGEST or statement.sql.count("(") > BRACKETS:
        return None
    theirs = _theirs(statement.sql)
    if theirs is None or theirs == ours:
        return None
    return f"sqlglot reads {_told(theirs)} where Interlock reads {_told(ours)}"


Opinion = tuple[str, str]  # the command and the relation, as the catalog has its name; "" for none


def _told(opinion: Opinion) -> str:
    kind, relation = opinion
    return f"{kind} {relation}" if relation else kind


def _ours(statement: Statement) -> Opinion | None:
    node = statement.node
    match node:
        case Query(kind=kind):
            return kind, ""
        case (
            CreateIndex(relation=name)
            | AlterTable(relation=name)
            | CreateTable(relation=name)
            | CreateTableAs(relation=name)
        ):
            return SAME.get(node.kind, node.kind), str(name)
        case DropIndex(names=(name,)) | Drop(object_type="TABLE" | "VIEW" | "MATERIALIZED VIEW", names=(name,)):
            return SAME.get(node.kind, node.kind), str(name)
        case Other(kind="CREATE VIEW", relations=(name,)):
            return "CREATE VIEW", str(name)
        case Other(kind="TRUNCATE TABLE", relations=(name,)):
            return "TRUNCATE TABLE", str(name)
        case Drop() | DropIndex() | Other(kind="TRUNCATE TABLE" | "CREATE VIEW") | Unreadable():
            return None
        case _:
            return CLASSES.get(node.kind, node.kind), ""


def _theirs(sql: str) -> Opinion | None:
    """What sqlglot takes a statement for; None where it has no opinion (a Command), several, or an error."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it warns of every Command
    try:
        trees = sqlglot.parse(sql, read="postgres")
    except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        return None
    finally:
        logger.setLevel(level)
    if len(trees) != 1:
        return f"{len(trees)} statements", ""
    tree = trees[0]
    match tree:
        case None | exp.Command():
            return None
        case exp.Create() if tree.kind == "INDEX":
            return "CREATE INDEX", _table(tree)
        case exp.Create() | exp.Drop() if tree.kind in ("TABLE", "VIEW", "INDEX"):
            return f"{tree.key.upper()} {tree.kind}", _table(tree)
        case exp.Alter():
            return f"ALTER {tree.kind}", _table(tree)
        case exp.TruncateTable():
            return "TRUNCATE TABLE", _table(tree)
        case exp.Query():
            into = tree.find(exp.Into)
            return ("CREATE TABLE", _table(into)) if into is not None else ("SELECT", "")
        case exp.Insert() | exp.Update() | exp.Delete() | exp.Merge():
            return tree.key.upper(), ""
        case exp.Values():
            return "SELECT", ""
        case exp.Create() | exp.Drop():
            return None  # of an object that we compare no names of
        case _:
            name = type(tree).__name__
            return ("Commit" if name == "EndStatement" else name), ""  # END, in some versions


def _table(tree: exp.Expr) -> str:
    from sqlglot import exp

    table = tree.find(exp.Table)
    if table is None:
        return ""
    parts = (
        part
        for part in (table.args.get("catalog"), table.args.get("db"), table.this)
        if isinstance(part, exp.Identifier)
    )
    return ".".join(quote_identifier(clip(part.name if part.quoted else fold(part.name))) for part in parts)
