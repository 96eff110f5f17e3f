"""One plan for one statement: the rewrites of an ALTER TABLE's actions, and what else it does.

If anything fails, all is to be undone as far as that goes.  So what can be taken back comes first, and the
actions that need no protection come last, in the ALTER that also attaches and sets what was prepared: it
is short, and it is one transaction.  Only what a guarded action builds on comes first (``early``).

Inside the client's transaction (``defer``) it is the other way round: ROLLBACK takes everything back, and the
statements that follow want to find what the author made.  So all that is short is done at once, and what has to
run outside, or would hold a lock while it reads, waits for COMMIT.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import cached_property
from operator import attrgetter
from typing import Any

from proxy.catalog.facts import Facts
from proxy.plans import done, referable
from proxy.plans.depends import is_foreign_key, is_indexed
from proxy.plans.early import early, had_come
from proxy.plans.mark import mark_of_all, with_mark, without_mark
from proxy.plans.plan import Edit, Lock, Plan, Rewrite, Step
from proxy.plans.reversal import reversal
from proxy.plans.target import Target, target
from proxy.plans.unfilled import demands_unfilled
from proxy.records import replace
from proxy.sql import edit
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    ConstraintKind,
    DropColumn,
    DropConstraint,
    Name,
    OtherAction,
    SetNotNull,
    Statement,
)

# What the last ALTER does for an action that is no index, and for one that is.
LASTS = ("sets NOT NULL, which the CHECK has proven, so no row is read", "gives the finished index to the constraint")

RANK = attrgetter("rank")

# What is refused if it is there already.
MARKED = (ConstraintKind.CHECK, ConstraintKind.FOREIGN_KEY, ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY)


def compose(statement: Statement, findings: Sequence[tuple[Any, Rewrite]], facts: Facts | None = None) -> Plan:
    """The plan that runs instead of ``statement``; every node in ``findings`` is its own, or one of its actions.

    Facts, where given, let more of it be undone.
    """
    node = statement.node
    if not isinstance(node, AlterTable) or _ordered(findings):
        return Plan(node.kind, tuple(_steps(findings)))
    return Plan(node.kind, _Alter(statement, node, dict(findings), facts).steps())


def defer(statement: Statement, findings: Sequence[tuple[Any, Rewrite]], facts: Facts | None = None) -> Plan:
    """The plan inside the client's transaction: its first steps run now, in it, those marked ``after_commit`` after it."""
    node = statement.node
    give_up: list[str] = []
    if isinstance(node, AlterTable) and not _ordered(findings):
        now, later = _Alter(statement, node, dict(findings), facts).inside()
    else:
        now, later = _parted(_steps(findings))
        give_up += [sql for step in reversed(now) for sql in step.undo]
    give_up += [sql for _, r in findings for sql in (r.undo if r.give_up is None else r.give_up)]
    waiting = tuple(replace(step, when="after_commit") for step in later)
    return Plan(node.kind, (*now, *waiting), tuple(give_up))


def _ordered(findings: Sequence[tuple[Any, Rewrite]]) -> bool:
    return any(rewrite.ordered for _, rewrite in findings)


def _steps(findings: Sequence[tuple[Any, Rewrite]]) -> list[Step]:
    """Of rewrites that are plans by themselves; two findings may have the same."""
    return [step for rewrite in dict.fromkeys(rewrite for _, rewrite in findings) for step in rewrite.steps]


def _parted(steps: Sequence[Step]) -> tuple[list[Step], list[Step]]:
    """The short steps at the front, and the rest."""
    first = next((i for i, step in enumerate(steps) if not (step.transaction and step.budget == "locks")), len(steps))
    return list(steps[:first]), list(steps[first:])


def prepared(statement: Statement, rewrites: dict[Action, Rewrite], facts: Facts) -> tuple[Step, ...]:
    """The steps of an ALTER TABLE of ours whose every action is in ``rewrites``, up to the last ALTER, which is left out."""
    assert isinstance(statement.node, AlterTable)
    planned = _Alter(statement, statement.node, rewrites, facts)
    planned.authored = False
    return tuple(planned.preparing()[0])


def alone(statement: Statement, action: Action, rewrite: Rewrite) -> tuple[Step, ...]:
    """The steps of one action of an ALTER TABLE, without the others: what to run by hand for it."""
    assert isinstance(statement.node, AlterTable)
    planned = _Alter(statement, statement.node, {action: rewrite}, None)
    planned.rest = []
    return planned.steps()


