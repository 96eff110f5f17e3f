"""Fixtures for all tests: real servers, a fresh database each, and Interlock running before them.

``postgres``     a server, once for 13 and once for 18 (``--pg 15,16``, ``--all-pg``)
``database``     the URL of a fresh database on it
``proxy``        ``interlock serve`` before it, shared; ``start_proxy`` starts one with a policy or flags of its own
``--full``       runs all of what is marked ``sampled(n)``, of which otherwise one case in n is taken, always the same
``golden``       compares text with a file; ``pytest --accept`` writes the file instead
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from proxy import __version__
from tests import proxies, servers
from tests.binaries import chromium
from tests.proxies import Proxy
from tests.servers import Server

hypothesis.settings.register_profile("house", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("house")
_failed = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("interlock")
    group.addoption("--pg", default="13,18", help="Postgres versions to test against, e.g. 13,18 (the default)")
    group.addoption("--all-pg", action="store_true", help="test against every version from 13 to 18")
    group.addoption("--full", action="store_true", help="run every case of the tests that are sampled otherwise")
    group.addoption("--accept", action="store_true", help="write golden files instead of comparing with them")
    group.addoption("--write-compatibility", action="store_true", help="write the table of docs/compatibility.md")


def pytest_configure() -> None:
    servers.in_memory()


def _versions(config: pytest.Config) -> list[int]:
    if config.getoption("--all-pg"):
        return list(servers.VERSIONS)
    chosen = str(config.getoption("--pg"))
    try:
        versions = [int(version) for version in chosen.split(",")]
    except ValueError:
        raise pytest.UsageError(f"--pg wants versions such as 13,18, not {chosen!r}") from None
    if unknown := set(versions) - set(servers.VERSIONS):
        raise pytest.UsageError(f"--pg: no Postgres {sorted(unknown)[0]}; versions are 13 to 18")
    return versions


def pytest_report_header(config: pytest.Config) -> str:
    return f"interlock {__version__}, Postgres {', '.join(map(str, _versions(config)))} (cache {servers.CACHE})"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "postgres" in metafunc.fixturenames:
        versions = _versions(metafunc.config)
        metafunc.parametrize("postgres", versions, indirect=True, scope="session", ids=[f"pg{v}" for v in versions])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests that are marked ``sampled(n)`` one in n, by a hash of its name, unless some were chosen; the slow ones first."""
    items[:] = [item for item in items if _is_in_version(item)]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)  # else one of them is waited for in the end
    if config.getoption("--full") or config.getoption("-k") or any("::" in argument for argument in config.args):
        return
    left_out = [item for item in items if (mark := item.get_closest_marker("sampled")) and _hash(item) % mark.args[0]]
    if chromium() is None:  # said at the end; make operating insists
        left_out += [item for item in items if "browser" in getattr(item, "fixturenames", ()) and item not in left_out]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if chromium() is None and not config.getoption("--full"):
        words = "NOT RUN: the tests of the status page. They need Chromium: apt-get install chromium, or INTERLOCK_TEST_CHROMIUM"
        terminalreporter.write_line(words, yellow=True)


def _is_in_version(item: pytest.Item) -> bool:
    """Whether the Postgres of the test has what its case is about; a case with ``on(version)`` tells."""
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    version = given.get("postgres")
    return version is None or all(case.on(version) for case in given.values() if hasattr(case, "on"))


def _hash(item: pytest.Item) -> int:
    return zlib.crc32(item.nodeid.encode())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Server:
    """A running server; the same one for all tests of its version."""
    return servers.shared(request.param)


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    """The URL of a new, empty database, dropped after the test."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def _shared_proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[int, str], Proxy]]:
    running: dict[tuple[int, str], Proxy] = {}
    yield running
    for proxy in running.values():
        proxy.stop()


@pytest.fixture
def share_proxy(
    postgres: Server,
    database: str,
    _shared_proxies: dict[tuple[int, str], Proxy],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[str], Proxy]]:
    """``share_proxy(policy)`` is the Interlock of all tests with that policy text (empty: the default policy).

    After the test it must have reported no traceback and left no session.
    """
    used: list[tuple[Proxy, int]] = []

    def share(policy: str) -> Proxy:
        key = (postgres.version, policy)
        running = _shared_proxies.get(key)
        if running is None or running.process.poll() is not None:
            folder = tmp_path_factory.mktemp("proxy")
            if policy:
                (folder / "policy.yaml").write_text(policy)
            running = proxies.start(postgres, folder, policy=str(folder / "policy.yaml") if policy else None)
            _shared_proxies[key] = running
        used.append((running, running.line_count))
        return running

    yield share
    if request.node.stash.get(_failed, False):
        return
    for running, before in used:
        assert running.process.poll() is None, (
            f"interlock serve ended during the test\n{running.stderr_text(since=before)}"
        )
        _check_clean(running, database, since=before)


@pytest.fixture
def proxy(share_proxy: Callable[[str], Proxy]) -> Proxy:
    """Interlock under its default policy."""
    return share_proxy("")


@pytest.fixture
def start_proxy(
    postgres: Server, database: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Proxy]]:
    """``start_proxy("--flag", …, policy=…, env=…)`` starts an Interlock of the test's own, stopped and checked after it."""
    running: list[Proxy] = []

    def start(*arguments: str, policy: str | Path | None = None, env: dict[str, str] | None = None) -> Proxy:
        chosen = None if policy is None else str(policy)
        one = proxies.start(postgres, tmp_path_factory.mktemp("proxy"), *arguments, policy=chosen, env=env)
        running.append(one)
        return one

    yield start
    well = not request.node.stash.get(_failed, False)
    try:
        for one in running:
            if well and one.process.poll() is None:
                _check_clean(one, database)  # before the end of the process ends its connections
    finally:
        for one in running:
            if one.process.poll() is None:
                one.stop()
    for one in running:
        assert not well or "Traceback" not in one.stderr_text(), one.stderr_text()


def _check_clean(proxy: Proxy, database: str, *, since: int = 0) -> None:
    """Fail if the proxy printed a traceback or if sessions are left in the test's database after five seconds."""
    deadline = time.monotonic() + 5
    while (left := proxy.upstream.sessions(database)) and time.monotonic() < deadline:
        time.sleep(0.02)  # a server session ends a moment after its socket
    assert not left, "sessions left on the server: " + "; ".join(left)
    printed = proxy.stderr_text(since=since)
    assert "Traceback" not in printed, printed


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """``golden(path, text)`` asserts that the file holds the text; with ``--accept`` it writes the file."""
    accept = bool(request.config.getoption("--accept"))

    def compare(path: Path, text: str) -> None:
        if accept:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} does not exist: run pytest --accept"
        assert text == path.read_text(), f"{path} differs: if the new text is right, run pytest --accept"

    return compare
