"""Names as the catalogs hold them, and the default names that Postgres gives to constraints and indexes.

Source: makeObjectName, ChooseRelationName (commands/indexcmds.c), ChooseConstraintName
(catalog/pg_constraint.c), truncate_identifier (parser/scansup.c).
"""

from __future__ import annotations

from collections.abc import Container, Sequence

LIMIT_BYTES = 63  # NAMEDATALEN - 1
LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}


def fold(word: str) -> str:
    """An unquoted name in lower case: ASCII letters only, as the server does in UTF-8."""
    return word.lower() if word.isascii() else word.translate(LOWER)


def clip(name: str, limit_bytes: int = LIMIT_BYTES) -> str:
    """``name`` cut to at most ``limit_bytes`` bytes of UTF-8, never inside a character."""
    if len(name) * 4 <= limit_bytes:
        return name
    raw = name.encode("utf-8", "surrogatepass")
    if len(raw) <= limit_bytes:
        return name
    return raw[:limit_bytes].decode("utf-8", "ignore")


def _size(name: str) -> int:
    return len(name) if name.isascii() else len(name.encode("utf-8", "surrogatepass"))


def make_object_name(name1: str, name2: str | None, label: str | None) -> str:
    """``name1_name2_label`` in at most 63 bytes: whichever of the two names is longer is cut first."""
    size1, size2 = _size(name1), _size(name2 or "")
    room = LIMIT_BYTES - (name2 is not None) - (_size(label) + 1 if label else 0)
    while size1 + size2 > room:
        if size1 > size2:
            size1 -= 1
        else:
            size2 -= 1
    parts = [clip(name1, size1)]
    if name2 is not None:
        parts.append(clip(name2, size2))
    if label:
        parts.append(label)
    return "_".join(parts)


def choose_name(name1: str, name2: str | None, label: str, taken: Container[str]) -> str:
    """The first of ``…_label``, ``…_label1``, ``…_label2`` … that is not ``taken``.

    ``taken``: names of the schema's constraints and, for what an index backs, of its relations too.
    """
    name, n = make_object_name(name1, name2, label), 0
    while name in taken:
        n += 1
        name = make_object_name(name1, name2, f"{label}{n}")
    return name


def is_default_name(name: str, first: str) -> bool:
    """Whether it is the first default name, or that with a number behind it."""
    return name.startswith(first) and (name == first or name[len(first) :].isdigit())


def join_columns(columns: Sequence[str]) -> str:
    """Column names as they go into a default name: joined by ``_`` until 64 bytes are full."""
    joined = ""
    for column in columns:
        joined = f"{joined}_{column}" if joined else column
        if _size(joined) > LIMIT_BYTES:
            break
    return joined


def constraint_name(table: str, columns: Sequence[str], label: str, taken: Container[str]) -> str:
    """The name that Postgres gives to an unnamed constraint of ``table``.

    ``label`` is key, fkey, excl, check, pkey or not_null.  ``columns`` are those of the constraint; for a
    CHECK those that its expression mentions, each once (the name has a column only if it is the only one).
    """
    match label:
        case "pkey":
            name2 = None
        case "check":
            name2 = columns[0] if len(columns) == 1 else None
        case _:
            name2 = join_columns(columns)
    return choose_name(table, name2, label, taken)
