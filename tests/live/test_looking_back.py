"""What is made of a real audit log afterwards: a page for people, and another policy's opinion."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from tests.live.conftest import POLICY, start_guard, through
from tests.proxies import Proxy

SENT = (
    "CREATE INDEX orders_email_idx ON orders (email)",
    "ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total >= 0)",
    "ALTER TABLE orders ALTER COLUMN total TYPE numeric(12,2)",
    "ALTER TABLE customers ADD COLUMN vip boolean",
    "CREATE ROLE {role} PASSWORD 'geheim-2026'",
    "/* interlock: allow index-not-concurrent: nobody reads <it> yet */ CREATE INDEX allowed_idx ON orders (id)",
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def log(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> Path:
    """The log of a day: two rewritten, one rejected, two allowed, one allowed by an override."""
    proxy = start_guard(start_proxy, tmp_path)
    role = f"role_{orders.rpartition('/')[2]}"
    with psycopg.connect(through(proxy, orders), autocommit=True, application_name="deploy") as connection:
        for sql in SENT:
            with contextlib.suppress(psycopg.DatabaseError):  # one is to be rejected; the report says which
                connection.execute(sql.format(role=role).encode())
        connection.execute(f"DROP ROLE {role}".encode())
        with connection.transaction():
            connection.execute("CREATE INDEX later_idx ON orders (customer_id)")
    return proxy.audit


class Outside(HTMLParser):
    """What a page asks others for, and whether its tags match."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.asked += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br", "input", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_one_page_with_everything(log: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("audit", "report", log, "--output", page, "--title", "Release <7>")
    assert done.exit_code == 0, done.output
    text = page.read_text()
    reader = Outside()
    reader.feed(text)
    assert not reader.asked
    assert not reader.open
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    for said in (
        "Release &lt;7&gt;",
        "CREATE INDEX CONCURRENTLY orders_email_idx",
        "VALIDATE CONSTRAINT",
        "column-type-rewrite",
        "deploy",
        "nobody reads &lt;it&gt; yet",
        "as they were written",
        "recommended.yaml:",
    ):
        assert said in text, said
    assert "geheim" not in text
    assert run("audit", "report", log, "--until", "2001-01-01").stdout.count("No decision in this time") == 1


def test_the_report_says_that_somebody_has_edited_the_log(log: Path) -> None:
    log.write_bytes(log.read_bytes().replace(b'"action":"reject"', b'"action":"allow"'))
    assert "not as written" in run("audit", "report", log).stdout


def test_a_policy_is_tried_on_the_past(log: Path, tmp_path: Path) -> None:
    policy = tmp_path / "next.yaml"
    (tmp_path / "same.yaml").write_text(POLICY)
    assert run("policy", "replay", tmp_path / "same.yaml", log).stderr.endswith(
        "decided alike about all 8 statements\n"
    )
    policy.write_text(POLICY + "rules: { index-not-concurrent: reject, column-type-rewrite: warn }\n")
    done = run("policy", "replay", policy, log)
    assert done.exit_code == 1
    assert "rewrite -> reject  CREATE INDEX  deploy  [index-not-concurrent]" in done.stdout
    assert "reject -> warn  ALTER TABLE  deploy  [column-type-rewrite]" in done.stdout
    assert "next.yaml:5" in done.stdout
    assert "would have rejected 2 of 8 statements" in done.stderr  # the override holds, the deferred one does not
    document = json.loads(run("policy", "replay", policy, log, "--format", "json").stdout)
    assert (document["statements"], document["unreadable"], len(document["changed"])) == (8, 0, 3)
    policy.write_text(POLICY + "mode: observe\n")
    assert run("policy", "replay", policy, log).exit_code == 0
    assert run("policy", "replay", tmp_path / "none.yaml", log).exit_code == 2
    assert run("policy", "replay", policy, tmp_path / "none").exit_code == 2
