"""Which statements are decided about and recorded: DDL and what can hide it, as against everyday traffic."""

from __future__ import annotations

from proxy.sql.statements import (
    AlterTable,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    DetachPartition,
    Drop,
    DropIndex,
    ExecutePrepared,
    Explain,
    Node,
    Other,
    Show,
    Unreadable,
)

# Command tags of utility statements that change no schema and that no rule is about.
EVERYDAY = frozenset(
    {
        "ANALYZE", "CALL", "CHECKPOINT", "CLOSE CURSOR", "CLOSE", "COPY", "DEALLOCATE", "DEALLOCATE ALL", "DECLARE CURSOR",
        "DISCARD", "DISCARD ALL", "FETCH", "LISTEN", "LOAD", "LOCK TABLE", "MOVE", "NOTIFY", "PREPARE", "SET", "SET CONSTRAINTS", "SET ROLE",
        "SET SESSION AUTHORIZATION", "SET SESSION CHARACTERISTICS", "SET TRANSACTION", "UNLISTEN",
    }
)  # fmt: skip

# What is refused in a transaction block without saying CONCURRENTLY, or may be: CLUSTER and REINDEX by what they name,
# DO if it commits.
ALONE = frozenset(
    {
        "ALTER DATABASE", "ALTER SUBSCRIPTION", "ALTER SYSTEM", "CLUSTER", "CREATE DATABASE", "CREATE SUBSCRIPTION", "CREATE TABLESPACE",
        "DO", "DROP DATABASE", "DROP SUBSCRIPTION", "DROP TABLESPACE", "REINDEX", "VACUUM",
    }
)  # fmt: skip


def matters(node: Node) -> bool:
    """Whether a decision is wanted about it."""
    match node:
        case Show() | Explain():
            return answered_by_us(node) or (isinstance(node, Explain) and node.analyze and is_ddl(node.target))
        case ExecutePrepared() | Unreadable():
            return True
        case _:
            return is_ddl(node)


def is_ddl(node: Node) -> bool:
    """Whether it changes the schema, or (DO) may."""
    match node:
        case CreateIndex() | DropIndex() | AlterTable() | CreateTable() | CreateTableAs() | Drop():
            return True
        case Other(kind=kind):
            return kind not in EVERYDAY
        case _:
            return False


def answered_by_us(node: Node) -> bool:
    """Whether it is ``EXPLAIN <ddl>`` or ``SHOW interlock.…``, which Postgres itself does not know.

    EXPLAIN of CREATE TABLE AS it does know.
    """
    match node:
        case Show(name=name):
            return name.startswith("interlock.")
        case Explain(target=target):
            return is_ddl(target) and not isinstance(target, CreateTableAs)
        case _:
            return False


def stands_alone(node: Node) -> bool:
    """Whether Postgres may want nothing before it in its transaction.  No such statement returns rows or has parameters.

    Source: the callers of PreventInTransactionBlock.
    """
    match node:
        case CreateIndex(concurrently=True) | DropIndex(concurrently=True) | Other(concurrently=True):
            return True
        case AlterTable(actions=actions):
            return any(isinstance(action, DetachPartition) and action.concurrently for action in actions)
        case Drop() | Other():
            return node.kind in ALONE
        case _:
            return False
