"""The loads: each does one thing through Interlock again and again until it is told to stop, and checks what comes back.

What differs from what was sent, or from a twin that was done directly, goes to ``wrong``; how much was done to ``done``.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from proxy.wire import messages as m
from tests.binaries import run_client

SETUP = """
CREATE TABLE ledger (id bigint PRIMARY KEY, body text, digest text);
CREATE TABLE copied_through (id int, body text); CREATE TABLE copied_direct (id int, body text);
CREATE SCHEMA through; CREATE SCHEMA direct;
CREATE ROLE migrator LOGIN SUPERUSER; -- what waits for COMMIT waits for the transactions of the same user
"""
ALPHABET = "abc'\"\\$;-/*\n\tüß€漢字🐘\x01"
MIGRATION = (
    "CREATE TABLE {}.orders (id bigint PRIMARY KEY, email text, total numeric)",
    "INSERT INTO {}.orders SELECT g, 'e' || g, g FROM generate_series(1, 500) g",
    "CREATE INDEX orders_email_idx ON {}.orders (email)",
    "ALTER TABLE {}.orders ADD COLUMN note text DEFAULT 'none' NOT NULL",
    "ALTER TABLE {}.orders ALTER COLUMN email SET NOT NULL",
    "BEGIN; ALTER TABLE {}.orders ADD CONSTRAINT total_positive CHECK (total > 0); CREATE INDEX orders_total_idx ON {}.orders (total); COMMIT",
    "DROP INDEX {}.orders_email_idx",
    "ALTER TABLE {}.orders RENAME COLUMN note TO remark",
)
SHAPE = """
SELECT string_agg(line, E'\n' ORDER BY line) FROM (
  SELECT format('%%s %%s %%s', attname, format_type(atttypid, atttypmod), attnotnull) FROM pg_attribute
   WHERE attrelid = %(t)s::regclass AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT replace(pg_get_indexdef(indexrelid), %(s)s || '.', '') || indisvalid FROM pg_index WHERE indrelid = %(t)s::regclass
  UNION ALL SELECT conname || convalidated FROM pg_constraint WHERE conrelid = %(t)s::regclass) AS _(line)
