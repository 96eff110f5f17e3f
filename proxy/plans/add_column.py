"""ADD COLUMN in steps: the column for new rows, then the old rows, then what is demanded of all.

Until the last step a passing CHECK (true) marks the column as unfinished: so the same statement, sent again after an
interruption, goes on where it stopped instead of meeting a column that is there already.
Source: transformColumnDefinition, transformAlterTableStmt (parser/parse_utilcmd.c): what stands inside a column
definition becomes actions of the same ALTER TABLE, ahead of its own.
"""

from __future__ import annotations

from proxy.catalog.column_work import added_type
from proxy.catalog.facts import Column, Facts, Relation
from proxy.catalog.type_names import SERIAL
from proxy.plans import done
from proxy.plans.compose import prepared
from proxy.plans.default_names import base_name, table_name
from proxy.plans.fill import fill
from proxy.plans.inline import Inline, inline
from proxy.plans.leftover import is_leftover
from proxy.plans.mark import UNFINISHED, is_resumed, mark
from proxy.plans.numbered import Numbered, numbered
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.staged_not_null import staged_not_null
from proxy.plans.steady import is_free
from proxy.plans.target import Target, altering, target
from proxy.plans.unique_by_index import unique_by_index
from proxy.plans.validate_later import validate_later
from proxy.records import replace
from proxy.sql import edit
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterTable,
    ColumnConstraint,
    ConstraintKind,
    DropColumn,
    SetNotNull,
    Span,
    Statement,
    quote_identifier,
)

VALUES = ("DEFAULT", "GENERATED", "IDENTITY")
DEMANDS = ("NOT NULL", "CHECK", "UNIQUE", "PRIMARY KEY", "REFERENCES")
KEYS = (ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY)
PARTITIONED_KEYS = 18  # the first version that takes NOT VALID for a foreign key of a partitioned table
PARTITIONED_IDENTITY = 17  # from here on a partitioned table with partitions takes ADD COLUMN … IDENTITY


def add_column(statement: Statement, action: AddColumn, facts: Facts) -> Rewrite | None:
    """The rewrite of one ADD COLUMN; None if the end could differ from what the author wrote."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    relation = facts.find(alter.relation)
    table = target(alter.relation, relation, statement)
    fills = filled(statement, action, facts)
    if fills is None:
        return None
    taken_apart = _demands(action, fills=fills)
    if not _possible(taken_apart, relation, facts, fills=fills) or not _names_are_distinct(statement, table, relation):
        return None
    if _identity_of_partitions(action, relation, facts):
        return None
    number = numbered(statement, action, table, relation, facts) if fills else None
    if fills and number is None and action.column.constraint("DEFAULT") is None:
        return None
    resumed = is_resumed(statement, action, relation)
    parts = inline(statement, action, table, taken_apart, not_null=number is not None)
    known = _with_column(facts, alter, parts, relation, action, statement, resumed=resumed)
    demanded = _rewrites(parts, known)
    if demanded is None:
        return None
    return _joined(statement, action, table, parts, demanded, known, number, taken_apart, fills=fills, resumed=resumed)


def filled(statement: Statement, action: AddColumn, facts: Facts) -> bool | None:
    """Whether the rows that are there get values of their own; None if that is not known, or cannot be done in steps."""
    column = action.column
    if column.constraint("GENERATED") is not None:
        generated = column.constraint("GENERATED")
        return False if generated is not None and generated.virtual else None
    if column.type.name not in SERIAL and added_type(statement, column.type, (), facts)[0] == "rewrite":
        return None  # a domain that must be checked
    values = tuple([c for c in column.constraints if c.kind in VALUES])
    work, known = added_type(statement, column.type, values, facts)
    if work == "rewrite" and facts.live and not known:
        return None
    return work == "rewrite"


# ---------------------------------------------------------------- what must be so


def _possible(demands: tuple[ColumnConstraint, ...], relation: Relation | None, facts: Facts, *, fills: bool) -> bool:
    partitioned = relation is not None and relation.kind == "p"
    if relation is not None and relation.has_children and not partitioned and fills:
        return False  # a child may have the column, and values in it, already
    if partitioned and any(c.kind in ("UNIQUE", "PRIMARY KEY") for c in demands):
        return False
    if partitioned and facts.major < PARTITIONED_KEYS and any(c.kind == "REFERENCES" for c in demands):
        return False
    return not any(c.no_inherit for c in demands)


def _identity_of_partitions(action: AddColumn, relation: Relation | None, facts: Facts) -> bool:
    """Whether Postgres takes no such column: in steps only the whole would number its rows, and its partitions have a plain NOT NULL."""
    partitions = relation is not None and relation.kind == "p" and relation.has_children
    return partitions and facts.major < PARTITIONED_IDENTITY and action.column.constraint("IDENTITY") is not None


def _names_are_distinct(statement: Statement, table: Target, relation: Relation | None) -> bool:
    """Whether no two constraints of the ALTER want one name: which of them would get it is not looked into."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    adds = [a for a in alter.actions if isinstance(a, AddColumn)]
    name = table_name(alter, relation)
    columns = {*relation.columns, *(a.column.name for a in adds)} if relation is not None else None
    demanding = [(a, statement) for a in alter.actions if isinstance(a, AddConstraint | SetNotNull)]
    for a in adds:
        demands = [c for c in a.column.constraints if c.kind in DEMANDS]
        made = inline(statement, a, table, demands, not_null=a.column.type.name in SERIAL).statement
        for one in made.node.actions if made is not None and isinstance(made.node, AlterTable) else ():
            assert made is not None
            assert isinstance(one, AddConstraint | SetNotNull)
            demanding.append((one, made))
    names = [base_name(one, written, name, columns) for one, written in demanding]
    return None not in names and len(names) == len(set(names))


