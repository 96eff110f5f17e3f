"""PostgreSQL's own regression scripts by psql; what each prints is what has to be the same.

Not compared with PostgreSQL's expected files: the functions in C that some scripts load are not built here, so that the direct run
has errors, too, and the same ones are expected.  Scripts of another version run as far as they do.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.binaries import client
from tests.transparency import sources
from tests.transparency.outcome import Outcome, Outcomes

SCRIPTS = {13: "postgresql-15", 18: "postgresql-18"}  # whose source can be had
LONGEST_S = 300
# What a database of pg_regress is set to.
SETTINGS = ("lc_messages", "lc_monetary", "lc_numeric", "lc_time", "bytea_output", "timezone_abbreviations")
VALUES = ("C", "C", "C", "C", "hex", "Default")
OIDS = re.compile(r"(cache lookup failed for relation |pg_stat_have_stats\('relation', \d+, )\d+")
TOASTED = re.compile(r"^ \d+ \| pg_toast_\d+$", re.MULTILINE)
# An error of a parallel query is that of whichever process meets it first.
PARALLEL = "CONTEXT:  parallel worker\n"
OURS = ("NOTICE:  interlock:", "WARNING:  interlock:")


def run(direct: str, url: str, version: int, folder: Path, only: Sequence[str] = ()) -> Outcomes:
    """Run the scripts in a database ``regression`` that is made directly, and reached by ``url``'s host and port."""
    home = next(sources.debian_suite(SCRIPTS[version]).glob("*/src/test/regress"))
    (folder / "results").mkdir()
    (folder / "results").chmod(0o777)
    with psycopg.connect(direct, autocommit=True) as session:
        session.execute("CREATE DATABASE regression TEMPLATE template0")
        for name, value in zip(SETTINGS, VALUES, strict=True):
            session.execute(f"ALTER DATABASE regression SET {name} TO '{value}'")
    found = {}
    port = str(urlsplit(url).port)
    for name in only or _scheduled(home / "parallel_schedule"):
        _wait(direct)
        done = _script(home, name, url, folder)
        said = done.said.replace(f"port {port}", "port").replace(str(folder), "FOLDER")
        said = TOASTED.sub(" OID | pg_toast_OID", OIDS.sub(r"\1OID", said)).replace(PARALLEL, "")
        found[name] = replace(done, said=said)
    return found


def _wait(direct: str) -> None:
    """Some scripts bring these servers down, directly as well: until it is up again."""
    for _ in range(600):
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(direct, connect_timeout=5):
            return
        time.sleep(0.1)


def _scheduled(schedule: Path) -> list[str]:
    """Of a group that runs side by side one after the other, in the order written."""
    lines = (line.split("#")[0].strip() for line in schedule.read_text().splitlines())
    return [name for line in lines if line.startswith("test:") for name in line.removeprefix("test:").split()]


def _script(home: Path, name: str, url: str, folder: Path) -> Outcome:
    at = urlsplit(url)
    env = {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {
        "PGHOST": str(at.hostname),
        "PGPORT": str(at.port),
        "PGUSER": str(at.username),
        "PGDATABASE": "regression",
        "PGTZ": "America/Los_Angeles",
        "PGDATESTYLE": "Postgres, MDY",
        "PGOPTIONS": "-c intervalstyle=postgres_verbose",
        "PG_ABS_SRCDIR": str(home),
        "PG_ABS_BUILDDIR": str(folder),
        "PG_LIBDIR": "/nowhere",
        "PG_DLSUFFIX": ".so",
        "LC_ALL": "C",
    }
    quiet = ("-X", "-a", "-q", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on")
    with (home / "sql" / f"{name}.sql").open("rb") as script:
        try:
            done = subprocess.run(
                [client("psql"), *quiet],
                stdin=script,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=folder,
                timeout=LONGEST_S,
            )
        except subprocess.TimeoutExpired as late:
            return Outcome("failed", "no end", (late.stdout or b"").decode("latin-1")[-3000:])
    said = done.stdout.decode("latin-1")
    return Outcome("passed" if done.returncode == 0 else "failed", said)


def only_ours(direct: str, through: str) -> bool:
    """Whether all that one printed more are Interlock's own notices, and what belongs to them."""
    one, other = direct.splitlines(), through.splitlines()
    changes = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return all(
        kind == "equal" or (kind == "insert" and other[begin].startswith(OURS)) for kind, _, _, begin, _ in changes
    )


REJECTED = re.compile(r"^ERROR:  .* \[[a-z][a-z-]+\]$", re.MULTILINE)


def rejections(direct: str, through: str) -> int:
    """How many statements Interlock rejected."""
    return len(REJECTED.findall(through)) - len(REJECTED.findall(direct))


def diff(direct: str, through: str) -> str:
    lines = difflib.unified_diff(direct.splitlines(), through.splitlines(), "direct", "through", n=1, lineterm="")
    return "\n".join(list(lines)[:80])
