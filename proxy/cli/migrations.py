"""What of a migration file is meant: tools keep both directions in one file, or in files of telling names.

Of a file with both, only what goes forward is judged (``--down``: the way back, too, by itself); of a folder, no file that goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Way = Literal["up", "down"]
_WAYS: tuple[Way, ...] = ("up", "down")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file, every character where it was in the file; the rest is blank."""

    text: str
    way: Way
    in_transaction: bool  # the tool runs it in a transaction that it opens itself


@dataclass(frozen=True, slots=True)
class _Marker:
    words: str  # how the comment begins, in lower case with single spaces
    way: Way | None  # None: it speaks of the whole file
    in_transaction: bool = True
    unless: str = ""  # with this word behind it, in none


# Those of dbmate, goose, sql-migrate, node-pg-migrate, Play evolutions, MyBatis migrations and tern.
_MARKERS = (
    _Marker("-- migrate:up", "up", unless="transaction:false"),
    _Marker("-- migrate:down", "down", unless="transaction:false"),
    _Marker("-- +goose up", "up"),
    _Marker("-- +goose down", "down"),
    _Marker("-- +goose no transaction", None, in_transaction=False),
    _Marker("-- +migrate up", "up", unless="notransaction"),
    _Marker("-- +migrate down", "down", unless="notransaction"),
    _Marker("-- up migration", "up"),
    _Marker("-- down migration", "down"),
    _Marker("# --- !ups", "up", in_transaction=False),
    _Marker("# --- !downs", "down", in_transaction=False),
    _Marker("-- !ups", "up", in_transaction=False),
    _Marker("-- !downs", "down", in_transaction=False),
    _Marker("--- !ups", "up", in_transaction=False),
    _Marker("--- !downs", "down", in_transaction=False),
    _Marker("-- //@undo", "down", in_transaction=False),
    _Marker("---- create above / drop below ----", "down"),
)


def parts(text: str) -> list[Part]:
    """What goes forward and what goes back; a file without such a comment goes forward, as it stands."""
    lines = text.split("\n")
    marked = {number: found for number, line in enumerate(lines) if (found := _marker(line)) is not None}
    ways = [marker for marker, _ in marked.values() if marker.way]
    if not ways:
        return [Part(text, "up", in_transaction=False)]
    way: Way = "up"
    within = {"up": ways[0].in_transaction, "down": ways[0].in_transaction}
    belongs: list[Way] = []
    for number in range(len(lines)):
        marker, words = marked.get(number, (None, ""))
        if marker is not None and marker.way:
            way = marker.way
            within[way] = marker.in_transaction and not (marker.unless and marker.unless in words.split())
        belongs.append(way)
    alone = any(marker.way is None for marker, _ in marked.values())
    sections: list[Part] = []
    for each in _WAYS:
        kept = [line if way == each else _blank(line) for line, way in zip(lines, belongs, strict=True)]
        if any(line.strip() and not line.lstrip().startswith(("--", "#")) for line in kept):
            shown = (
                _blank(line) if line.startswith("#") and number in marked else line for number, line in enumerate(kept)
            )
            sections.append(Part("\n".join(shown), each, in_transaction=within[each] and not alone))
    return sections


def _marker(line: str) -> tuple[_Marker, str] | None:
    words = " ".join(line.split()).casefold()
    if not words.startswith(("--", "#")):
        return None
    return next(((marker, words) for marker in _MARKERS if words.startswith(marker.words)), None)


def _blank(line: str) -> str:
    return " " * len(line)


def goes_back(path: Path) -> bool:
    """Whether a file undoes another one, by its name: golang-migrate, Diesel, sqlx, Flyway, sqitch, yoyo."""
    name = path.name.casefold()
    if name.endswith((".down.sql", ".rollback.sql", ".undo.sql")) or (
        name == "down.sql" and path.with_name("up.sql").is_file()
    ):
        return True
    number, separator, _ = name.removeprefix("u").partition("__")
    if (
        name.startswith("u")
        and separator
        and number[:1].isdigit()
        and number.replace(".", "").replace("_", "").isdigit()
    ):
        return True
    return any(
        folder.name.casefold() in ("revert", "verify") and (folder.parent / "deploy").is_dir()
        for folder in path.parents
    )