def _demands(action: AddColumn, *, fills: bool) -> tuple[ColumnConstraint, ...]:
    """The constraints that come after the column: those that would make Postgres look at rows."""
    found = []
    given = any(c.kind in VALUES for c in action.column.constraints)
    for c in action.column.constraints:
        if c.kind not in DEMANDS or c.not_enforced:
            continue
        if fills or c.kind in ("CHECK", "UNIQUE", "PRIMARY KEY") or (c.kind == "REFERENCES" and given):
            found.append(c)
    return tuple(found)


def _with_column(
    facts: Facts,
    alter: AlterTable,
    parts: Inline,
    relation: Relation | None,
    action: AddColumn,
    statement: Statement,
    *,
    resumed: bool,
) -> Facts:
    """The facts once the column is there.  What an interrupted run has put on it does not take a name away."""
    if relation is None or parts.statement is None:
        return facts  # nothing asks for it
    made = parts.statement.node
    assert isinstance(made, AlterTable)
    demands = [a.constraint for a in made.actions if isinstance(a, AddConstraint)]
    name = action.column.name
    if not demands and name not in relation.columns and facts.find(made.relation) is relation:
        return facts  # NOT NULL asks only whether it is so already
    columns = dict(relation.columns)
    if not resumed:
        type_ = action.column.type.span.of(statement.text)
        columns[name] = Column(name, type_, not_null=False)
    changed = replace(relation, columns=columns)
    relations = {k: changed if r is relation else r for k, r in facts.relations.items()}
    relations[made.relation.parts] = changed
    if not resumed:
        return replace(facts, relations=relations)
    own = {
        c.name
        for c in relation.constraints.values()
        if name in c.columns or any(is_leftover(parts.statement, d, c, facts, validated=True) for d in demands)
    }
    own |= {i.name for i in relation.indexes.values() if name in i.columns}
    in_relations = {schema: names - own for schema, names in facts.taken_relations.items()}
    in_constraints = {schema: names - own for schema, names in facts.taken_constraints.items()}
    return replace(facts, relations=relations, taken_relations=in_relations, taken_constraints=in_constraints)


# ---------------------------------------------------------------- the demands


def _rewrites(parts: Inline, facts: Facts) -> dict[Action, Rewrite] | None:
    """How each constraint of the column is reached; None if one cannot be."""
    found: dict[Action, Rewrite] = {}
    if parts.statement is None:
        return found
    assert isinstance(parts.statement.node, AlterTable)
    for action in parts.statement.node.actions:
        if (rewrite := _rewrite(parts, action, facts)) is None:
            return None
        found[action] = rewrite
    return found


def _rewrite(parts: Inline, action: Action, facts: Facts) -> Rewrite | None:
    assert parts.statement is not None
    match action:
        case SetNotNull():
            return staged_not_null(parts.statement, action, facts, name=parts.not_null_name)
        case AddConstraint(constraint=c) if c.kind in KEYS:
            strict = c.kind is ConstraintKind.PRIMARY_KEY and not parts.staged
            return unique_by_index(parts.statement, action, facts, c.columns if strict else ())
        case AddConstraint():
            return validate_later(parts.statement, action, facts)
        case _:
            return None


# ---------------------------------------------------------------- the whole


