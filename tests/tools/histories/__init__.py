"""Real applications, a module each: ``APPLICATIONS`` by the names that ``-k`` knows.  A new one is a new module here."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.tools.application import Application

APPLICATIONS: dict[str, Application] = {}
for _path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    APPLICATIONS[_path.stem] = importlib.import_module(f"{__name__}.{_path.stem}").APPLICATION
