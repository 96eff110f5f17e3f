"""graphile-migrate: committed files, each one query string in a transaction."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.tools.scenario import STEPS, Step, Tool, rendered, run_program
from tests.tools.ways import Ran, Way


def file(step: Step, *, transactional: bool = True) -> str:
    return ("" if step.transactional and transactional else "--! no-transaction\n") + step.up


def commit(folder: Path) -> None:
    """What graphile-migrate commit does, without its shadow database: a header that chains the files."""
    committed = folder / "migrations/committed"
    committed.mkdir(exist_ok=True, parents=True)
    (folder / ".gmrc").write_text(json.dumps({"pgSettings": {}, "placeholders": {}}))
    for old in committed.glob("*.sql"):
        old.unlink()
    previous = ""
    for number, path in enumerate(sorted((folder / "written").glob("*.sql")), 1):
        body = path.read_text().strip()
        digest = "sha1:" + hashlib.sha1(f"{previous}\n{body}".strip().encode() + b"\n").hexdigest()
        header = f"--! Previous: {previous or '-'}\n--! Hash: {digest}\n\n"
        (committed / f"{number:06}.sql").write_text(header + body + "\n")
        previous = digest


def migrate(folder: Path, way: Way) -> Ran:
    root = way.url.replace(way.database, "postgres")
    env = {"DATABASE_URL": way.url, "ROOT_DATABASE_URL": root, "SHADOW_DATABASE_URL": root}
    return run_program(folder, "node_modules/.bin/graphile-migrate", "migrate", env=env)


GRAPHILE = Tool(
    "graphile-migrate 1.4 (pg 8)",
    rendered("written/{name}.sql", file),
    migrate,
    node="graphile-migrate",
    remedied={
        "written/17_slug.sql": STEPS[-1].statements()[0],
        "written/18_slug_index.sql": "--! no-transaction\n" + STEPS[-1].statements()[1],
    },
    shown=("in graphile-migrate: make --! no-transaction the first line",),
    finish=commit,
)
TOOLS = {"graphile-migrate": GRAPHILE}