def _joined(
    statement: Statement,
    action: AddColumn,
    table: Target,
    parts: Inline,
    demanded: dict[Action, Rewrite],
    facts: Facts,
    number: Numbered | None,
    taken_apart: tuple[ColumnConstraint, ...],
    *,
    fills: bool,
    resumed: bool,
) -> Rewrite:
    alter = statement.node
    assert isinstance(alter, AlterTable)
    name, marked = quote_identifier(action.column.name), mark(statement, action, table.key)
    edits = _edits(statement, action, taken_apart, number, marked, fills=fills)
    text = edit.apply(action.span.of(statement.text), edits, action.span.start - statement.span.start)
    if resumed:
        text, edits = f"DROP CONSTRAINT {marked}, ADD CONSTRAINT {marked} {UNFINISHED}", ()
    steps: list[Step] = []
    if fills:
        default = action.column.constraint("DEFAULT")
        given = default.expression.of(statement.text) if default is not None and default.expression else None
        value, free = ("DEFAULT", False) if given is None else (f"({given})", is_free(given, facts))
        steps.append(fill(table, action.column.name, value, alter, strict=parts.not_null, repeatable=free))
    if parts.statement is not None:
        steps += [_ours(step) for step in prepared(parts.statement, demanded, facts)]
    back = f"DROP COLUMN IF EXISTS {name}, DROP CONSTRAINT IF EXISTS {marked}"
    lasts = [r.last for r in demanded.values() if r.last]
    lasts += [*(number.last if number else ()), f"DROP CONSTRAINT IF EXISTS {marked}"]
    keys = [c.references for c in action.column.constraints if c.references is not None and c not in taken_apart]
    others = {target(key, facts.find(key), statement).key for key in keys}
    relation = facts.find(alter.relation)
    return Rewrite(
        tuple(steps),
        action=text,
        edits=edits,
        also=number.also if number and not resumed else (),
        undo=(altering(table, alter, back), *(number.undo if number else ())),
        done=None if resumed else _done(action, alter, table, marked),
        last=", ".join(lasts),
        last_done=done.negate(done.constraint(table, marked)),
        after=tuple(words for r in demanded.values() for words in r.after),
        also_last=number.also_last if number else (),
        why_last=_why_last(demanded, number),
        give_up=(altering(table, alter, f"DROP CONSTRAINT IF EXISTS {marked}"),),
        table=table.key,
        relations=tuple(sorted({table.key, *others})),
        lock=Lock.ACCESS_EXCLUSIVE,
        hooks=relation.on_update if relation is not None and fills else (),
        resumed=resumed,
    )


def _done(action: AddColumn, alter: AlterTable, table: Target, marked: str) -> str | None:
    name = action.column.name
    if any(isinstance(a, DropColumn) and a.column == name for a in alter.actions):
        return done.constraint(table, marked)  # a column of that name is there before
    return done.column(table, name)


def _ours(step: Step) -> Step:
    """A step of ours: places in it mean nothing to the author."""
    return replace(step, edits=()) if step.edits else step


def _why_last(demanded: dict[Action, Rewrite], number: Numbered | None) -> str:
    if number is not None and number.last:
        return "makes it an identity column that goes on where the passing sequence stopped"
    return "puts in place what was prepared" if any(r.last for r in demanded.values()) else "takes the mark away"


def _edits(
    statement: Statement,
    action: AddColumn,
    taken_apart: tuple[ColumnConstraint, ...],
    number: Numbered | None,
    marked: str,
    *,
    fills: bool,
) -> tuple[Edit, ...]:
    """The author's own words for the column, without what comes later; its default as an action behind it."""
    text, start, end = statement.text, statement.span.start, action.span.end
    column, name = action.column, quote_identifier(action.column.name)
    edits: list[Edit] = []
    if action.if_not_exists:  # it is not there; if it comes meanwhile, that is an error and not ours to fill
        edits.append(Edit(action.span.start - start, column.span.start - start, "ADD COLUMN "))
    if number is not None and number.type:
        edits.append(Edit(column.type.span.start - start, column.type.span.end - start, number.type))
    moved = list(taken_apart)
    tail = ""
    default = column.constraint("DEFAULT") if fills else None
    if default is not None and default.expression is not None:
        kept = [c for c in column.constraints if c not in moved]
        if kept[-1] is default and _is_last(text, default.span, end, moved) and default.name is None:
            at = _behind(text, default.span.start)
            edits.append(Edit(at - start, default.span.start - start, f", ALTER COLUMN {name} SET "))
        else:
            moved.append(default)
            tail = f", ALTER COLUMN {name} SET DEFAULT {default.expression.of(text)}"
    moved += [c for c in column.constraints if c.kind == "IDENTITY" and fills]
    edits += [Edit(_behind(text, c.span.start) - start, c.span.end - start, "") for c in moved]
    edits.append(Edit(end - start, end - start, f"{tail}, ADD CONSTRAINT {marked} {UNFINISHED}"))
    return tuple(sorted(edits, key=edit.PLACE))


def _is_last(text: str, span: Span, end: int, moved: list[ColumnConstraint]) -> bool:
    """Whether nothing but constraints that are moved stands between ``span`` and the end: no COLLATE, say."""
    at = span.end
    for c in sorted(moved, key=lambda c: c.span.start):
        if c.span.start < span.end:
            continue
        if text[at : c.span.start].strip():
            return False
        at = c.span.end
    return not text[at:end].strip()


def _behind(text: str, at: int) -> int:
    """``at``, or the end of what stands before the blanks there; never a line end, which may close a comment."""
    while at and text[at - 1] in " \t":
        at -= 1
    return at
