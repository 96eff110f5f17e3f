"""``interlock status``: what a running proxy is about, from its ``--admin`` address."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import Misuse

if TYPE_CHECKING:
    from rich.console import Group

ANSWER_S = 10
REFRESH_S = 1.0
COLUMNS = {
    "jobs": ("state", "job", "database", "kind", "relations", "step", "steps", "phase", "progress", "eta_s", "waits_for", "waits_s", "error", "statement"),
    "waits": ("statement", "lock", "relations", "wait_s", "blocker_pid", "blocker_user", "blocker_application_name", "blocker_state"),
    "stats": ("database", "total_statements", "total_rewrite", "total_defer", "total_reject", "total_failed", "total_lock_timeouts"),
}  # fmt: skip
TITLES = {"jobs": "Jobs", "waits": "Waits", "stats": "Since the proxy began"}


@click.command()
@click.option(
    "--admin", metavar="HOST:PORT|URL", default="127.0.0.1:9127", show_default=True, help="That of interlock serve."
)
@click.option(
    "--token-file", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="Its token, if it asks for one."
)
@click.option("--watch", is_flag=True, help="Go on showing it, once a second.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or for programs."
)
def command(admin: str, token_file: str | None, watch: bool, form: str) -> None:
    """Show what a running proxy does now: jobs with their progress, who is waited for, and its statistics.

    \b
    interlock status
    interlock status --watch --admin http://interlock.internal:9127 --token-file /etc/interlock/stats-token

    The rows are those of the console's SHOW JOBS, SHOW WAITS and SHOW STATS. Exit code 1 if a job has failed.
    """
    url = admin if "://" in admin else f"http://{admin}"
    token = Path(token_file).read_text("utf-8").partition("\n")[0].strip() if token_file else ""
    found = ask(url, token)
    if form == "json":
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif watch:
        _watch(url, token, found)
    else:
        from proxy.cli.listing import console

        console().print(tables(found))
    if any(row["state"] == "failed" for row in found["jobs"]):
        raise SystemExit(1)


def ask(url: str, token: str) -> dict[str, Any]:
    """Raises Misuse."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    try:
        request = Request(
            f"{url.rstrip('/')}/status.json", headers={"Authorization": f"Bearer {token}"} if token else {}
        )
        with urlopen(request, timeout=ANSWER_S) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except HTTPError as error:
        why = "it asks for a token: --token-file FILE" if error.code == 401 else f"it says {error.code}"
        raise Misuse(f"{url}: {why}") from None
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Misuse(f"{url}: {reason}; is there an interlock serve --admin at that address?") from None


def _watch(url: str, token: str, found: dict[str, Any]) -> None:
    from rich.live import Live

    from proxy.cli.listing import console

    with Live(tables(found), console=console(), auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_S)
            live.update(tables(ask(url, token)), refresh=True)


def tables(found: Mapping[str, Any]) -> Group:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from proxy.cli.listing import COLOURS
    from proxy.render.text import printable

    shown: list[Any] = []
    for name, columns in COLUMNS.items():
        rows: Sequence[Mapping[str, Any]] = found[name]
        if not rows:
            continue
        kept = [column for column in columns if any(row[column] not in (None, "") for row in rows)]
        table = Table(title=TITLES[name], title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for column in kept:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(
                *(
                    Text(printable(_cell(column, row[column])), style=COLOURS.get(str(row[column]), ""))
                    for column in kept
                )
            )
        shown.append(table)
    if found["paused"]:
        shown.insert(0, Text("Jobs are paused: RESUME on the console lets them go on.", style="yellow"))
    return Group(*(shown or [Text("Nothing runs, waits or has failed, and nothing has been decided yet.")]))


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    return f"{float(str(value)):.0%}" if column == "progress" else str(value)
