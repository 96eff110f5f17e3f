"""Atlas: each file a transaction, its statements one by one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.packages import go_program
from tests.tools.scenario import STEPS, Step, Tool, fetched, run_program
from tests.tools.ways import Ran, Way

OUTSIDE = "-- atlas:txmode none\n\n"


def file(step: Step) -> dict[str, str]:
    head = "" if step.transactional else OUTSIDE
    return {f"migrations/{20260101000000 + step.number}_{step.title}.sql": head + step.up}


def atlas(folder: Path, way: Way) -> Ran:
    options = ("migrate", "apply", "--dir", "file://migrations", "--url", way.url + "?sslmode=disable")
    return run_program(folder, go_program("atlas"), *options, env={"ATLAS_NO_UPDATE_NOTIFIER": "true"})


def write_sums(folder: Path) -> None:
    ran = run_program(folder, go_program("atlas"), "migrate", "hash", "--dir", "file://migrations")
    assert ran.status == 0, ran.output


SLUG, INDEX = STEPS[-1].statements()
ATLAS = Tool(
    "Atlas 0.13 (lib/pq)",
    [*map(file, STEPS)],
    atlas,
    remedied=file(Step("17_slug", SLUG, "", True)) | file(Step("18_slug_index", INDEX, "", False)),
    shown=("in Atlas: make -- atlas:txmode none the first line of the migration file",),
    finish=write_sums,
    newest=15,  # it asks for lc_collate, which is no setting any more
    absent=fetched(partial(go_program, "atlas")),
)
TOOLS = {"atlas": ATLAS}