class _Alter:
    """The steps of one ALTER TABLE; ``rewrites`` are those of its guarded actions."""

    def __init__(
        self, statement: Statement, alter: AlterTable, rewrites: dict[Action, Rewrite], facts: Facts | None
    ) -> None:
        self.statement = statement
        self.alter = alter
        self.rewrites = rewrites
        self.facts = facts
        self.authored = True  # it is the client's own text: places in it mean something
        self.there: Sequence[Action] = ()  # columns that have been added and filled: of them only the end is left
        self.relation = facts.find(alter.relation) if facts else None
        self.rest = [a for a in alter.actions if a not in rewrites]
        if self.rest and any(r.forward and r.resumed for r in rewrites.values()):
            self.rest = []  # with what nothing takes back all else is done, too
        if self.rest and self.marked:
            done_before = had_come(statement, rewrites, facts)
            self.rest = [a for a in self.rest if a not in done_before]
        resolved = next((r.table for r in rewrites.values() if r.table[0]), None)
        self.table = done.named(*resolved) if resolved else _spelt(alter.relation, statement)

    @cached_property
    def mark(self) -> str | None:
        return mark_of_all(self.statement, self.relation.qualified) if self.relation else None

    @cached_property
    def marked(self) -> bool:
        """Whether an interrupted run has left the mark."""
        return self.relation is not None and self.mark in self.relation.constraints

    def steps(self) -> tuple[Step, ...]:
        if columns := self._columns():
            head, filling, others = self._with_columns(columns)
            return (*head, *filling, *others.steps())
        before = self._early()
        steps, lasts, rest = self.preparing()
        if lasts or rest:
            steps.append(self._last(lasts, rest, final=True))
        if self.mark is None or self.relation is None:
            return tuple(steps)
        if not self.marked and len(steps) > 1 and self._wants_mark(before, rest):
            steps = with_mark(steps, self.mark, self.table, partitioned=self.relation.kind == "p", early=bool(before))
        elif not self.marked:
            return tuple(steps)
        return tuple(without_mark(steps, self.mark, self.table, last_alter=bool(lasts or rest)))

    @cached_property
    def _standing(self) -> list[Action]:
        """Those that only validate a constraint which is there."""
        return [a for a, r in self.rewrites.items() if not (r.action or r.last or is_indexed(a) or a in self.there)]

    def _wants_mark(self, before: Sequence[Action], rest: Sequence[Action]) -> bool:
        """Whether, after an interruption, what is there could not tell what is done.

        A constraint that is valid is this ALTER's own only if something says so; one that is NOT VALID is anyway.
        """
        if any(r.forward for r in self.rewrites.values()):
            return False
        # NOT NULL is asked for again without harm.
        ours = [a for a in self.rewrites if isinstance(a, AddConstraint) and a.constraint.kind in MARKED]
        if any(isinstance(a, AddColumn) for a in before) and any(isinstance(a, SetNotNull) for a in self.rewrites):
            return True  # without the mark it would be refused as somebody else's column
        adds = any(self.rewrites[a].action for a in ours if not is_indexed(a))
        return bool(ours) and (bool(before) or (adds and bool(rest or any(map(is_indexed, ours)))))

    def _columns(self) -> list[Action]:
        """Those that are to be added, and are guarded."""
        return [a for a, r in self.rewrites.items() if r.action and isinstance(a, AddColumn) and a not in self.there]

    def preparing(self) -> tuple[list[Step], list[Action], list[Action]]:
        """All steps up to the last ALTER, and what comes in that."""
        before = self._early()
        indexes = [a for a in self.rewrites if is_indexed(a)]
        keys = [a for a in self.rewrites if is_foreign_key(a)]
        late = self._late(keys, indexes)
        soon = [a for a in keys if a not in late]
        left = [a for a in self.rewrites if a not in keys and a not in self.there]
        others = [a for a in left if a not in indexes]
        first = [a for a in left if self.rewrites[a].action]
        keys_to_add = [a for a in soon if self.rewrites[a].action]
        steps = [step for r in self.rewrites.values() for step in r.before]
        if before:
            # A key that takes the place of a dropped one does so at once; DROP locks both tables as strongly.
            dropped = {a.name for a in before if isinstance(a, DropConstraint)}
            together = [a for a in keys_to_add if self.rewrites[a].name in dropped]
            steps += [self._first([*first, *together], before)]
            steps += [self._first([a]) for a in keys_to_add if a not in together]
        else:
            steps += [self._first(first)] if first else []
            steps += [self._first([a]) for a in keys_to_add]
        # Nothing makes what was validated NOT VALID again: whatever else may fail at the rows comes before it.
        standing = [a for a in self._standing if indexes and a not in late]
        new = [a for a in (*others, *soon, *indexes) if a not in standing]
        steps += _together([step for a in new for step in self.rewrites[a].steps])
        if late:  # a foreign key to the table itself may need the index that has just been built
            steps.append(self._last(indexes, [], final=False))
            for action in late:
                steps += [self._first([action])] if self.rewrites[action].action else []
                steps += self.rewrites[action].steps
        steps += _together([step for a in standing for step in self.rewrites[a].steps])
        lasts = [a for a, r in self.rewrites.items() if r.last and not (late and a in indexes)]
        return steps, lasts, [a for a in self.rest if a not in before]

    def _late(self, keys: Sequence[Action], indexes: Sequence[Action]) -> list[Action]:
        """Foreign keys to the table itself that need an index which the same ALTER makes."""
        if not keys or not indexes:
            return []
        own = list(referable.made(replace(self.statement, node=replace(self.alter, actions=tuple(indexes)))))
        return [
            a
            for a in keys
            if isinstance(a, AddConstraint)
            and self.rewrites[a].relations == (self.table.key,)
            and referable.serves(own, a.constraint.referenced_columns)
        ]

    def _early(self) -> list[Action]:
        """What else comes in the first ALTER."""
        if not self.rest:
            return []
        if any(r.forward for r in self.rewrites.values()):
            return self.rest
        return [a for a in early(self.statement, self.rewrites, self.facts) if a in self.rest]

    def _with_columns(self, columns: Sequence[Action]) -> tuple[list[Step], list[Step], _Alter]:
        """The ALTER that adds columns, the steps that fill them and set their constraints, and what comes after those.

        Nothing else may be checked before they are filled: a NOT VALID constraint that old rows do not fulfil
        fails every UPDATE of those.
        """
        added = {a: self.rewrites[a] for a in columns}
        before = early(self.statement, added, self.facts) if self.rest else []
        resumed = any(r.resumed for r in added.values())
        head = self._first(columns, [] if resumed else before)
        rewrites = {**added, **{a: r for a, r in self.rewrites.items() if a not in added}}
        others = _Alter(self.statement, self.alter, rewrites, self.facts)
        others.there = columns
        others.rest = [a for a in self.rest if a not in before]
        others.mark, others.marked = None, False  # the columns have their own
        return [head], [step for r in added.values() for step in r.steps], others

    def inside(self) -> tuple[list[Step], list[Step]]:
        """What is done in the client's transaction, and what after it."""
        if columns := self._columns():
            filled = {a.column.name for a in columns if isinstance(a, AddColumn)}
            back = [a for a in self.rest if self._stays_behind(a) or getattr(a, "column", None) in filled]
            head = self._first(columns, [a for a in self.rest if a not in back])
            _, filling, closing = self._with_columns(columns)
            closing.rest = back
            batched = {
                a.column.name
                for a in columns
                if isinstance(a, AddColumn) and any(step.batch is not None for step in self.rewrites[a].steps)
            }
            # Where no row is to be filled, nothing stands in the way of a NOT VALID constraint of the new column.
            parts = [_parted(self.rewrites[a].steps) for a in columns] if not batched else [([], filling)]
            soon, filling = ([step for part in parts for step in part[n]] for n in (0, 1))
            return [head, *soon, *closing.keys_but_of(batched)], [*filling, *closing.steps()]
        if any(r.before for r in self.rewrites.values()):
            return [], list(self.steps())
        indexes = [a for a in self.rewrites if is_indexed(a)]
        keys = [a for a in self.rewrites if is_foreign_key(a)]
        late = self._late(keys, indexes)
        back = [a for a in self.rest if self._stays_behind(a)]
        rest = [a for a in self.rest if a not in back]
        added = [a for a in self.rewrites if a not in keys and self.rewrites[a].action]
        behind = [a for a in added if self._demands_unfilled(a)]
        first = [a for a in added if a not in behind]
        now = [self._first(first, rest)] if first or rest else []
        now += [self._first([a]) for a in keys if a not in late and self.rewrites[a].action]
        others = [a for a in self.rewrites if not is_indexed(a) and a not in late]
        later = [self._first(behind)] if behind else []
        later += _together([step for a in (*others, *indexes) for step in self.rewrites[a].steps])
        lasts = [a for a, r in self.rewrites.items() if r.last]
        if lasts or back:
            later.append(self._last(lasts, back, final=True))
        for action in late:  # a foreign key to the table itself may need the index that has just been built
            later += [self._first([action])] if self.rewrites[action].action else []
            later += self.rewrites[action].steps
        marked = self.mark if self.marked else None
        return now, without_mark(later, marked, self.table, last_alter=False) if marked else later

    def keys_but_of(self, filled: Set[str]) -> list[Step]:
        """Adds the foreign keys that no UPDATE of these columns looks up rows for, so that they may come before it."""
        keys = [a for a in self.rewrites if is_foreign_key(a) and self.rewrites[a].action]
        late = self._late(keys, [a for a in self.rewrites if is_indexed(a)])
        free = [
            a
            for a in keys
            if isinstance(a, AddConstraint) and a not in late and filled.isdisjoint(a.constraint.columns)
        ]
        steps = [self._first([a]) for a in free]
        for action in free:
            self.rewrites[action] = replace(self.rewrites[action], action=None)
        return steps

    def _stays_behind(self, other: Action) -> bool:
        return self._builds_on_guarded(other) or self._demands_unfilled(other)

    def _demands_unfilled(self, action: Action) -> bool:
        return demands_unfilled(self.statement, action, self.relation)

    def _builds_on_guarded(self, other: Action) -> bool:
        """Whether an action that needs no protection needs what a guarded one makes, or frees the name for it."""
        made = {r.name for a, r in self.rewrites.items() if r.name and is_indexed(a)}
        not_null = {a.column for a in self.rewrites if isinstance(a, SetNotNull)}
        match other:
            case DropConstraint(name=name):
                return name in made
            case OtherAction(what=what, column=column, name=name):
                return name in made or (column in not_null and "IDENTITY" in what)
            case _:
                return False

    # ------------------------------------------------ the ALTERs

    def _first(self, guarded: Sequence[Action], rest: Sequence[Action] = ()) -> Step:
        """The ALTER that adds, without checking rows."""
        rewrites = [self.rewrites[a] for a in guarded]
        kept: dict[Action, tuple[str, Sequence[Edit]] | None] = dict.fromkeys(rest)
        kept |= {a: (r.action or "", r.edits) for a, r in zip(guarded, rewrites, strict=True)}
        edits = self._edits(kept)
        finished = done.both(*[r.done for r in rewrites]) or self._done(rest)
        undo = [sql for r in rewrites for sql in r.undo]
        if rest:
            undo += reversal(self.table, self.alter, rest, self.facts)
        columns = [a for a in guarded if isinstance(a, AddColumn)]
        changed = [a for a in guarded if isinstance(a, AlterColumnType)]
        checked = [a for a in guarded if a not in columns and a not in changed]
        return Step(
            (
                *dict.fromkeys([sql for r in rewrites for sql in r.ahead]),
                edit.apply(self.statement.sql, edits),
                *dict.fromkeys([sql for r in rewrites for sql in r.also]),
            ),
            Lock.ACCESS_EXCLUSIVE if rest else max([r.lock for r in rewrites], key=RANK),
            _why(
                ("makes the other changes", rest),
                ("adds the column for new rows, and touches no old row", columns),
                ("changes the type, and reads and writes no row", changed),
                ("has new rows checked from now on, and reads no old row", checked),
            ),
            relations=tuple(
                dict.fromkeys([k for r in rewrites for k in r.relations] + ([self.table.key] if rest else []))
            ),
            others=self._parents(rest),
            done=finished,
            undo=tuple(undo),
            edits=edits if self.authored else (),
            forward=True in [r.forward for r in rewrites],
        )

    def _last(self, guarded: Sequence[Action], rest: Sequence[Action], *, final: bool) -> Step:
        """The ALTER that makes use of what was prepared, and makes the changes that need no protection."""
        rewrites = [self.rewrites[a] for a in guarded]
        kept: dict[Action, tuple[str, Sequence[Edit]] | None] = dict.fromkeys(rest)
        for action in guarded:
            last = self.rewrites[action].last or ""
            kept[action] = None if last == action.span.of(self.statement.text) else (last, ())
        edits = self._edits(kept)
        after = list(dict.fromkeys(words for r in rewrites for words in r.after))
        whys = [r.why_last or LASTS[is_indexed(a)] for a, r in zip(guarded, rewrites, strict=True)]
        head = f"ALTER TABLE {'IF EXISTS ' if self.alter.if_exists else ''}{self.table.sql} "
        return Step(
            (
                edit.apply(self.statement.sql, edits),
                *([head + ", ".join(after)] if after else []),
                *(sql for r in rewrites for sql in r.also_last),
            ),
            Lock.ACCESS_EXCLUSIVE,
            _why(
                *((words, words in whys) for words in LASTS),
                *((words, True) for words in whys),
                ("makes the other changes", rest),
            ),
            relations=(self.table.key,),
            others=self._parents(rest),
            done=done.both(*[r.last_done for r in rewrites]) or self._done(rest),
            undo=() if final else tuple(sql for r in rewrites for sql in r.last_undo),
            edits=edits if self.authored else (),
        )

    def _parents(self, rest: Sequence[Action]) -> tuple[tuple[str, str, Lock], ...]:
        """What the foreign keys of actions that need no protection point to: writers wait there, too."""
        named = [a.constraint.references for a in rest if isinstance(a, AddConstraint)]
        named += [c.references for a in rest if isinstance(a, AddColumn) for c in a.column.constraints]
        facts = self.facts
        found = [r for name in named if facts is not None and name is not None and (r := facts.find(name)) is not None]
        keys = {relation.qualified for relation in found if relation.exists and relation.schema} - {self.table.key}
        return tuple((*key, Lock.SHARE_ROW_EXCLUSIVE) for key in sorted(keys))

    def _done(self, rest: Sequence[Action]) -> str | None:
        """Whether actions that need no protection are done, if a column can tell; they are one transaction."""
        columns = self.relation.columns if self.relation else {}
        for action in rest if columns else []:
            match action:
                case AddColumn(column=column) if column.name not in columns:
                    return done.column(self.table, column.name)
                case DropColumn(column=name) if name in columns:
                    return done.negate(done.column(self.table, name))
        return None

    def _edits(self, kept: dict[Action, tuple[str, Sequence[Edit]] | None]) -> tuple[Edit, ...]:
        """What makes, of the client's statement, one with these actions only; a value of None: as written."""
        start = self.statement.span.start
        edits: list[Edit] = []
        end: int | None = None  # of the last action kept
        dropped = False
        for action in self.alter.actions:
            if action not in kept:
                dropped = True
                continue
            if dropped:
                at = self.alter.actions[0].span.start if end is None else end
                edits.append(Edit(at - start, action.span.start - start, "" if end is None else ", "))
            if (words := kept[action]) is not None:
                edits += words[1] or [Edit(action.span.start - start, action.span.end - start, words[0])]
            end, dropped = action.span.end, False
        if dropped and end is not None:
            edits.append(Edit(end - start, self.alter.actions[-1].span.end - start, ""))
        return tuple(edits)


def _together(steps: Sequence[Step]) -> list[Step]:
    """``steps`` with all that check rows in one transaction, first: all are VALID then, or none is.

    A proof of ours (``hides``) passes away again, so it needs no such thing; by itself it is spared if it is not needed any more.
    """
    steps = list(dict.fromkeys(steps))
    checks = [step for step in steps if step.transaction and not step.hides]
    proofs = [step for step in steps if step.transaction and step.hides]
    builds = [step for step in steps if not step.transaction]
    if len(checks) > 1:
        joined = tuple(sql for step in checks for sql in step.statements)
        checks = [replace(checks[0], statements=joined, done=done.both(*(step.done for step in checks)))]
    return [*proofs, *checks, *builds]


def _spelt(name: Name, statement: Statement) -> Target:
    """The table as the author has it."""
    table = target(name, None, statement)
    return done.named(*table.key) if table.schema else table


def _why(*clauses: tuple[str, Sequence[object] | bool]) -> str:
    return "; ".join(dict.fromkeys([words for words, actions in clauses if actions]))
