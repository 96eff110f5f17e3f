"""``--since REV``: the lines that a branch adds, by git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli import Misuse
from proxy.cli.inputs import natural

if TYPE_CHECKING:
    from proxy.judge import Judged

DIFF = (
    "diff",
    "--unified=0",
    "--find-renames",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


@dataclass(frozen=True, slots=True)
class Added:
    """Numbers, from 1, of the lines that each file has since then; ``lines`` is keyed by absolute path."""

    lines: Mapping[str, frozenset[int] | None]  # None: all of them

    def files(self) -> list[str]:
        """The SQL files among them, as seen from here."""
        return sorted((os.path.relpath(path) for path in self.lines if path.endswith(".sql")), key=natural)

    def only(self, name: str, judged: Sequence[Judged]) -> list[Judged]:
        """The statements with a line that was added."""
        lines = self.lines.get(os.path.abspath(name), frozenset())
        return [one for one in judged if lines is None or lines & _lines(one)]


def added_since(revision: str) -> Added:
    """What the working tree adds to the point where the branch left ``revision``; untracked files whole.  Raises Misuse."""
    top = Path(_git("rev-parse", "--show-toplevel", said="--since wants a git repository").strip())
    _git(
        "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", said=f"--since {revision}: no such revision here"
    )
    try:
        base = _git("merge-base", revision, "HEAD", said="").strip()
    except Misuse:  # a shallow clone does not know where the branch began
        base = revision
    found: dict[str, frozenset[int] | None] = {}
    for path, lines in _hunks(_git("-c", "core.quotePath=false", *DIFF, base, "--", said="git diff failed")).items():
        found[str(top / path)] = frozenset(lines)
    untracked = _git(
        "ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/", said="git ls-files failed"
    )
    found |= {str(top / path): None for path in untracked.split("\0") if path}
    return Added(found)


def _hunks(diff: str) -> dict[str, set[int]]:
    """The added lines of each file, by its path in the repository."""
    found: dict[str, set[int]] = {}
    path, left = "", 0  # ``left``: lines of the hunk that are still to come, so that none is taken for a header
    for line in diff.split("\n"):
        if left and line[:1] in ("+", "-"):
            left -= 1
        elif line.startswith("+++ "):
            path = _path(line[4:])
        elif line.startswith("@@ "):
            removed, added = line.split(" ")[1:3]
            start, count = _range(added)
            left = _range(removed)[1] + count
            if path:
                found.setdefault(path, set()).update(range(start, start + count))
    return found


def _range(written: str) -> tuple[int, int]:
    """``+12,3`` is 3 lines from 12 on, ``+12`` is one."""
    start, comma, count = written[1:].partition(",")
    return int(start), int(count) if comma else 1


def _path(written: str) -> str:
    """The path of ``+++ b/…``; empty for a deleted file.  git quotes as C does, and ends a name with spaces by a tab."""
    name = written.removesuffix("\t")
    if name.startswith('"'):
        bytes_ = name[1:-1].encode("utf-8", "surrogateescape").decode("unicode_escape").encode("latin-1")
        name = bytes_.decode("utf-8", "surrogateescape")
    return name.removeprefix("b/") if name.startswith("b/") else ""


def _lines(judged: Judged) -> frozenset[int]:
    from proxy.judge import position

    statement = judged.statement
    first, _ = position(statement.text, statement.span.start)
    last, _ = position(statement.text, max(statement.span.start, statement.span.end - 1))
    return frozenset(range(first, last + 1))


def _git(*arguments: str, said: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise Misuse("--since wants git, which is not installed here") from None
    if done.returncode:
        why = " ".join(done.stderr.decode(errors="replace").split())
        raise Misuse(said + (f": {why}" if why else ""))
    return done.stdout.decode("utf-8", "surrogateescape")
