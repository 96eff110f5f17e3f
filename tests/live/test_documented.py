"""Every command of README, docs and examples, typed by a reader of its page; what is not is named, with what runs it instead."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests import servers
from tests.documented import PAGES, ROOT, Command, blocks, commands, name
from tests.live.reader import Reader, copied, lacks
from tests.live.test_jobs_command import left
from tests.servers import Server

TOOLS = ROOT / "docs/tools"
BUILT = "tests/test_package.py"
TRUTH = "tests/truth/__main__.py"
PIPES = "tests/live/test_check_pipes.py"
DEMO = "tests/live/test_operating.py"
ELSEWHERE = {  # what a reader cannot do here, and what does it instead
    "git clone … && cd interlock": "Makefile",
    "make test": "Makefile",  # this is it
    "make lint": ".ci/run",
    "make demo": DEMO,
    "interlock demo": DEMO,
    "make wheel && pip install dist/interlock-*.whl": BUILT,
    "pip install 'interlock[embedded]'": BUILT,
    "make truth": TRUTH,
    'make truth ARGS="--pg 16 --group types"': TRUTH,
    'make truth ARGS="--squawk $(which squawk)"': TRUTH,
    "alembic upgrade head --sql | interlock check -": PIPES,
    "alembic upgrade head --sql | interlock check - --pg-version 17": PIPES,
    "alembic upgrade 0041:head --sql | interlock check - --pg-version 17": PIPES,
    "python manage.py sqlmigrate shop 0002 | interlock check -": PIPES,
}
PAGE_OF_A_TOOL = {
    page: f"tests/tools/kit/{page.stem.replace('-', '_')}.py" for page in TOOLS.glob("*.md") if page.stem != "index"
}
READ = [
    page
    for page in PAGES
    if any(c.text not in ELSEWHERE for c in commands(page)) and (page.parent != TOOLS or page.stem == "psql")
]

ROWS = """
CREATE TABLE orders (id bigint PRIMARY KEY, email text, note text);
INSERT INTO orders SELECT i, i || '@example.com', repeat('x', 60) FROM generate_series(1, 120000) i;
CREATE TABLE users (id bigint PRIMARY KEY, email text);
INSERT INTO users SELECT i, i || '@example.com' FROM generate_series(1, 3000) i;
CREATE TABLE posts (id bigint PRIMARY KEY, title text);
INSERT INTO posts SELECT i, 'title ' || i FROM generate_series(1, 3000) i;
ANALYZE;
"""
EVERYBODY = ("migrator", "app", "deploy", "monitoring", "me SUPERUSER", "dba SUPERUSER", "superuser SUPERUSER")
NOTHING_IS_SMALL = "version: 1\nextends: recommended\nsmall_tables: { under: 0kB }\n"
SQL = "CREATE TABLE a (id bigint PRIMARY KEY, b int);\nCREATE INDEX a_b_idx ON a (b);\n"


@pytest.fixture(scope="module")
def server() -> Server:
    """With the logins that the pages speak of."""
    found = servers.shared(18)
    with found.connect() as session:
        there = {name for (name,) in session.execute("SELECT rolname FROM pg_roles").fetchall()}
        for role in EVERYBODY:  # they are still there if other tests have come in between
            if role.split()[0] not in there:
                session.execute(f"CREATE ROLE {role} LOGIN")
    return found


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[str]:
    template = server.create_database()
    with server.connect(template) as session:
        session.execute(ROWS)
    yield template
    server.drop_database(template)


@pytest.fixture
def reader(server: Server, filled: str, tmp_path: Path) -> Iterator[Reader]:
    shop = f"{filled}_copy"
    with server.connect() as session:
        session.execute(f"CREATE DATABASE {shop} TEMPLATE {filled}")
        session.execute(f"GRANT ALL ON DATABASE {shop} TO PUBLIC")
    one = Reader(tmp_path, server, shop)
    one.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC", "GRANT ALL ON SCHEMA public TO PUBLIC")
    yield one
    one.leave()
    server.drop_database(shop)


# ---------------------------------------------------------------- what a reader of a page has


def serving(reader: Reader, more: str = "") -> None:
    """Interlock runs already, and no table is small to it."""
    policy = reader.has("my-policy.yaml", NOTHING_IS_SMALL + more)
    reader.serves(f"interlock serve --policy {policy}")


def a_project(reader: Reader) -> None:
    """A repository with migrations, two of which ``origin/main`` has not."""
    for folder in ("migrations", "db/migrations", "prisma/migrations/20260101000000_init"):
        reader.has(
            f"{folder}/{'migration' if 'prisma' in folder else '0001'}.sql", "CREATE TABLE z (id bigint PRIMARY KEY);\n"
        )
    copied(ROOT / "tests/unit/cli/folders/goose", reader.folder / "goose")
    copied(ROOT / "examples", reader.folder / "examples")
    git = "git -c user.name=me -c user.email=me@example.com"
    script = (
        f"git init -q && git add migrations db && {git} commit -qm x && git update-ref refs/remotes/origin/main HEAD"
    )
    subprocess.run(["sh", "-c", script], cwd=reader.folder, check=True, env=reader.environment)
    reader.has("migrations/0042.sql", SQL)
    reader.has("db/migrations/0042.sql", SQL)
    for program in ("some-tool", "liquibase", "npx"):  # whatever they print
        reader.has_program(program, "echo 'CREATE INDEX orders_email_idx ON orders (email);'")


def a_log(reader: Reader) -> None:
    reader.has("next.yaml", "version: 1\nextends: observe\n")


def a_job(reader: Reader) -> None:
    """That a migration of the reader's has left."""
    if reader.sql("SELECT to_regclass('interlock.jobs')") == [(None,)]:
        left(reader.url("dba"), "CREATE UNIQUE INDEX orders_email_key ON orders (email)")
    else:
        reader.sql("DROP INDEX IF EXISTS orders_email_key", "UPDATE interlock.jobs SET state = 'waiting' RETURNING id")
    reader.environment["INTERLOCK_UPSTREAM"] = reader.url("dba")


