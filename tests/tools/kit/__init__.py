"""The migration tools, a module each: ``TOOLS`` by the names that ``-k`` knows.  A new tool is a new module here."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.tools.scenario import Tool

TOOLS: dict[str, Tool] = {}
for _path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    TOOLS |= importlib.import_module(f"{__name__}.{_path.stem}").TOOLS
