"""Imports only point down: the picture of the house, held to be true."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROXY = ROOT / "proxy"

# From the ground up.  A module may import what stands below it, never what stands above.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"records"}),
    frozenset({"wire", "sql"}),
    frozenset({"catalog", "plans"}),
    frozenset({"rules"}),
    frozenset({"policy"}),
    frozenset(
        {
            "tools",
            "net",
            "conninfo",
            "roles",
            "tls",
            "login",
            "upstream",
            "embedded",
            "run",
            "audit",
            "siblings",
            "sockets",
        }
    ),
    frozenset({"judge", "aftermath", "render"}),
    frozenset({"session"}),
    frozenset({"server", "workers"}),
    frozenset({"admin"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)

# Neighbours on one floor know nothing of each other, but for these.
NEIGHBOURS: frozenset[tuple[str, str]] = frozenset(
    {
        ("plans", "catalog"),  # a plan is made from facts
        ("catalog", "plans.plan"),  # Lock: facts about locks use a plan's words
        ("catalog", "plans.target"),  # which names are Interlock's own
        ("catalog", "plans.build_parts"),  # which indexes of partitions Postgres takes, a plan knows best
        ("login", "conninfo"),
        ("login", "net"),
        ("judge", "aftermath"),
        ("net", "conninfo"),
        ("net", "tls"),
        ("upstream", "conninfo"),
        ("upstream", "net"),
        ("upstream", "roles"),
        ("upstream", "tls"),
        ("roles", "conninfo"),
        ("tls", "conninfo"),
        ("run", "net"),
        ("render", "judge"),
    }
)

# Deciding is pure: no sockets, no clock, no subprocess, so it can be tested by table and replayed.
PURE = frozenset({"wire", "sql", "plans", "rules", "policy"})
IMPURE = frozenset({"asyncio", "socket", "ssl", "subprocess", "threading", "time", "random", "psycopg", "uvloop"})

FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PROXY.rglob("*.py")):
        parts = path.relative_to(PROXY).with_suffix("").parts
        if parts != ("__init__",):
            yield ".".join(parts), path


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, dotted, those inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.ImportFrom():
                yield "relative"  # absolute imports only: this test could not follow the others


def complaint(importer: str, imported: str) -> str | None:
    """Why a module of the house may not import another (both dotted, without ``proxy.``); None if it may."""
    upper, lower = importer.split(".")[0], imported.split(".")[0]
    if upper == lower or lower not in FLOOR:  # proxy.__version__ and the like are no module
        return None
    if FLOOR[lower] < FLOOR[upper]:
        return None
    if FLOOR[lower] > FLOOR[upper]:
        return f"proxy.{importer} imports proxy.{imported}, which stands above it"
    if any(upper == one and f"{imported}.".startswith(f"{other}.") for one, other in NEIGHBOURS):
        return None
    return f"proxy.{importer} imports proxy.{imported}, its neighbour: see NEIGHBOURS in tests/test_layers.py"


def test_imports_only_point_down() -> None:
    found = [
        said
        for importer, path in _modules()
        for imported in _imports(path)
        if imported.startswith("proxy.") and (said := complaint(importer, imported.removeprefix("proxy.")))
    ]
    assert not found, "\n".join(found)


def test_every_module_has_a_floor() -> None:
    homeless = {name.split(".")[0] for name, _ in _modules()} - FLOOR.keys()
    assert not homeless, f"give these a place in LAYERS: {sorted(homeless)}"


def test_imports_are_absolute() -> None:
    found = [importer for importer, path in _modules() if "relative" in set(_imports(path))]
    assert not found


def test_deciding_is_pure() -> None:
    found = [
        f"proxy.{importer} imports {imported}"
        for importer, path in _modules()
        if importer.split(".")[0] in PURE
        for imported in _imports(path)
        if imported.split(".")[0] in IMPURE
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("policy.decide", "rules.base", True),
        ("rules.base", "policy.verdict", False),
        ("sql.read", "wire.messages", False),
        ("wire.relay", "sql.lexer", False),
        ("catalog.effect", "plans.plan.Lock", True),
        ("catalog.effect", "plans.build_index", False),
        ("plans.compose", "catalog.facts", True),
        ("session.session", "run.execute", True),
        ("run.execute", "session.answers", False),
        ("run.execute", "audit.sink", False),
        ("sql.read", "sql.lexer", True),
        ("admin.rows", "server", True),
        ("session.guard", "admin.rows", False),
    ],
)
def test_the_picture_itself(importer: str, imported: str, allowed: bool) -> None:
    assert (complaint(importer, imported) is None) == allowed
