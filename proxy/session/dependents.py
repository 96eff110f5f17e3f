"""Statements about what waits for COMMIT: the index of a transaction that is not there yet, the constraint not yet valid.

They wait too, behind it, where they can; what gives up what waits takes it back; and what would pull the ground
from under it is refused.  Pure: what waits is told by the rows of the transaction itself, savepoints included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.catalog.facts import Facts, Relation
from proxy.catalog.naming import relations_of
from proxy.plans.as_written import as_written
from proxy.plans.compose import defer
from proxy.plans.default_names import name_of
from proxy.plans.drop_index import drop_index
from proxy.plans.key_behind import key_behind
from proxy.plans.plan import Plan, Step
from proxy.plans.unfilled import demands_unfilled
from proxy.plans.validate_later import validate_later
from proxy.policy.verdict import Action, Verdict
from proxy.records import replace
from proxy.session.gone import SET_CONSTRAINTS, coming, without
from proxy.session.lost_names import loses_name
from proxy.session.nearby import nearby
from proxy.session.pending import Pending, commented, words
from proxy.session.taken_over import takes_over
from proxy.session.undermining import (
    copies,
    drops_key,
    drops_part,
    loses_partition,
    loses_table,
    misses_part,
    proves,
    refreshes_by,
    undermines,
    would_adopt,
)
from proxy.session.waiting_keys import loses_key, needs_at_once, serves
from proxy.sql.statements import (
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
    DropIndex,
    DropNotNull,
    Name,
    Other,
    OtherAction,
    SetNotNull,
    Statement,
    ValidateConstraint,
)


@dataclass(frozen=True, slots=True)
class GivesUp:
    """The statement takes back what waits: these jobs go, ``run`` runs instead of it, and it itself if ``as_written``."""

    jobs: tuple[int, ...]
    run: tuple[str, ...]
    as_written: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be done before COMMIT, and not behind what waits either."""

    name: str  # of what waits
    what: str  # the statement that makes it wait
    left: bool = False  # it stood in a transaction before, which is committed
    itself: bool = False  # it is the statement's own key
    unfilled: bool = False  # it is a column whose rows have no values yet


def dependent(
    statement: Statement, facts: Facts, verdict: Verdict, pending: Sequence[Pending]
) -> Verdict | GivesUp | Refused | None:
    """What becomes of a statement while ``pending`` waits; None: it has nothing to do with it."""
    node = statement.node
    if (over := takes_over(statement, pending, facts)) is not None:
        return _refused(over, pending)
    made = {name: one for one in nearby(pending, node, facts) for name in one.indexes}
    match node:
        case Other(kind="COMMENT", relations=relations):
            about = commented(statement)
            tables = {name.name for name in relations} - {about}  # of a constraint; others may have some by that name
            known = any(
                about in one.indexes
                if not tables
                else about in one.made and not one.is_plain_index and tables <= one.words
                for one in nearby(pending, node, facts)
            )
            return _behind(statement, facts, verdict, pending) if known else None
        case Other(kind=kind) if kind == SET_CONSTRAINTS and (names := coming(statement, pending)):
            return Refused(names[0], next(one.sql for one in pending if names[0] in one.added))  # beside what is there
        case AlterTable(object_type="INDEX", relation=name, actions=(AttachPartition(),)) if name.name in made:
            return Refused(name.name, made[name.name].sql)
        case AlterTable(object_type="INDEX", relation=name) if name.name in made or _is_reindexed(
            name, nearby(pending, node, facts)
        ):
            return _behind(statement, facts, verdict, pending)
        case DropIndex(names=names) if any(name.name in made for name in names):
            if (needed := _needed([name.name for name in names], made, pending)) is not None:
                return needed
            if len(names) == 1 and (given := _given_up(made[names[0].name], pending)):
                return given
            if all(_is_built_alone(made[name.name]) for name in names if name.name in made):
                plan = Plan(node.kind, _dropped(statement, node, facts, made))
                verdict = replace(verdict, action=Action.DEFER, plan=plan)
            elif node.concurrently:
                waits = next(name.name for name in names if name.name in made)
                return _refused((waits, made[waits].sql), pending)
            return _behind(statement, facts, verdict, pending)
        case DropIndex() if (part := drops_part(node, pending, facts)) is not None:
            return Refused(*part)
        case Other(kind="REFRESH MATERIALIZED VIEW", concurrently=True):
            index = refreshes_by(node, pending, facts)
            return Refused(*index) if index is not None else None
        case CreateIndex(name=Name(name=name), if_not_exists=False) if name in made:
            return None  # the server says that the name is taken: ``gone``
        case CreateIndex() as create if (part := would_adopt(create, pending, facts)) is not None:
            return Refused(*part)
        case CreateTable() | CreateTableAs() if taken := next((n for n in relations_of(node) if n in made), None):
            return Refused(taken, made[taken].sql)
        case Other(kind="CREATE SEQUENCE" | "CREATE VIEW", relations=(Name(name=taken),)) if taken in made:
            return Refused(taken, made[taken].sql)
        case Other(kind="CREATE TYPE" | "ALTER TYPE", name=str(taken)) if (
            taken in made
        ):  # a composite type is a relation, too
            return Refused(taken, made[taken].sql)
        case CreateTable() as create if (
            under := misses_part(create, pending, facts) or copies(statement, create, pending)
        ) is not None:
            return Refused(*under)
        case CreateTable() as create if verdict.action is not Action.REJECT:
            later = key_behind(
                statement,
                create,
                facts,
                lambda name, columns: any(serves(one, name, columns, pending, facts) for one in pending),
            )
            return None if later is None else replace(verdict, action=Action.DEFER, plan=later)
        case AlterTable(object_type="TABLE" | "MATERIALIZED VIEW") as alter:
            return _alter(statement, alter, facts, verdict, pending, made)
        case Drop(object_type="TABLE", names=names):
            left = without(pending, statement, facts)
            return _refused(loses_table(node, left, facts) or loses_partition(names, left, facts), pending)
        case Drop() | Other():
            return _refused(loses_name(statement, pending, facts), pending)
        case _:
            return None


