"""doctor, status, demo, completion, and the log as JSON: what an operator meets first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from proxy.admin.tracing import trace
from proxy.cli import main
from proxy.session.tally import Decision, Ran
from tests.live.conftest import start_guard, through
from tests.live.test_admin_http import STATS, site, tokens
from tests.live.test_jobs_command import UNIQUE, left
from tests.live.test_patience import until
from tests.proxies import Proxy

pytestmark = pytest.mark.sampled(2)  # make operating runs them all


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], env={"INTERLOCK_UPSTREAM": ""})


def states(result: Result) -> dict[str, str]:
    return {one["what"]: one["state"] for one in json.loads(result.stdout)["checks"]}


def test_the_doctor_finds_all_well(orders: str) -> None:
    done = run("doctor", "--upstream", orders, "--monitor", orders, "--format", "json")
    assert done.exit_code == 0, done.output
    found = states(done)
    assert set(found.values()) <= {"ok", "note"}
    assert {
        "interlock",
        "policy",
        "upstream",
        "TLS",
        "server",
        "login",
        "interlock.jobs",
        "jobs",
        "clock",
        "monitor",
    } <= set(found)


def test_the_doctor_finds_what_is_wrong(orders: str, tmp_path: Path) -> None:
    left(orders, UNIQUE)
    name = orders.rpartition("/")[2]
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute("UPDATE interlock.jobs SET state = 'failed'")
        connection.execute("ALTER TABLE orders ADD CHECK (total >= 0) NOT VALID")
        connection.execute("ALTER TABLE interlock.jobs DISABLE ROW LEVEL SECURITY")
        connection.execute(f"ALTER DATABASE {name} SET statement_timeout = '30s'")
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    (tmp_path / "policy.yaml").write_text("version: 1\nmoed: warn\n")
    done = run(
        "doctor", "--upstream", orders, "--policy", tmp_path / "policy.yaml", "--audit", tmp_path / "no/audit.jsonl"
    )
    assert done.exit_code == 1
    for said in (
        "did you mean 'mode'",
        "the folder",
        "read only",
        "interlock.jobs is not as Interlock made it",
        "1 constraints NOT VALID",
        "30000 ms by the database",
        "-> interlock unfinished",
    ):
        assert said in done.stdout, said
    assert run("doctor", "--upstream", "postgresql://127.0.0.1:1/x").exit_code == 1
    assert run("doctor", "--upstream", "nonsense").exit_code == 1
    assert run("doctor").exit_code == 2
    wrong = orders.replace("postgres@", "nobody_at_all@")
    assert 'role "nobody_at_all" does not exist' in run("doctor", "--upstream", wrong).stdout


def test_status_shows_the_rows_of_the_console(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    proxy = start_guard(start_proxy, tmp_path, "", "--admin", "127.0.0.1:0", *tokens(tmp_path), "--jobs", orders)
    with psycopg.connect(through(proxy, orders), autocommit=True) as connection:
        connection.execute("CREATE INDEX orders_email_idx ON orders (email)")
    left(orders, UNIQUE)
    done = run("status", "--admin", site(proxy), "--token-file", tmp_path / "stats")
    assert done.exit_code == 0, done.output
    assert "waiting" in done.stdout
    assert "total rewrite" in done.stdout
    document = json.loads(
        run("status", "--admin", site(proxy), "--token-file", tmp_path / "stats", "--format", "json").stdout
    )
    assert document["jobs"][0]["statement"] == UNIQUE
    assert "--token-file FILE" in run("status", "--admin", site(proxy)).stderr
    assert run("status", "--admin", "127.0.0.1:1").exit_code == 2
    assert STATS not in proxy.stderr_text()


def test_the_log_as_json(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    proxy = start_guard(start_proxy, tmp_path, "", "--log-format", "json")
    with psycopg.connect(through(proxy, orders), autocommit=True) as connection:
        connection.execute("CREATE INDEX orders_email_idx ON orders (email)")
    until(lambda: '"event": "decision"' in proxy.stderr_text(), "it should be told")
    lines = [json.loads(line) for line in proxy.stderr_text().splitlines() if line.startswith("{")]
    [decision] = [line for line in lines if line.get("event") == "decision"]
    assert decision["action"] == "rewrite"
    assert decision["rule"] == "index-not-concurrent"
    assert decision["relations"] == ["public.orders"]
    assert {"at", "level", "message"} <= set(decision)


def test_spans() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    session = {"user": "u", "database": "shop", "client": "", "application_name": "", "tool": "Django"}
    steps = (Ran("CREATE INDEX CONCURRENTLY i ON t (a)", "ShareUpdateExclusiveLock", 0.0, 40.0, 0.0, 1, "done"),)
    trace(provider)(
        Decision(
            1,
            1000.0,
            session,
            "CREATE INDEX",
            ("public.t",),
            "CREATE INDEX i ON t (a)",
            "rewrite",
            (),
            steps,
            "failed",
            "57014",
            50.0,
        )
    )
    below, above = spans.get_finished_spans()
    assert (above.name, above.attributes and above.attributes["interlock.action"]) == (
        "interlock CREATE INDEX",
        "rewrite",
    )
    assert above.end_time is not None
    assert above.start_time is not None
    assert above.end_time - above.start_time == 50_000_000
    assert below.parent is not None
    assert below.parent.span_id == above.get_span_context().span_id
    assert not above.status.is_ok


@pytest.mark.slow
def test_the_demo() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "demo", "--rows", "150000"],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "Straight to the server",
        "NOTICE:  interlock: 1/1 CREATE INDEX CONCURRENTLY orders_email_idx",
        "the application: the worst write took",
        "VALIDATE CONSTRAINT",
        "[column-type-rewrite]",
        "through Interlock:  the worst write took",
    ):
        assert said in done.stdout, said
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = run("completion", shell).stdout
    assert "_INTERLOCK_COMPLETE" in script
    if shell == "bash":
        asked = f'{script}\nCOMP_WORDS=(interlock po); COMP_CWORD=1; _interlock_completion interlock po; echo "${{COMPREPLY[@]}}"'
        folder = str(Path(sys.executable).parent)
        done = subprocess.run(
            ["bash", "-c", asked],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        )
        assert done.stdout.strip() == "policy"
