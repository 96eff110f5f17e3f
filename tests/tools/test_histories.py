"""Whole histories of real applications, directly and through Interlock: what it rewrites, puts off and rejects, and the same end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import POLICY, start_guard
from tests.live.raw import eventually
from tests.proxies import Proxy
from tests.servers import Server
from tests.tools import witness
from tests.tools.application import Application
from tests.tools.ledger import Refusal, history
from tests.tools.seed import seed
from tests.tools.ways import Ran, Way, direct, through

ROWS = 20
MOST_REFUSALS = 60
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*")
ON_CONFLICT = "there is no unique or exclusion constraint matching the ON CONFLICT specification"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rows", ["empty", "populated"])
def test_history(
    application: Application,
    rows: str,
    postgres: Server,
    database: str,
    start_proxy: Callable[..., Proxy],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    if why := application.absent():
        pytest.skip(why)
    proxy = start_guard(start_proxy, tmp_path)
    with direct(postgres) as straight:
        populated: list[str] = []
        if rows == "populated":
            ran = application.migrate(tmp_path, straight, application.early)
            assert ran.status == 0, ran.output
            populated = seed(postgres, straight.database, ROWS, application.seeds, application.unseeded)
            guarded = straight.fork(proxy)
        else:
            guarded = through(proxy, postgres, database)
        indexes, never_null = _indexes(straight, populated), _never_null(straight, populated)
        since = datetime.now(UTC).isoformat()
        before = postgres.log_bytes
        ran = application.migrate(tmp_path, straight, "")
        assert ran.status == 0, ran.output
        told = postgres.statements(straight.database, since=before)

        refusals = _migrated(application, guarded, proxy, tmp_path)

        assert guarded.schema == straight.schema
        assert _rows(application, guarded, since) == _rows(application, straight, since)
        assert guarded.leftovers() == straight.leftovers()
        blocking = [*witness.heavy(told, populated, indexes, never_null), *witness.rewrites(told, populated)]
        through_interlock = postgres.statements(guarded.database, since=before)
        excepted = {refusal.statement for refusal in refusals}
        held_up = witness.heavy(through_interlock, populated, indexes, never_null)
        assert [s for s in held_up if not _is_of(s, excepted)] == []
        if rows == "populated":
            assert blocking, "the direct run held nobody up: this compares nothing"
            postgres.drop_database(guarded.database)
    found = history(application, postgres.version, rows, blocking, guarded, refusals)
    record_property("history", json.dumps(asdict(found)))


def _is_of(statement: str, texts: set[str]) -> bool:
    return any(statement.strip() in text or text.strip().rstrip(";") in statement for text in texts)


def _migrated(application: Application, way: Way, proxy: Proxy, folder: Path) -> list[Refusal]:
    """What was refused on the way to the end; an operator reads each message, and makes an exception of that rule for that table."""
    refusals: list[Refusal] = []
    while (ran := application.migrate(folder, way, "")).status != 0:
        assert len(refusals) < MOST_REFUSALS, ran.output
        refusal = _refusal(way, ran)
        assert (refusal.rule, refusal.table) not in [(r.rule, r.table) for r in refusals], (refusal, ran.output)
        refusals.append(refusal)
        _make_exceptions(proxy, folder, refusals)
        if by_hand := application.mends.get(refusal.table):
            way.sql(by_hand)
    return refusals


def _make_exceptions(proxy: Proxy, folder: Path, refusals: list[Refusal]) -> None:
    known = proxy.line_count
    (folder / "policy.yaml").write_text(POLICY + "exceptions:\n" + "".join(map(_exception, refusals)))
    proxy.reload()
    eventually("the policy is in force", lambda: "policy reloaded" in proxy.stderr_text(since=known))


def _refusal(way: Way, ran: Ran) -> Refusal:
    """What the tool's output says was refused: a statement by its rule, or one that cannot run while another waits for COMMIT."""
    deferred = [one for one in reversed(way.records) if one["action"] == "defer" and one["findings"]]  # not the jobs
    if "[jobs]" in ran.output:
        last = next(record for record in deferred if _plain(record["statement"]) in _plain(ran.output))
        return _of(last, "[jobs]", ran)
    if ON_CONFLICT in ran.output:  # docs/when-it-stops.md says what that means
        last = next(record for record in deferred if "unique" in record["statement"].lower())
        return _of(last, ON_CONFLICT, ran)
    rejected = [record for record in way.records if record["outcome"] == "rejected"]
    assert rejected, ran.output
    rule = next(found["rule"] for found in rejected[-1]["findings"] if found["action"] == "reject")
    return _of(rejected[-1], f"[{rule}]", ran)


def _of(record: dict[str, Any], says: str, ran: Ran) -> Refusal:
    rule = next(found["rule"] for found in record["findings"] if found["action"] == record["action"])
    shown = [line.strip() for line in ran.output.splitlines() if says in line]
    assert shown, ran.output
    return Refusal(rule, _table(record), record["statement"], shown[0])


def _plain(text: str) -> str:
    """Without differences in blanks: a message shows a statement in one line."""
    return " ".join(text.split()).rstrip("; ")


def _table(record: dict[str, Any]) -> str:
    return str(record["relations"][0]) if record["relations"] else "*"


def _exception(refusal: Refusal) -> str:
    match = json.dumps({"table": refusal.table})
    return f"  - {{ match: {match}, rules: [{refusal.rule}], action: warn, reason: the table is not in use }}\n"


def _indexes(way: Way, tables: list[str]) -> set[str]:
    with way.server.connect(way.database) as session:
        query = "SELECT indexname FROM pg_indexes WHERE tablename = ANY (%s)"
        return {name for (name,) in session.execute(query, (tables,))}


def _never_null(way: Way, tables: list[str]) -> set[tuple[str, str]]:
    with way.server.connect(way.database) as session:
        query = "SELECT attrelid::regclass::text, attname FROM pg_attribute WHERE attnotnull AND attrelid = ANY (%s::regclass[])"
        return set(session.execute(query, (tables,)))


def _rows(application: Application, way: Way, since: str) -> dict[str, list[str]]:
    """The rows of every table, without the times at which the migrations ran."""

    def masked(row: str) -> str:
        return TIME.sub(lambda found: "now" if found[0] >= since else found[0], row)

    found = way.rows_without(application.differs)
    return {table: sorted(map(masked, rows)) for table, rows in found.items() if table not in application.of_runs}
