"""Random statements over a small schema, good and bad ones, for tests/live/test_random_alters.py."""

from __future__ import annotations

import random
from typing import TypeVar

T = TypeVar("T")

TABLES = """
CREATE TABLE p (id int PRIMARY KEY, code text, CONSTRAINT p_code UNIQUE (code));
INSERT INTO p SELECT g, 'c' || g FROM generate_series(1, 5) g;
CREATE TABLE t (a int, b int NOT NULL, c text, d numeric(8,2), ref int, CONSTRAINT t_b_positive CHECK (b > 0));
INSERT INTO t SELECT g, g, 'x' || g, g, g % 5 + 1 FROM generate_series(1, 30) g;
CREATE INDEX t_c ON t (c);
ALTER TABLE t ADD CONSTRAINT t_old_ref FOREIGN KEY (ref) REFERENCES p;
CREATE TABLE base (a int, b int, c text, d numeric(8,2), ref int);
CREATE TABLE derived (e int) INHERITS (base);
INSERT INTO base SELECT g, g, 'x', g, 1 FROM generate_series(1, 4) g;
INSERT INTO derived SELECT g, g, 'y', g, 1, 1 FROM generate_series(5, 9) g;
CREATE TABLE parted (a int, b int, c text, d numeric(8,2), ref int) PARTITION BY RANGE (a);
CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 PARTITION OF parted FOR VALUES FROM (10) TO (100);
INSERT INTO parted SELECT g, g, 'x' || g, g, 1 FROM generate_series(1, 20) g;
"""

BAD_ROWS = [
    "",
    "UPDATE {} SET c = NULL WHERE a = 3",
    "UPDATE {} SET b = 4 WHERE a IN (3, 7)",
    "UPDATE {} SET d = -1 WHERE a = 3",
    "UPDATE {} SET ref = NULL",
]


class Author:
    """Writes migrations; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def migration(self) -> tuple[str, list[str]]:
        """A statement that spoils rows, perhaps empty, and one to three statements of a migration."""
        spoil = self._one(*BAD_ROWS).format(self._one("t", "t", "base", "parted"))
        return spoil, [self._statement() for _ in range(self._one(1, 2, 3))]

    def _one(self, *choices: T) -> T:
        return self._random.choice(choices)

    def _maybe(self, words: str, chance: float = 0.5) -> str:
        return words if self._random.random() < chance else ""

    def _columns(self) -> str:
        return ", ".join(self._random.sample(["a", "b", "c", "d", "ref"], self._one(1, 1, 2)))

    def _statement(self) -> str:
        table = self._one("t", "t", "t", "t", "base", "parted", "part_1", "derived", "p")
        dice = self._random.random()
        if dice < 0.1:
            name = self._one("", "i1 ", "t_c ", "IF NOT EXISTS i1 ")
            where = self._maybe(" WHERE b > 1", 0.2)
            return f"CREATE {self._maybe('UNIQUE ', 0.3)}INDEX {name}ON {table} ({self._columns()}){where}"
        if dice < 0.17:
            return f"DROP INDEX {self._maybe('IF EXISTS ')}{self._one('t_c', 'i1', 'i1, t_c', 'p_pkey')}"
        actions = ", ".join(self._action() for _ in range(self._one(1, 1, 2, 2, 3, 4)))
        return f"ALTER TABLE {self._maybe('IF EXISTS ', 0.1)}{self._maybe('ONLY ', 0.1)}{table} {actions}"

    def _action(self) -> str:
        column = self._one("a", "b", "c", "d", "ref", "n")
        named = self._one(
            "", "", "", "CONSTRAINT k1 ", "CONSTRAINT k2 ", "CONSTRAINT t_b_positive ", 'CONSTRAINT "K 3" '
        )
        match self._random.randrange(14):
            case 0 | 1 | 2:
                condition = self._one(
                    "a > 0", "b > 0", "d >= 0", "c <> ''", "a > 0 AND b > 0", "a IS NOT NULL", "n > 0", "b IN (1,2,3) OR a > b - 1"
                )  # fmt: skip
                return (
                    f"ADD {named}CHECK ({condition}){self._maybe(' NO INHERIT', 0.05)}{self._maybe(' NOT VALID', 0.1)}"
                )
            case 3:
                return f"ADD {named}UNIQUE ({self._columns()}){self._maybe(' INCLUDE (c)', 0.1)}{self._maybe(' DEFERRABLE', 0.2)}"
            case 4:
                return f"ADD {named}PRIMARY KEY ({self._columns()})"
            case 5:
                key = f"FOREIGN KEY ({self._one('ref', 'a', 'b')}) REFERENCES {self._one('p', 'p (id)', 't (a)')}"
                return f"ADD {named}{key}{self._maybe(' ON DELETE CASCADE', 0.3)}"
            case 6 | 7:
                return f"ALTER {self._maybe('COLUMN ')}{column} SET NOT NULL"
            case 8:
                return f"ALTER {column} DROP NOT NULL"
            case 9:
                return f"ALTER {column} SET DEFAULT {self._one('1', 'NULL')}"
            case 10:
                return "ALTER " + self._one(
                    "a TYPE bigint", "c TYPE varchar", "c TYPE varchar(50)", "d TYPE numeric(10,2)", "d TYPE int USING d::int",
                    "b TYPE bigint USING b * 2",
                )  # fmt: skip
            case 11:
                name = self._maybe("IF NOT EXISTS ", 0.2) + self._one("n", "m", "c")
                added = f"ADD COLUMN {name} int{self._maybe(' DEFAULT 1')}{self._maybe(' NOT NULL', 0.2)}"
                return added + self._maybe(f", ADD {named}CHECK ({name.split()[-1]} > 0)", 0.3)
            case 12:
                return f"DROP COLUMN {self._maybe('IF EXISTS ', 0.2)}{column}"
            case _:
                return f"DROP CONSTRAINT {self._maybe('IF EXISTS ', 0.3)}{self._one('t_b_positive', 't_old_ref', 'k1')}"
