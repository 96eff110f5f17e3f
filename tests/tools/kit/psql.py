"""psql: scripts, statement by statement and each in one transaction."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.servers import run_client
from tests.tools.scenario import Files, Tool, only_transactions, rendered, sources, without_transactions
from tests.tools.ways import Ran, Way


def psql(options: tuple[str, ...], folder: Path, way: Way, scripts: str = "*.sql") -> Ran:
    """Run the scripts that have not been run yet: psql keeps no record, so the project does."""
    printed = ""
    for script in sorted(folder.glob(scripts)):
        done = folder / f"{script.name}.done"
        if done.exists():
            continue
        arguments = ("-q", "-v", "ON_ERROR_STOP=1", *options, "-f", str(script))
        ran = run_client("psql", *arguments, url=way.url, check=False)
        printed += ran.stdout + ran.stderr
        if ran.returncode:
            return Ran(ran.returncode, printed)
        done.touch()
    return Ran(0, printed)


TOOLS = {
    "psql": Tool("psql 18", sources("psql"), partial(psql, ())),
    "psql-1": Tool(
        "psql 18 -1",
        rendered("{name}.sql", lambda step: step.up, only_transactions()),
        partial(psql, ("-1",)),
        shown=("without -1 / --single-transaction",),
    ),
}
