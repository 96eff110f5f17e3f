"""Two nodes of an Ecto application migrate at once through Interlock, as they do in a rolling deployment."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.kit import TOOLS
from tests.tools.kit.ecto import ALONE
from tests.tools.scenario import Tool
from tests.tools.ways import Way, direct, same

ECTO = {lock: TOOLS[f"ecto-{lock}"] for lock in ("table", "advisory")}


def history(ecto: Tool, folder: Path, *, until: int) -> Path:
    """What is in a transaction of its own; the others have no lock that would keep two nodes from running them twice."""
    project = ecto.project(folder, until=until)
    for path in (project / "priv/repo/migrations").glob("*.sql"):
        if ALONE in path.read_text():
            path.unlink()
    return project


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("lock", ECTO)
def test_two_nodes(lock: str, postgres: Server, guarded: Way, tmp_path: Path) -> None:
    ecto = ECTO[lock]
    with direct(postgres) as straight, ThreadPoolExecutor(2) as nodes:
        for way, number in ((straight, 1), (guarded, 2)):
            folder = tmp_path / way.database
            ecto.applied(history(ecto, folder, until=1), way)
            way.populate()
            history(ecto, folder, until=len(ecto.migrations))
            ran = [*nodes.map(lambda _, way=way, folder=folder: ecto.run(folder, way), range(number))]
            for (
                one
            ) in ran:  # with a lock in a transaction one may meet what the other leaves for later, and tries again
                assert one.status == 0 or (lock == "table" and re.search("IL00[14]", one.output)), one.output
            ecto.applied(folder, way)
        same(straight, guarded)