"""


@dataclass
class Soak:
    """What the loads share.  ``through`` and ``direct`` are URLs of one database."""

    through: str
    direct: str
    stop: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def text(rng: random.Random) -> str:
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 2000)))


def ledger(soak: Soak, number: int) -> None:
    """Rows whose insertion was acknowledged are there once, and as they were sent."""
    rng = random.Random(number)
    with psycopg.connect(soak.through, autocommit=True, prepare_threshold=rng.choice([None, 0, 5])) as session:
        n = 0
        while not soak.stop.wait(0.01):
            n += 1
            body = text(rng).replace("\0", "")
            row = (number * 10**9 + n, body, hashlib.sha256(body.encode()).hexdigest())
            session.execute("INSERT INTO ledger VALUES (%s, %s, %s)", row)
            if session.execute("SELECT body FROM ledger WHERE id = %s", row[:1]).fetchone() != (body,):
                soak.wrong.append(f"row {row[0]} came back altered")
            soak.done["rows written and read back"] += 1
    with psycopg.connect(soak.direct, autocommit=True) as direct:
        low = number * 10**9
        found = direct.execute(
            "SELECT count(*), bool_and(digest = encode(sha256(convert_to(body, 'UTF8')), 'hex')) FROM ledger WHERE id BETWEEN %s AND %s",
            (low, low + 10**9 - 1),
        ).fetchone()
        if found not in ((n, True), (0, None)):
            soak.wrong.append(f"ledger {number}: {n} rows were acknowledged, {found} are there")


def pgbench(mode: str) -> Callable[[Soak], None]:
    def run(soak: Soak) -> None:
        while not soak.stop.is_set():
            run_client("pgbench", "-n", "-M", mode, "-c", "4", "-R", "40", "-T", "15", url=soak.through)
            soak.done["pgbench transactions, about"] += 40 * 15
            soak.stop.wait(1)

    return run


def copy(soak: Soak) -> None:
    """The same bytes through and directly, both ways."""
    rng = random.Random(1)
    while not soak.stop.wait(1):
        rows = [(n, text(rng).replace("\0", "")) for n in range(rng.randint(1, 400))]
        sums = []
        for url, table in ((soak.through, "copied_through"), (soak.direct, "copied_direct")):
            with psycopg.connect(url, autocommit=True) as session:
                session.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
                with session.cursor().copy(f"COPY {table} FROM STDIN (FORMAT binary)") as into:
                    into.set_types(["int4", "text"])
                    for row in rows:
                        into.write_row(row)
                digest = hashlib.sha256()
                with session.cursor().copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT") as out:
                    for block in out:
                        digest.update(block)
                        soak.done["bytes copied"] += len(block)
                sums.append(digest.hexdigest())
        if sums[0] != sums[1]:
            soak.wrong.append("COPY through and directly differ")
        soak.done["copies compared"] += 1


def migrations(soak: Soak) -> None:
    """The same migration in two schemas, one through Interlock, one directly: the same shape at the end of each."""
    url = soak.through.replace("postgres@", "migrator@")
    said: list[str] = []
    with (
        psycopg.connect(url, autocommit=True) as through,
        psycopg.connect(soak.direct, autocommit=True) as direct,
    ):
        through.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        while not soak.stop.wait(1):
            shapes = []
            said.clear()
            for session, schema in ((through, "through"), (direct, "direct")):
                for statement in MIGRATION:
                    session.execute(statement.replace("{}", schema))  # type: ignore[arg-type]
                shapes.append(direct.execute(SHAPE, {"t": f"{schema}.orders", "s": schema}).fetchone())
                session.execute(sql.SQL("DROP TABLE {}.orders").format(sql.Identifier(schema)))
            if shapes[0] != shapes[1]:
                soak.wrong.append(f"migrated otherwise: {shapes}, after {said}")
            soak.done["migrations compared"] += 1


def cancels(soak: Soak) -> None:
    with psycopg.connect(soak.through, autocommit=True) as session:
        while not soak.stop.wait(0.5):
            over = threading.Event()
            canceller = threading.Thread(target=_cancel_until, args=(session, over))
            canceller.start()
            try:
                session.execute("SELECT pg_sleep(60)")
                soak.wrong.append("a cancelled statement went on")
            except psycopg.errors.QueryCanceled:
                soak.done["statements cancelled"] += 1
            over.set()
            canceller.join()


def _cancel_until(session: psycopg.Connection, over: threading.Event) -> None:
    """Again and again: one that comes before its statement cancels nothing, directly as well."""
    while not over.wait(0.2):
        session.cancel_safe()


def listening(soak: Soak) -> None:
    with psycopg.connect(soak.through, autocommit=True) as ear, psycopg.connect(soak.through, autocommit=True) as mouth:
        ear.execute("LISTEN soak")
        n = 0
        while not soak.stop.wait(0.5):
            wanted = [str(n + k) for k in range(20)]
            n += 20
            for payload in wanted:
                mouth.execute("SELECT pg_notify('soak', %s)", (payload,))
            heard = [notify.payload for notify in ear.notifies(timeout=30, stop_after=20)]
            if heard != wanted:
                soak.wrong.append(f"notifications {wanted} were heard as {heard}")
            soak.done["notifications"] += 20


def disconnects(soak: Soak) -> None:
    """Clients that go in the midst of something, with and without a word."""
    at = urlsplit(soak.through)
    rng = random.Random(2)
    startup = m.startup({"user": "postgres", "database": at.path[1:]})
    ways = (
        b"", startup[:9], startup, m.query(b"SELECT pg_sleep(1)"), m.query(b"BEGIN") + m.query(b"CREATE TABLE left_behind (a int)"),
        m.query(b"COPY copied_through FROM STDIN"), m.query(b"SELECT repeat('x', 1000000) FROM generate_series(1, 20)"),
        struct.pack(">cI", b"Q", 1 << 20) + b"half of a quer",
        m.query(b"CREATE INDEX ON pgbench_accounts (filler)"),
    )  # fmt: skip
    while not soak.stop.wait(0.1):
        what = rng.choice(ways)
        with contextlib.suppress(OSError), socket.create_connection((at.hostname or "", at.port or 0), 10) as client:
            if what and not startup.startswith(what):
                client.sendall(startup)
                client.settimeout(10)
                client.recv(4096)
            client.sendall(what)
            if rng.random() < 0.5:  # a reset, not an end
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        soak.done["clients that vanished"] += 1


LOADS: dict[str, Callable[[Soak], None]] = {
    "ledger 1": lambda soak: ledger(soak, 1),
    "ledger 2": lambda soak: ledger(soak, 2),
    "ledger 3": lambda soak: ledger(soak, 3),
    "pgbench simple": pgbench("simple"),
    "pgbench extended": pgbench("extended"),
    "pgbench prepared": pgbench("prepared"),
    "copy": copy,
    "migrations": migrations,
    "cancels": cancels,
    "listening": listening,
    "disconnects": disconnects,
}