def _refused(under: tuple[str, str] | None, pending: Sequence[Pending]) -> Refused | None:
    """Because of what waits, told by its name and its statement."""
    if under is None:
        return None
    return Refused(*under, left=any(one.left and one.sql == under[1] for one in pending))


def _is_reindexed(name: Name, pending: Sequence[Pending]) -> bool:
    """Whether a REINDEX of that index waits, which would not find it by another name."""
    reindexes = (one for one in pending if one.statement is not None and one.statement.node.kind == "REINDEX")
    return any(name.name in one.words for one in reindexes)


def _alter(
    statement: Statement,
    alter: AlterTable,
    facts: Facts,
    verdict: Verdict,
    pending: Sequence[Pending],
    made: dict[str, Pending],
) -> Verdict | GivesUp | Refused | None:
    relation = facts.find(alter.relation)
    if relation is not None and not relation.exists:
        return None  # which is the first thing that the server says
    oid = relation.oid if relation is not None else 0
    # A job of a table that was not there yet knows it by its name only.
    here = [
        one for one in pending if not oid or (oid in one.tables if one.tables else alter.relation.name in one.words)
    ]
    dropped = [action.name for action in alter.actions if isinstance(action, DropConstraint)]
    # Constraints: those of other tables may have the same names, and so may indexes, about which the server knows no constraint.
    own = {name: one for one in here if not one.is_plain_index for name in one.made}
    if (needed := _needed(dropped, own, pending)) is not None:
        return needed
    if len(alter.actions) == 1 and (given := _takes_back(alter.actions[0], here, own, pending)):
        return given
    filling = [one for one in pending if one in here or one.is_above(relation)]
    filled = {name for one in filling for name, fill in one.fills.items() if fill.not_null}
    keyed = relation is None or relation.kind in "rp"  # of others the server says that they take none
    waits = [
        action
        for action in alter.actions
        if _waits(action, made, own, pending, facts if keyed else None)
        or (isinstance(action, SetNotNull) and action.column in filled)
        or (verdict.plan is None and _is_not_valid(action) and demands_unfilled(statement, action, relation))
        or (isinstance(action, SetNotNull) and alter.only and any(proves(one, action.column) for one in here))
    ]
    for action in alter.actions if verdict.plan is None else ():
        if action not in waits and (chosen := _chosen(action, statement, facts, own)) is not None:
            return Refused(chosen, own[chosen].sql)
    for action in alter.actions:
        around = _around(action, here, pending, facts, relation)
        if (refused := _refused(_ground(action, around, pending, facts, relation), pending)) is not None:
            return refused
    if not waits:
        return None
    if len(waits) < len(alter.actions):
        known = made | own | {name: one for one in filling for name in one.fills}
        name = next(iter(words(waits[0].span.of(statement.text)) & set(known)), alter.relation.name)
        return Refused(name, known[name].sql if name in known else statement.sql)
    if verdict.action is Action.REJECT and not all(_is_proven(action, made, relation) for action in waits):
        return None
    if verdict.plan is None and relation is not None and relation.is_new and relation.kind == "p" and _keys(alter):
        return Refused(
            alter.relation.name, statement.sql
        )  # such a table takes no key NOT VALID, and by then it is everybody's
    return _behind(statement, facts, verdict, pending)


