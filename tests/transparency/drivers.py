"""The drivers' own test suites, run on a URL: each test's outcome by its name."""

from __future__ import annotations

import os
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.binaries import ServerError
from tests.transparency import sources
from tests.transparency.outcome import Outcome, Outcomes, Status

LONGEST_S = 2000


def psycopg2(url: str, folder: Path) -> Outcomes:
    at = urlsplit(url)
    env = {
        "PSYCOPG2_TESTDB": at.path[1:],
        "PSYCOPG2_TESTDB_HOST": str(at.hostname),
        "PSYCOPG2_TESTDB_PORT": str(at.port),
        "PSYCOPG2_TESTDB_USER": str(at.username),
        "PSYCOPG2_TEST_REPL_DSN": "",  # as the normal one
    }
    return _pytest("psycopg2", ["tests"], env, folder)


def asyncpg(url: str, folder: Path) -> Outcomes:
    """Without what starts servers of its own, and what looks at its own source's formatting."""
    files = "adversity cache_invalidation cancellation codecs copy cursor exceptions execute introspection listeners logging"
    files += " pool prepare record timeout transaction types utils test connect"
    return _pytest("asyncpg", [f"tests/test_{name}.py" for name in files.split()], _environment(url), folder)


def pg8000(url: str, folder: Path) -> Outcomes:
    return _pytest("pg8000", ["test/dbapi", "test/native", "test/legacy"], _environment(url), folder)


def sqlalchemy(url: str, folder: Path) -> Outcomes:
    """SQLAlchemy's tests of PostgreSQL on psycopg 3, which is published without its own tests."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("CREATE SCHEMA test_schema")
        session.execute("CREATE SCHEMA test_schema_2")
        session.execute("CREATE EXTENSION IF NOT EXISTS hstore") if _has(session, "hstore") else None
    dburi = "postgresql+psycopg" + url.removeprefix("postgresql")
    return _pytest("sqlalchemy", ["test/dialect/postgresql", "--dburi", dburi, "-p", "no:randomly"], {}, folder)


def _has(session: psycopg.Connection, extension: str) -> bool:
    return bool(session.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", (extension,)).fetchone())


def node_postgres(url: str, folder: Path) -> Outcomes:
    """Each file is a test."""
    package = sources.node_postgres()
    env = {**_clean(), **_environment(url), "PGTESTNOSSL": "true"}
    _node(package, "script/create-test-tables.js", env)
    found = {}
    for path in sorted(package.glob("test/integration/**/*-tests.js")):
        name = str(path.relative_to(package))
        done = _node(package, name, env)
        found[name] = Outcome("failed" if done.returncode else "passed", detail=(done.stdout + done.stderr)[-3000:])
    return found


def _node(package: Path, program: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["node", program],
            cwd=package,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(late.cmd, 124, "", "no end within 120 s")


def _environment(url: str) -> dict[str, str]:
    """What libpq reads."""
    at = urlsplit(url)
    return {
        "PGHOST": str(at.hostname),
        "PGPORT": str(at.port),
        "PGUSER": str(at.username),
        "PGPASSWORD": "unused",
        "PGDATABASE": at.path[1:],
    }


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTEST", "INTERLOCK"))}


def _pytest(name: str, arguments: Sequence[str], env: dict[str, str], folder: Path) -> Outcomes:
    """Run a suite from its unpacked source, but with the driver of ``sources.drivers``; the tests that ran, by name."""
    python = sources.drivers()
    home = next(sources.python_suite(name).glob("*/"))
    report = Path(tempfile.mkdtemp(dir=folder)) / "report.xml"
    command = [str(python), "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    command += ["--timeout=120", "-o", "junit_family=xunit1", "-W", "ignore", *arguments]
    done = subprocess.run(
        command,
        cwd=home,
        env={**_clean(), "PYTHONDONTWRITEBYTECODE": "1", **env},
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        stdin=subprocess.DEVNULL,
    )
    if not report.exists():
        raise ServerError(f"the tests of {name} did not run\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return _read(report)


def _read(report: Path) -> Outcomes:
    found = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        bad = case.find("failure")
        bad = case.find("error") if bad is None else bad
        status: Status = "failed" if bad is not None else "skipped" if case.find("skipped") is not None else "passed"
        found[f"{case.get('classname')}::{case.get('name')}"] = Outcome(
            status, detail="" if bad is None else f"{bad.get('message')}\n{bad.text or ''}"[-3000:]
        )
    return found
