"""The migration tools, a module each: ``TOOLS`` by the names that ``-k`` knows.  A new tool is a new module here."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.tools.scenario import Tool

TOOLS: dict[str, Tool] = {}
PAGES: dict[
    str, str
] = {}  # by a tool's name, whose output its page in docs/tools shows: the first one of a module that has transactions
for _path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    _tools: dict[str, Tool] = importlib.import_module(f"{__name__}.{_path.stem}").TOOLS
    TOOLS |= _tools
    _first = next((tool for tool in _tools.values() if tool.shown), next(iter(_tools.values())))
    PAGES[_first.name] = _path.stem.replace("_", "-")