def _chosen(action: object, statement: Statement, facts: Facts, own: dict[str, Pending]) -> str | None:
    """The name that the server would give to a constraint now, if it is that of one that waits."""
    if not own or not isinstance(action, AddConstraint) or action.constraint.name is not None:
        return None
    taken = {schema: names - set(own) for schema, names in facts.taken_constraints.items()}
    name = name_of(action, statement, replace(facts, taken_constraints=taken))
    return name if name in own else None


def _around(
    action: object, here: list[Pending], pending: Sequence[Pending], facts: Facts, relation: Relation | None
) -> list[Pending]:
    """With what waits for a table above, and reaches this one, or for those below, whose columns and keys go with its own."""
    if relation is None:
        return here
    match action:
        case DropColumn() | AlterColumnType() | SetNotNull() | OtherAction(what="RENAME COLUMN"):
            others = [p for p in pending if p.is_below(relation)]
        case DropNotNull():
            others = [p for p in pending if p.is_above(relation) or p.is_below(relation)]
        case AttachPartition() | DetachPartition():
            others = [p for p in pending if p.is_above(relation)]
        case OtherAction(what="INHERIT" | "NO INHERIT", relation=Name() as name):
            parent = facts.find(name)
            others = [p for p in pending if parent is not None and parent.oid in p.tables]
        case AddConstraint() if relation.kind == "p":
            others = [p for p in pending if p.is_below(relation)]
        case AddConstraint(constraint=c) if not relation.is_partition:
            others = [p for p in pending if p.is_above(relation) and c.name in p.validated]
        case _ if relation.is_partition:
            others = [p for p in pending if relation.qualified in p.touched]
        case _:
            others = []
    return here + [p for p in others if p not in here]


def _ground(
    action: object, here: Sequence[Pending], pending: Sequence[Pending], facts: Facts, relation: Relation | None
) -> tuple[str, str] | None:
    """What waits, by name and statement, and cannot be done behind that action, or that action before it."""
    return (
        undermines(action, here, relation, facts.major)
        or drops_key(action, pending, relation)
        or needs_at_once(action, pending, facts)
        or loses_key(action, pending, facts)
    )


def needs_own_key(statement: Statement, facts: Facts, verdict: Verdict) -> Refused | None:
    """A column with a foreign key to what will be unique only when the rest of its ALTER TABLE has waited."""
    if verdict.action is not Action.DEFER or verdict.plan is None or not isinstance(statement.node, AlterTable):
        return None
    own = [Pending(statement.sql, verdict.plan.later, known=statement)]
    under = next(filter(None, (needs_at_once(action, own, facts) for action in statement.node.actions)), None)
    return Refused(*under, itself=True) if under is not None else None


def _is_not_valid(action: object) -> bool:
    """Whether it needs no protection but from what waits."""
    return isinstance(action, AddConstraint) and action.constraint.not_valid is not None


def _is_proven(action: object, made: dict[str, Pending], relation: Relation | None) -> bool:
    """Whether a primary key over an index that waits finds its columns NOT NULL already."""
    if not isinstance(action, AddConstraint) or action.constraint.using_index not in made or relation is None:
        return False
    index = made[action.constraint.using_index].statement
    node = index.node if index is not None else None
    if not isinstance(node, CreateIndex):
        return False
    return all(c is not None and c in relation.columns and relation.columns[c].not_null for c in node.columns)


def _needed(names: Sequence[str], made: dict[str, Pending], pending: Sequence[Pending]) -> Refused | None:
    """What drops a unique index is refused while a foreign key waits that needs it (directly: 2BP01)."""
    for name in names:
        for one in pending:
            itself = name in made and one is made[name]  # its key and one that points to it stand in one statement
            if name in made and one.needs(made[name]) and (not itself or name in one.backing):
                return Refused(one.name, one.sql)
    return None


def _waits(
    action: object, made: dict[str, Pending], own: dict[str, Pending], pending: Sequence[Pending], facts: Facts | None
) -> bool:
    """``made``: indexes that wait, ``own``: constraints of the table; ``facts``: None if the table takes no foreign key."""
    match action:
        case OtherAction(what=what, name=name) if name in made and what.startswith(("CLUSTER", "REPLICA IDENTITY")):
            return True
        case OtherAction(what="ALTER CONSTRAINT", name=str(name)):  # what waits to be VALID only may be altered before
            return name in own and name in own[name].added
        case OtherAction(what="RENAME CONSTRAINT", name=str(name)):
            return name in own
        case ValidateConstraint(name=name) | DropConstraint(name=name):
            return name in own
        case AddConstraint(constraint=c) if c.using_index is not None:
            return c.using_index in made
        case AddConstraint(constraint=c) if c.references is not None and facts is not None:
            return any(serves(one, c.references, c.referenced_columns, pending, facts) for one in pending)
        case _:
            return False


