"""Sqitch: the registry on one connection, with a lock held on it, while psql deploys on another."""

from __future__ import annotations

from pathlib import Path

from tests.servers import client
from tests.tools.scenario import STEPS, Step, Tool, needs, run_program
from tests.tools.ways import Ran, Way

PLAN = "%syntax-version=1.0.0\n%project=shop\n\n"


def files(step: Step, *, transactional: bool = True) -> dict[str, str]:
    up, down = step.up, step.down or "SELECT 1;\n"
    if step.transactional and transactional:
        up = f"BEGIN;\n{up}COMMIT;\n"
    return {f"deploy/{step.name}.sql": up, f"revert/{step.name}.sql": down, f"verify/{step.name}.sql": "SELECT 1;\n"}


def plan(folder: Path) -> None:
    names = sorted(path.stem for path in (folder / "deploy").glob("*.sql"))
    changes = (f"{name} 2026-01-01T00:00:{name[:2]}Z shop <shop@example.com> # {name}\n" for name in names)
    (folder / "sqitch.plan").write_text(PLAN + "".join(changes))
    (folder / "sqitch.conf").write_text("[core]\n\tengine = pg\n")


def sqitch(folder: Path, way: Way, *command: str) -> Ran:
    url = way.url.replace("postgresql:", "db:pg:")
    env = {"SQITCH_FULLNAME": "shop", "SQITCH_EMAIL": "shop@example.com", "HOME": str(folder), "TZ": "UTC"}
    named = ("--db-client", client("psql"), "--target", url)
    return run_program(folder, "sqitch", *(command or ("deploy", "--verify")), *named, env=env)


def forget(folder: Path, way: Way) -> None:
    """Sqitch writes down that a change failed, which it has not directly."""
    way.sql("DELETE FROM sqitch.events WHERE event = 'fail'")


SQITCH = Tool(
    "Sqitch 1.3 (DBD::Pg 3.16, psql 18)",
    [*map(files, STEPS)],
    sqitch,
    back=lambda folder, way: sqitch(folder, way, "revert", "-y", "--to", "@HEAD^"),
    remedied=files(STEPS[-1], transactional=False),
    shown=("in Sqitch: leave BEGIN; and COMMIT; out of this change's deploy script",),
    finish=plan,
    recover=forget,
    absent=needs("sqitch", hint="apt-get install sqitch libdbd-pg-perl"),
)
TOOLS = {"sqitch": SQITCH}
