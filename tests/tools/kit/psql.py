"""psql: scripts, statement by statement and each in one transaction; each script writes down that it was run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.servers import run_client
from tests.tools.scenario import Step, Tool, only_transactions, rendered, sources
from tests.tools.ways import Ran, Way

HISTORY = "CREATE TABLE schema_history (number int PRIMARY KEY, name text NOT NULL);\n"


def file(step: Step) -> str:
    head = HISTORY if step.number == 1 else ""
    return f"{head}{step.up}INSERT INTO schema_history VALUES ({step.number}, '{step.title}');\n"


def applied(way: Way) -> int:
    with way.server.connect(way.database) as session:
        if session.execute("SELECT to_regclass('schema_history')").fetchone() == (None,):
            return 0
        (last,) = session.execute("SELECT max(number) FROM schema_history").fetchone() or (0,)
        return int(last)


def psql(options: tuple[str, ...], folder: Path, way: Way) -> Ran:
    printed = ""
    for script in sorted(folder.glob("*.sql")):
        if int(script.name[:2]) <= applied(way):
            continue
        arguments = ("-v", "ON_ERROR_STOP=1", *options, "-f", str(script))
        ran = run_client("psql", *arguments, url=way.url, check=False)
        printed += (ran.stdout + ran.stderr).replace(f"{folder}/", "")  # as if it were run in there
        if ran.returncode:
            return Ran(ran.returncode, printed)
    return Ran(0, printed)


TOOLS = {
    "psql": Tool("psql 18", sources("psql"), partial(psql, ())),
    "psql-1": Tool(
        "psql 18, -1",
        rendered("{name}.sql", file, only_transactions()),
        partial(psql, ("-1",)),
        shown=("without -1 / --single-transaction",),
    ),
}
