"""What ``check`` and ``plan`` read: files, folders, stdin, and the options that both have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import Misuse
from proxy.cli.migrations import goes_back, parts
from proxy.cli.psql import server_part

if TYPE_CHECKING:
    from proxy.judge import Judged

VERSIONS = range(13, 19)
COLOURS = {"warn": "yellow", "rewrite": "cyan", "defer": "cyan", "reject": "red"}


@dataclass(frozen=True, slots=True)
class Input:
    name: str  # as the user wrote it; ``-`` is stdin
    text: str
    in_transaction: bool = False  # whoever runs it opens a transaction first


@dataclass(slots=True)
class Inputs:
    """What is to be judged, and how much was left out."""

    all: list[Input] = field(default_factory=list)
    left_out: int = 0  # parts and files that take migrations back


def options(command: Callable[..., None]) -> Callable[..., None]:
    """``--policy``, ``--database`` and ``--pg-version``."""
    for option in (
        click.option("--pg-version", metavar="N", default=None, help="Judge as that major version of Postgres does (13 to 18); default 13."),
        click.option("--database", metavar="URL", help="Look at the tables there, in a read-only transaction: their sizes, columns, constraints."),
        click.option("--policy", metavar="NAME|FILE", default="recommended", show_default=True, help="A policy's name or file."),
    ):  # fmt: skip
        command = option(command)
    return command


def read_all(names: tuple[str, ...], *, down: bool = False) -> Inputs:
    """The inputs of these names; of a folder every ``.sql`` in and below it, in the order of their numbers.  Raises Misuse.

    What takes a migration back is left out unless ``down`` is so, or a file that does nothing else is named.
    """
    found = Inputs()
    for given in names:
        for name in _files(given):
            if not down and name != given and goes_back(Path(name)):
                found.left_out += 1
                continue
            both = parts(read_text(name))
            kept = [part for part in both if down or part.way == "up" or len(both) == 1] or both
            found.left_out += len(both) - len(kept)
            # An empty file is an input, too: it was looked at.
            found.all += [Input(name, part.text, part.in_transaction) for part in kept] or [Input(name, "")]
    return found


def _files(name: str) -> Iterator[str]:
    path = Path(name)
    if name == "-" or not path.is_dir():
        yield name
        return
    found = sorted((str(file) for file in path.rglob("*.sql") if file.is_file()), key=natural)
    if not found:
        raise Misuse(f"{name}: no .sql file in this folder or below it")
    yield from found


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key by which V2 comes before V10, as whoever numbered them meant it."""
    parts = ("".join(group) for _, group in groupby(name, key=lambda c: c.isascii() and c.isdigit()))
    # V1__a comes before V1.1__b: an underscore ends a number, a point goes on with it.
    return [
        (0, int(part), part) if part[0].isascii() and part[0].isdigit() else (1, 0, part.replace("_", " "))
        for part in parts
    ]


def read_text(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Misuse(f"{name}: cannot be read: {error.strerror}") from error
    try:
        return server_part(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Misuse(f"{name}:{line}: not UTF-8 (byte 0x{raw[error.start]:02x}); convert the file to UTF-8") from error


def judge_all(
    inputs: list[Input], *, policy: str, database: str | None, pg_version: str | None
) -> list[tuple[str, list[Judged]]]:
    """Every input judged by itself.  Raises Misuse."""
    from proxy.catalog.facts import Facts
    from proxy.judge import judge
    from proxy.policy.load import PolicyError, load
    from proxy.policy.verdict import Action

    try:
        loaded = load(policy)
    except PolicyError as error:
        raise Misuse(str(error)) from error
    version = _server_version(pg_version)
    if database is None:
        from_text = Facts.text_only(version or VERSIONS[0] * 10000, datetime.now(UTC))
        return [
            (
                one.name,
                judge(readable(one.text), policy=loaded, facts_for=lambda _: from_text, begun=one.in_transaction),
            )
            for one in inputs
        ]
    from proxy.cli.live import LiveFacts

    # No query goes to the planner for nothing.
    estimates = loaded.rule("large-update").action is not Action.ALLOW
    with LiveFacts.connect(database, server_version=version, estimates=estimates) as live:
        return [
            (
                one.name,
                judge(
                    readable(one.text),
                    policy=loaded,
                    facts_for=live.begin_input(),
                    routines_for=live.routines,
                    begun=one.in_transaction,
                ),
            )
            for one in inputs
        ]


def readable(text: str) -> str:
    """The text as it stands, or with stand-ins for what a tool fills in, if it can be read with those alone."""
    from proxy.render.placeholders import stand_in
    from proxy.sql.read import read
    from proxy.sql.statements import Unreadable

    filled = stand_in(text)
    if filled == text or not any(isinstance(one.node, Unreadable) for one in read(text)):
        return text
    return filled


def _server_version(given: str | None) -> int | None:
    """server_version_num of ``17`` or ``17.4``."""
    if given is None:
        return None
    major, _, minor = given.partition(".")
    if not (major.isdecimal() and int(major) in VERSIONS and (minor or "0").isdecimal()):
        raise Misuse(f"--pg-version {given}: Interlock knows Postgres {VERSIONS[0]} to {VERSIONS[-1]}")
    return int(major) * 10000 + int(minor or 0)


def paint(action: str) -> str:
    return click.style(action, fg=COLOURS.get(action))


def failed(files: list[tuple[str, list[Judged]]]) -> bool:
    """Whether anything is rejected or cannot be read."""
    from proxy.policy.verdict import Action
    from proxy.sql.statements import Unreadable

    return any(
        one.verdict.action is Action.REJECT or isinstance(one.statement.node, Unreadable)
        for _, judged in files
        for one in judged
    )