def a_tool(reader: Reader) -> None:
    serving(reader)
    a_job(reader)
    reader.has_program("your-tool", 'exec psql -q "$INTERLOCK" -c "CREATE INDEX orders_note_idx ON orders (note)"')


def certificates(reader: Reader) -> None:
    for suffix in ("crt", "key"):
        shutil.copy(ROOT / f"tests/certificates/server.{suffix}", reader.folder / f"interlock.{suffix}")
    reader.has("users.txt", '"deploy" "a password in the open"\n').chmod(0o600)
    reader.has_program("aws", "echo a-token")


def a_monitor(reader: Reader) -> None:
    [block] = blocks(ROOT / "docs/progress.md", "sql")
    reader.sql("DROP ROLE IF EXISTS interlock_monitor", *[part for part in block.text.split(";") if part.strip()])


def psqls_files(reader: Reader) -> None:
    serving(reader, "rules: { index-not-concurrent: { action: rewrite, in_transaction: reject } }\n")
    reader.environment |= {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(reader.port),
        "PGUSER": "postgres",
        "PGDATABASE": reader.shop,
    }
    reader.has("migration.sql", "ALTER TABLE users ADD COLUMN age int;\n")
    reader.has("05_not_null.sql", "ALTER TABLE users ALTER COLUMN email SET NOT NULL;\n")
    slug = "ALTER TABLE posts ADD COLUMN slug text;\nCREATE INDEX posts_slug_idx ON posts (slug);\n"
    reader.has("14_slug.sql", f"{slug}INSERT INTO posts VALUES (0);\n")


def examples(reader: Reader) -> None:
    copied(ROOT / "examples", reader.folder)
    serving(reader)
    reader.sql("DROP TABLE orders, users, posts")


def django(reader: Reader) -> None:
    """The project of README, whose tables hold rows."""
    copied(ROOT / "tests/tools/django", reader.folder)
    serving(reader)
    reader.sql("DROP TABLE orders, users, posts")
    first = Command('DATABASE_URL="$INTERLOCK" python manage.py migrate shop 0001')
    assert reader.types(first)[0] == 0
    reader.sql((ROOT / "tests/tools/rows.sql").read_text())


HAS: dict[str, Callable[[Reader], object]] = {
    "README.md": django,
    "docs/audit.md": a_log,
    "docs/check.md": a_project,
    "docs/console.md": a_job,
    "docs/index.md": a_project,
    "docs/jobs.md": a_tool,
    "docs/logins.md": certificates,
    "docs/progress.md": a_monitor,
    "docs/tools/psql.md": psqls_files,
    "docs/transactions.md": serving,
    "docs/when-it-stops.md": a_job,
    "examples/README.md": examples,
}

# ---------------------------------------------------------------- what happens between two lines


def migrates(reader: Reader) -> None:
    """A tool builds indexes through Interlock."""
    url = f"{reader.environment['INTERLOCK']}?application_name=alembic".replace("postgres@", "app@")
    reader.sql("ALTER TABLE orders OWNER TO app")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE INDEX orders_note_idx ON orders (note)")
        connection.execute("CREATE INDEX orders_email_idx ON orders (email)")


def one_line(reader: Reader) -> None:
    reader.stdin = (reader.folder / "audit.jsonl").read_text().splitlines(keepends=True)[-1]


