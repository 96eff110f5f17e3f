"""Jobs that somebody has done, tried again or given up: on the console, the page or the command line, one audit log says who."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import CliRunner, Result

from proxy.audit.verify import verify
from proxy.cli import main
from tests.live.conftest import start_guard, through
from tests.live.test_admin_http import ADMIN, bearer, site, tokens
from tests.live.test_jobs_command import UNIQUE, left
from tests.live.test_patience import until
from tests.proxies import Proxy

Record = dict[str, object]


def interlock(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def by_hand(audit: Path) -> list[Record]:
    assert verify([audit]).intact
    return [r for r in map(json.loads, audit.read_text().splitlines()) if "by_hand" in r]


def told(record: Record) -> tuple[object, ...]:
    hand = record["by_hand"]
    assert isinstance(hand, dict)
    return hand["what"], hand["through"], record["job"], record["statement"], record["outcome"], record["sqlstate"]


def test_console_page_and_command_write_one_chain(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(
        start_proxy,
        tmp_path,
        "",
        "--admin",
        "127.0.0.1:0",
        *tokens(tmp_path),
        "--jobs",
        orders,
        "--admin-users",
        "postgres",
    )
    with psycopg.connect(orders, autocommit=True) as straight:
        straight.execute("UPDATE orders SET email = 'e1' WHERE id = 2")
        unique = left(orders, UNIQUE)
        with psycopg.connect(proxy.url("interlock"), autocommit=True, application_name="dba's psql") as console:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="could not create unique index"):
                console.execute(f"RETRY JOB {unique}".encode())
            straight.execute("UPDATE orders SET email = 'e2' WHERE id = 2")
    page = httpx.post(f"{site(proxy)}/job/{unique}/retry", headers=bearer(ADMIN), timeout=20)
    assert page.status_code == 303
    until(lambda: len(by_hand(proxy.audit)) == 2, "the page should have it done")
    other = left(orders, "CREATE INDEX another ON orders (email)")
    done = interlock("jobs", "cancel", other, "--database", orders, "--audit", proxy.audit)
    assert done.exit_code == 0, done.output
    third = left(orders, "CREATE INDEX third ON orders (email)")
    assert interlock("jobs", "run", "--database", orders, "--audit", proxy.audit).exit_code == 0
    with psycopg.connect(
        through(proxy, orders), autocommit=True
    ) as migration:  # the proxy goes on behind the command's
        migration.execute("CREATE INDEX fourth ON orders (total)")

    name = orders.rpartition("/")[2]
    found = by_hand(proxy.audit)
    assert [told(record) for record in found] == [
        ("retry", "console", unique, UNIQUE, "failed", "23505"),
        ("retry", "page", unique, UNIQUE, "done", ""),
        ("cancel", "command", other, "CREATE INDEX another ON orders (email)", "given up", ""),
        ("run", "command", third, "CREATE INDEX third ON orders (email)", "done", ""),
    ]
    sessions = [record["session"] for record in found]
    assert all(isinstance(s, dict) and s["database"] == name and s["user"] and s["client"] for s in sessions)
    assert [(s["user"], s["application_name"]) for s in sessions[:2] if isinstance(s, dict)] == [
        ("postgres", "dba's psql"),
        ("admin token", "interlock status page"),
    ]
    assert "CREATE UNIQUE INDEX CONCURRENTLY" in str(found[1]["steps"])

    shown = interlock("audit", "tail", proxy.audit).stdout
    assert f"retry of job {unique} from 127.0.0.1:" in shown
    assert "(console)" in shown
    report = interlock("audit", "report", proxy.audit).stdout
    assert "Jobs done, tried again and given up by hand" in report
    for text in (f"retry job {unique}", "admin token, 127.0.0.1, page", "given up", "failed (23505)"):
        assert text in report, text
    assert interlock("policy", "replay", "strict", proxy.audit).exit_code in (0, 1)


def test_what_cannot_be_written_down_is_not_done(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    number = left(orders, UNIQUE)
    missing = tmp_path / "missing/audit.jsonl"
    done = interlock("jobs", "retry", number, "--database", orders, "--audit", missing)
    assert done.exit_code == 2
    assert "cannot open audit file" in done.stderr
    with psycopg.connect(orders) as straight:
        assert straight.execute("SELECT state FROM interlock.jobs").fetchall() == [("waiting",)]
    lenient = tmp_path / "open.yaml"
    lenient.write_text("version: 1\nextends: recommended\naudit: { on_failure: open }\n")
    done = interlock("jobs", "retry", number, "--database", orders, "--audit", missing, "--policy", lenient)
    assert done.exit_code == 0, done.output
    assert "not written down: cannot open audit file" in done.stderr
    proxy = start_guard(
        start_proxy, tmp_path, "", "--audit", "/dev/full", "--jobs", orders, "--admin-users", "postgres"
    )
    other = left(orders, "CREATE INDEX another ON orders (email)")
    with psycopg.connect(proxy.url("interlock"), autocommit=True) as console:
        console.execute(f"CANCEL JOB {other}".encode())  # of a device it cannot be known before
        third = left(orders, "CREATE INDEX third ON orders (email)")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="could not be written down"):
            console.execute(f"CANCEL JOB {third}".encode())
