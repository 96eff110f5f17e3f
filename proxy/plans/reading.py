"""What plans ask of an expression: the columns in it, and whether two texts mean the same."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlglot import exp

from proxy.sql.expression import parse_expression
from proxy.sql.names import clip, fold

Shape = tuple[Any, ...]
SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "xmax", "cmin", "cmax", "ctid"})


ROW = ""  # what stands for a whole row among the names of columns


def columns(text: str, table: str = "", known: Collection[str] | None = None) -> tuple[str, ...] | None:
    """The names that stand for columns in ``text``, each once, folded; None if it cannot be read.

    ``table`` is the one that it is about, and ``known`` its columns; of ``(orders).total`` the column is total, of
    ``f(orders)`` it is ``ROW``.  Source: ParseComplexProjection (parser/parse_func.c).
    """
    if (tree := parse_expression(text)) is None or tree.find(exp.Query) is not None:
        return None
    return tuple(dict.fromkeys(_column(column, table, known) for column in tree.find_all(exp.Column)))


def _column(column: exp.Column, table: str, known: Collection[str] | None) -> str:
    if isinstance(column.this, exp.Identifier):
        name = _name(column.this)
        if name != table or column.args.get("table") or (known is not None and name in known):
            return name
    node: Any = column
    while isinstance(node.parent, exp.Paren):
        node = node.parent
    dot = node.parent
    if isinstance(dot, exp.Dot) and dot.this is node and isinstance(dot.expression, exp.Identifier):
        name = _name(dot.expression)
        return name if known is None or name in known or name in SYSTEM_COLUMNS else ROW
    return ROW


def same(written: str, printed: str) -> bool:
    """Whether ``printed``, by the server, is the condition that a client has ``written``; False when unsure.

    Both are about one table.  The server adds parentheses and casts to the types that it has resolved, leaves out the table's name,
    and spells IN and BETWEEN out.
    """
    one, other = parse_expression(written), parse_expression(printed)
    try:
        return one is not None and other is not None and _shape(one) == _shape(other)
    except RecursionError:
        return False


def _shape(node: Any) -> Shape:
    """A tree as nested tuples, the same for all that the server prints alike."""
    match node:
        case exp.Paren():
            return _shape(node.this)
        case exp.Identifier():
            return ("name", _name(node))
        case exp.Column(this=exp.Identifier() as name):  # of the one table, which the server does not say
            return ("Column", ("this", _shape(name)))
        case exp.Neg(this=exp.Literal(is_string=False) as number):  # printed as '-9'::integer
            return _shape(exp.Literal.string(f"-{number.this}"))
        case exp.Cast() if isinstance(literal := _bare(node), exp.Literal):  # (0)::numeric, ('-9'::integer)::numeric
            return _shape(literal)
        case exp.Cast() if node.is_type("text", "varchar", "text[]", "varchar[]") and _is_plain(node.this):
            return _shape(node.this)
        case exp.And() | exp.Or():
            return (type(node).__name__, *(_shape(arm) for arm in node.flatten()))
        case exp.In() if node.expressions and set(node.args) <= {"this", "expressions"}:
            return _one_of(node.this, node.expressions)
        case exp.EQ(expression=exp.Any(this=listed)) if isinstance(array := _bare(listed), exp.Array):
            return _one_of(node.this, array.expressions)
        case exp.Between() if not node.args.get("symmetric"):
            low, high = _shape(node.args["low"]), _shape(node.args["high"])
            return ("And", ("GTE", _shape(node.this), low), ("LTE", _shape(node.this), high))
        case exp.GTE() | exp.LTE():
            return (type(node).__name__, _shape(node.this), _shape(node.expression))
        case exp.Expression():
            arguments = ((key, value) for key, value in sorted(node.args.items()) if value not in (None, [], False))
            return (type(node).__name__, *((key, _shape(value)) for key, value in arguments))
        case list():
            return tuple(_shape(item) for item in node)
        case _:
            return ("value", node)


def _one_of(tested: Any, values: list[Any]) -> Shape:
    """``x IN (a, b)``, which the server prints as ``x = ANY (ARRAY[a, b])``; ``x IN (a)`` as ``x = a``."""
    if len(values) == 1:
        return _shape(exp.EQ(this=tested.copy(), expression=values[0].copy()))
    return ("one of", _shape(tested), *(_shape(value) for value in values))


def _bare(node: Any) -> Any:
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    return node


def _is_plain(node: Any) -> bool:
    """Whether it is a column, or a list: the casts of these to text are the server's own."""
    return isinstance(_bare(node), exp.Column | exp.Array)


def _name(identifier: exp.Identifier) -> str:
    return clip(identifier.name if identifier.args.get("quoted") else fold(identifier.name))