def _takes_back(
    action: object, here: Sequence[Pending], own: dict[str, Pending], pending: Sequence[Pending]
) -> GivesUp | None:
    match action:
        case DropConstraint(name=name) if name in own:
            given = _given_up(own[name], pending)
            # A constraint that was there before, and was only to be validated, has to go.
            return replace(given, as_written=True) if given is not None and own[name].only_validates else given
        case DropNotNull(column=column):
            for one in here:
                node = one.statement.node if one.statement else None
                if isinstance(node, AlterTable) and len(node.actions) == 1:
                    only = node.actions[0]
                    if isinstance(only, SetNotNull) and only.column == column and (given := _given_up(one)):
                        return replace(given, as_written=True)
        case _:
            pass
    return None


def _given_up(one: Pending, pending: Sequence[Pending] = ()) -> GivesUp | None:
    """None where it cannot be, or where others of ``pending`` come behind it: then what undoes it comes behind those."""
    if one.left or one.job is None or not one.is_single:
        return None
    if any(other is not one and (other.words & one.made or one.words & other.made) for other in pending):
        return None
    return GivesUp((one.job,), one.give_up, as_written=False)


def _behind(statement: Statement, facts: Facts, verdict: Verdict, pending: Sequence[Pending]) -> Verdict:
    """The statement as it is, or the steps that it is rewritten into, behind what waits."""
    if verdict.plan is not None and verdict.action is Action.DEFER:
        return replace(verdict, plan=_all_after(verdict.plan))
    node = statement.node
    if isinstance(node, AlterTable) and (gentle := _validated_later(statement, node, facts)) is not None:
        return replace(verdict, action=Action.DEFER, plan=gentle)
    step = as_written(statement, facts, _schemas(nearby(pending, node, facts)))
    return replace(verdict, action=Action.DEFER, plan=Plan(node.kind, (step,)))


def _schemas(pending: Sequence[Pending]) -> dict[str, str]:
    """Of each index that will be there, by its name: the schema, where it is known."""
    found: dict[str, str] = {}
    for one in pending:
        found |= dict.fromkeys(one.indexes, next(iter(one.schemas))) if len(one.schemas) == 1 else {}
        found |= {name: schema for schema, name in (step.index for step in one.steps if step.index) if schema}
        if one.renamed is not None and one.renamed[0] in found:
            found[one.renamed[1]] = found[one.renamed[0]]
    return found


def _validated_later(statement: Statement, alter: AlterTable, facts: Facts) -> Plan | None:
    """Foreign keys of a new table, which is everybody's by then, so that its rows are not checked under the lock."""
    relation, keys = facts.find(alter.relation), _keys(alter)
    if not keys or (relation is not None and relation.kind == "p"):
        return None
    rewrites = [(key, rewrite) for key in keys if (rewrite := validate_later(statement, key, facts)) is not None]
    return _all_after(defer(statement, rewrites, facts)) if len(rewrites) == len(keys) else None


def _keys(alter: AlterTable) -> list[AddConstraint]:
    """The foreign keys that it adds and whose rows it checks."""
    return [
        a
        for a in alter.actions
        if isinstance(a, AddConstraint)
        and a.constraint.kind is ConstraintKind.FOREIGN_KEY
        and a.constraint.not_valid is None
        and not a.constraint.not_enforced
    ]


def _is_built_alone(one: Pending) -> bool:
    """Whether it makes an index by itself, and not one of a partitioned table."""
    node = one.statement.node if one.statement is not None else None
    return isinstance(node, CreateIndex) and len(one.steps) == 1


def _dropped(statement: Statement, drop: DropIndex, facts: Facts, made: dict[str, Pending]) -> tuple[Step, ...]:
    """CONCURRENTLY, once they are there, and so on the tables that those are to be built on."""
    steps = []
    for step in drop_index(statement, drop, facts).steps:
        build = made[step.index[1]].steps[0] if step.index is not None and step.index[1] in made else step
        steps.append(replace(step, relations=build.relations, index=build.index))
    return tuple(steps)


def _all_after(plan: Plan) -> Plan:
    return Plan(plan.title, tuple(replace(step, when="after_commit") for step in plan.steps))
