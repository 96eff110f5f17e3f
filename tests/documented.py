"""The commands and the SQL that README, docs and examples show, as a reader would copy them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
SHELL = ("sh", "bash", "console")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, without the indentation of its fence.  ``language`` is empty where none is written."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A line that a shell is to run, without prompt and comment.

    ``shown``: what the page says that it prints.  ``begins``: a block, and so in the reader's own folder.
    """

    text: str
    shown: tuple[str, ...] = ()
    begins: bool = False


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> list[Block]:
    """The page's blocks, or those of some languages."""
    found = re.finditer(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    every = [Block(one[2], re.sub(rf"^{one[1]}", "", one[3], flags=re.MULTILINE)) for one in found]
    return [block for block in every if not languages or block.language in languages]


def commands(page: Path) -> list[Command]:
    """In their order: each line of a shell's block, each line behind a prompt, and lists of ``interlock …`` and ``make …``."""
    return [command for block in blocks(page) for command in _commands(block)]


def _commands(block: Block) -> Iterator[Command]:
    text = block.text.replace("\\\n", " ")
    if "$ " in text and re.search(r"^\$ ", text, re.MULTILINE):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            first, *shown = part.rstrip("\n").splitlines()
            yield Command(_bare(first), tuple(shown), begins=True)
    elif block.language in SHELL or re.match(r"(interlock|make) [a-z]", text):
        for number, line in enumerate(filter(str.strip, text.splitlines())):
            yield Command(_bare(line), begins=number == 0)


def _bare(line: str) -> str:
    """Without what explains it: behind a ``#``, or, in a list, behind three spaces or more."""
    return re.sub(r" {2,}", " ", re.split(r"\s+#\s|(?<=\S) {3,}(?=[a-z])", line.strip())[0])