def as_make_serve_says(reader: Reader) -> None:
    """The SQL that is printed there, into ``make psql``."""
    assert reader.proxy is not None
    lines = [line for line in reader.proxy.stderr_text().splitlines() if line.startswith("    ")]
    assert len(lines) == 3
    reader.stdin = "\n".join(lines).replace("1000000", "200000")


BEFORE: dict[str, Callable[[Reader], object]] = {
    "interlock audit tail /var/log/interlock/audit.jsonl": migrates,
    "sed 's/,\"hash\":\"[0-9a-f]*\"}$//' | tr -d '\\n' | sha256sum": one_line,
    "interlock jobs retry 12": a_job,
    "interlock jobs cancel 12": a_job,
    "make psql": as_make_serve_says,
}
FAILS = {"psql -v ON_ERROR_STOP=1 -1 -f 14_slug.sql": 3}  # as the page says


@pytest.mark.slow
@pytest.mark.timeout(600)  # a page is up to a dozen programs, one after the other
@pytest.mark.sampled(4)  # make operating runs them all
@pytest.mark.parametrize("page", READ, ids=name)
def test_a_reader_types_it(page: Path, reader: Reader) -> None:
    HAS.get(name(page), lambda reader: None)(reader)
    printed = ""
    for command in commands(page):
        if command.text in ELSEWHERE:
            continue
        reader.stdin = ""
        BEFORE.get(command.text, lambda reader: None)(reader)
        code, printed = reader.types(command)
        assert code == FAILS.get(command.text, 0), f"{command.text}\n{printed}"
        assert not (line := lacks(command.shown, printed.replace(reader.shop, "shop"))), (
            f"{command.text}\ndoes not print: {line}\n{printed}"
        )
        AFTER.get(command.text, lambda reader, printed: None)(reader, printed)


# ---------------------------------------------------------------- what came of it


def notices_of_the_log(reader: Reader, printed: str) -> None:
    """README shows what the log says behind Django's lines."""
    assert reader.proxy is not None
    log = re.sub(r"^\S+ \S+ INFO \S+ \S+ ", "", reader.proxy.stderr_text(), flags=re.MULTILINE)
    [block] = [block for block in blocks(ROOT / "README.md") if block.text.startswith("1/2 ")]
    assert not (line := lacks(tuple(block.text.splitlines()), log)), f"{line}\n{log}"


def its_own_hash(reader: Reader, printed: str) -> None:
    assert f'"hash":"{printed.split()[0]}"' in reader.stdin
    assert printed.split()[0] == hashlib.sha256(reader.stdin.rpartition(',"hash":')[0].encode()).hexdigest()


def built_without_blocking(reader: Reader, printed: str) -> None:
    assert "CREATE INDEX CONCURRENTLY orders_email_idx" in printed
    assert "nothing was blocked" in printed


AFTER: dict[str, Callable[[Reader, str], object]] = {
    "DATABASE_URL=$INTERLOCK python manage.py migrate": notices_of_the_log,
    "sed 's/,\"hash\":\"[0-9a-f]*\"}$//' | tr -d '\\n' | sha256sum": its_own_hash,
    "make psql": built_without_blocking,
}

# ---------------------------------------------------------------- and nothing is left out


def test_what_is_not_typed_is_run_elsewhere() -> None:
    shown = {command.text for page in PAGES for command in commands(page)}
    assert not ELSEWHERE.keys() - shown, "no page shows these any more"
    for command, where in ELSEWHERE.items():
        assert (ROOT / where).exists(), where
        if where == PIPES:
            assert command.removesuffix(" --pg-version 17") in (ROOT / where).read_text(), (
                f"{where} does not run {command}"
            )
    assert not (HAS.keys() - {name(page) for page in READ})
    assert not ((BEFORE | AFTER).keys() | FAILS.keys()) - shown
    for page, kit in PAGE_OF_A_TOOL.items():
        assert (ROOT / kit).exists(), f"no tool of make conformance is that of {name(page)}"


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "sql") and p != ROOT / "docs/progress.md"], ids=name)
def test_sql_is_taken_as_it_stands(page: Path, reader: Reader) -> None:
    """Through Interlock, up to where the page leaves something out; what is done is taken back."""
    serving(reader)
    for block in blocks(page, "sql"):
        text = "\n".join(line for line in block.text.splitlines() if "…" not in line.partition("--")[0])
        reader.sql("ALTER TABLE posts ADD COLUMN IF NOT EXISTS slug text")
        with psycopg.connect(reader.environment["INTERLOCK"]) as connection:
            connection.execute(text)
            connection.rollback()
