"""What docs/tools says that a tool prints, held against what it has printed."""

from __future__ import annotations

import re

from tests.tools.kit import PAGES
from tests.tools.scenario import Tool
from tests.tools.ways import HERE

PAGE = HERE.parent.parent / "docs/tools"
LEFT_OUT = "…"
_SIZE = re.compile(r"\(\d+ [kM]B, [\d,]+ rows\)")
_TIME = re.compile(r" That takes [^.]*\.")  # an estimate of the build
_FILE = re.compile(r"file: '[^']*'")  # of the policy
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_DATABASE = re.compile(r"\bt\d+_\d+\b")
_NUMBER = re.compile(r"\d+")


def shown(page: str) -> list[str]:
    """The blocks of a page that show the refusal of the last migration."""
    path = PAGE / f"{page}.md"
    blocks = path.read_text().split("```")[1::2] if path.exists() else []
    return [block.partition("\n")[2] for block in blocks if "[index-not-concurrent]" in block and "slug" in block]


def as_documented(tool: Tool, *outputs: str) -> None:
    """Each block of the page is in one of the outputs: its lines in their order, but for numbers and what it leaves out."""
    page = PAGES.get(tool.name, "")
    for block in shown(page):
        missing = [_missing(block, output) for output in outputs]
        assert None in missing, f"docs/tools/{page}.md shows what is not printed: {missing}\n\n" + "\n\n".join(outputs)


def _missing(block: str, output: str) -> str | None:
    """The first line that is not there."""
    printed, found = _plain(output), 0
    for line in block.splitlines():
        if line.startswith("$ "):
            continue  # the command
        for piece in filter(None, map(str.strip, _plain(line).split(LEFT_OUT))):
            found = printed.find(piece, found)
            if found < 0:
                return line
            found += len(piece)
    return None


def _plain(text: str) -> str:
    sized = _FILE.sub("file", _TIME.sub("", _SIZE.sub("(SIZE)", _COLOUR.sub("", _DATABASE.sub("shop", text)))))
    return "\n".join(" ".join(line.split()) for line in _NUMBER.sub("0", sized).splitlines())
