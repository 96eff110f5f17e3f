"""ATTACH PARTITION of a table with rows: what it needs is proven and built first, while reads and writes go on.

Then nothing is left to be done under the ACCESS EXCLUSIVE locks that it takes on the new partition and the default one.
Source: ATExecAttachPartition (commands/tablecmds.c).
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Facts, Relation
from proxy.catalog.parts import keys, missing_keys
from proxy.plans import done
from proxy.plans.build_parts import of
from proxy.plans.lacking_indexes import lacking_indexes
from proxy.plans.partition_check import PartitionCheck
from proxy.plans.plan import Edit, Failure, Lock, Rewrite, Step
from proxy.plans.target import own_name
from proxy.sql.statements import AlterTable, AttachPartition, Statement, quote_identifier

LOCKS_REFERRING = 15  # from here on tables that refer to the partitioned one are locked, too
CHECKED = "has new rows checked from now on, and reads no old row"
VIOLATED = ('partition constraint of relation "', '" is violated by some row')
DEFAULT_VIOLATED = ('updated partition constraint for default partition "', '" would be violated by some row')


def attach(
    statement: Statement, action: AttachPartition, facts: Facts, *, reads: bool, default: Relation | None
) -> Rewrite | None:
    """``reads``: the rows of the new partition are read; ``default``: the default partition, if it is read.

    None where that cannot be spared, or where it is not known what Postgres would end with.
    """
    alter = statement.node
    assert isinstance(alter, AlterTable)
    parent, child = facts.find(alter.relation), facts.find(action.partition)
    if parent is None or child is None or action.is_default or len(alter.actions) > 1:
        return None
    bounds = statement.text[action.partition.span.end : action.span.end].strip()
    check = PartitionCheck(parent, bounds)
    if (reads or default is not None) and not check.possible:
        return None
    own = [Proof(check, child.qualified, child, VIOLATED)] if reads else []
    others = [Proof(check, child.qualified, default, DEFAULT_VIOLATED, denied=True)] if default is not None else []
    built = lacking_indexes(parent, child, facts)
    referring = _keys(parent, child)
    if built is None or referring is None:
        return None
    added, checked = referring
    steps = [*(proof.add for proof in own), *added, *(proof.validate for proof in own), *checked, *built]
    # Last of all, for until it is attached the rows that will be the new partition's have no place.
    steps += [step for proof in others for step in (proof.add, proof.validate)]
    last = _last(statement, parent, child, [*own, *others], facts.major)
    return Rewrite((*steps, last), ordered=True, autocommit=True, table=parent.qualified)


class Proof:
    """A CHECK of ours, on the new partition or on the default one: added, validated, and gone at the end."""

    def __init__(
        self,
        check: PartitionCheck,
        child: tuple[str, str],
        table: Relation,
        violated: tuple[str, str],
        *,
        denied: bool = False,
    ) -> None:
        self.table = of(table)
        self.name = own_name("pd" if denied else "pa", *check.parent.qualified, *child, check.bounds)
        self.drop = f"ALTER TABLE {self.table.sql} DROP CONSTRAINT IF EXISTS {self.name}"
        there = done.constraint(self.table, self.name)
        valid = done.constraint(self.table, self.name, validated=True)
        # It has done its work once the partition is one.
        attached = done.attached(done.named(*child), of(check.parent))
        self.gone = done.negate(there)
        over = done.both(attached, self.gone)
        self.add = Step(
            (check.add(self.table, self.name, denied=denied),),
            Lock.ACCESS_EXCLUSIVE,
            "keeps new rows of those bounds out of the default partition, and reads no old row" if denied else CHECKED,
            relations=(self.table.key,),
            done=done.either(there, over) if over else there,
            undo=(self.drop,),
        )
        self.validate = Step(
            (f"ALTER TABLE {self.table.sql} VALIDATE CONSTRAINT {self.name}",),
            Lock.SHARE_UPDATE_EXCLUSIVE,
            "checks the old rows while reads and writes go on",
            relations=(self.table.key,),
            budget="builds",
            done=done.either(valid, over) if over else valid,
            hides=(Failure("23514", self.name, "23514", violated),),
        )


def _last(statement: Statement, parent: Relation, child: Relation, proving: Sequence[Proof], major: int) -> Step:
    """The author's own statement, and the proofs away."""
    strong = {child.qualified, *(proof.table.key for proof in proving)}
    strong |= {parent.default_partition} if parent.default_partition is not None else set()
    # A key of the partition's own becomes part of the table's: the triggers that it had on the other table go.
    strong |= {key.references for key in keys(parent) if key.references and key.validated and key.enforced}
    other = {key.references for key in keys(parent) if key.references}
    other |= {key.table for key in parent.referring if not key.part} if major >= LOCKS_REFERRING else set()
    return Step(
        (statement.sql, *(proof.drop for proof in proving)),
        Lock.ACCESS_EXCLUSIVE,
        "attaches it; all that would be looked at is proven, so no row is read",
        relations=tuple(sorted(strong)),
        others=tuple((*key, Lock.SHARE_ROW_EXCLUSIVE) for key in sorted(other - strong)),
        done=done.both(done.attached(of(child), of(parent)), *(proof.gone for proof in proving)),
        edits=(Edit(0, 0, ""),),
    )


def _keys(parent: Relation, child: Relation) -> tuple[list[Step], list[Step]] | None:
    """The foreign keys of the partitioned table that the new partition lacks: adding them, and validating them."""
    added: list[Step] = []
    checked: list[Step] = []
    on = of(child)
    if any(key.whole_references for key in keys(parent)) or (keys(parent) and child.kind != "r"):
        return None
    for key in missing_keys(parent, child):
        there = child.constraints.get(key.name)
        begun = there is not None and there.kind == "f" and there.definition == f"{key.definition} NOT VALID"
        if (there is not None and not begun) or key.references is None:
            return None
        name = quote_identifier(key.name)
        added.append(
            Step(
                (f"ALTER TABLE {on.sql} ADD CONSTRAINT {name} {key.definition} NOT VALID",),
                Lock.SHARE_ROW_EXCLUSIVE,
                CHECKED,
                relations=tuple(sorted({on.key, key.references})),
                done=done.constraint(on, key.name),
                undo=(f"ALTER TABLE {on.sql} DROP CONSTRAINT IF EXISTS {name}",),
            )
        )
        checked.append(
            Step(
                (f"ALTER TABLE {on.sql} VALIDATE CONSTRAINT {name}",),
                Lock.SHARE_UPDATE_EXCLUSIVE,
                "checks the old rows while reads and writes go on",
                relations=(on.key,),
                budget="builds",
                done=done.constraint(on, key.name, validated=True),
            )
        )
    return added, checked
