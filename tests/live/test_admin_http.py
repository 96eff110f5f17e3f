"""What is beside the proxy on ``--admin``: health, metrics, and who may see and do what."""

from __future__ import annotations

import re
import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from proxy.admin import metrics, rows
from proxy.admin.table import table
from proxy.cli import main
from proxy.rules.base import rules
from proxy.session.tally import Tally
from tests import proxies
from tests.live.conftest import start_guard, through
from tests.live.secured import CA, CERTIFICATES, private
from tests.live.test_bad_input import UPSTREAM, serve
from tests.live.test_jobs_command import UNIQUE, left
from tests.live.test_patience import Background, until
from tests.live.test_progress import holding
from tests.proxies import Proxy
from tests.servers import Server

pytestmark = pytest.mark.sampled(2)  # make operating runs them all

ROOT = Path(__file__).parents[2]
ADMIN, STATS = "an-admin-token-of-a-test", "a-stats-token-of-a-test"
WHERE = re.compile(r"status and metrics on (https?://\S+)")
# What dashboards of others count on.
METRICS = {
    "interlock_clients": {"state"}, "interlock_statements_total": {"action", "rule"}, "interlock_decide_seconds_bucket": {"le"},
    "interlock_jobs": {"state"}, "interlock_step_seconds_bucket": {"lock", "le"}, "interlock_progress_ratio": {"job"},
    "interlock_lock_timeouts_total": set(), "interlock_blocked_seconds_total": set(), "interlock_policy_info": {"sha", "mode"},
    "interlock_setting": {"name"}, "interlock_exceptions_expired": set(), "interlock_upstream_up": set(),
}  # fmt: skip
Samples = dict[str, list[tuple[dict[str, str], float]]]


def site(proxy: Proxy) -> str:
    found = WHERE.search(proxy.stderr_text())
    assert found is not None, proxy.stderr_text()
    return found[1]


def tokens(folder: Path) -> list[str]:
    (folder / "admin").write_text(ADMIN + "\n")
    (folder / "stats").write_text(STATS + "\n")
    return ["--admin-token-file", str(folder / "admin"), "--stats-token-file", str(folder / "stats")]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def samples(text: str) -> Samples:
    """Metrics by name, as Prometheus reads them."""
    found: Samples = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            [(name, labels, value)] = re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", line)
            found.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)))
    return found


@pytest.fixture
def proxied(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path, postgres: Server) -> Proxy:
    flags = ("--admin", "127.0.0.1:0", *tokens(tmp_path), "--jobs", orders, "--monitor", postgres.url())
    return start_guard(start_proxy, tmp_path, "", *flags)


@pytest.fixture
def http(proxied: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site(proxied), timeout=20, headers=bearer(STATS)) as client:
        yield client


def test_every_metric_is_there(proxied: Proxy, orders: str, http: httpx.Client) -> None:
    with holding(orders) as writer:
        build = Background(through(proxied, orders), "CREATE INDEX slow_idx ON orders (email)")
        until(lambda: 'interlock_jobs{state="running"} 1' in http.get("/metrics").text, "the build should be seen")
        writer.rollback()
    build.join()
    found = samples(http.get("/metrics").text)
    known = {"interlock_progress_ratio": [({"job": "0"}, 0.0)]} | found  # only while a share is known: see below
    for name, labels in METRICS.items():
        assert name in known, f"{name} is missing"
        assert {*known[name][0][0]} == labels, name
    assert ({"action": "rewrite", "rule": "index-not-concurrent"}, 1.0) in found["interlock_statements_total"]
    assert ({"name": "locks.timeout_seconds"}, 0.05) in found["interlock_setting"]
    assert found["interlock_decide_seconds_count"][0][1] >= 1
    documented = (ROOT / "docs/metrics.md").read_text()
    assert not [name for name in found if f"`{re.sub('_(bucket|count|sum)$', '', name)}" not in documented]


def test_how_far_a_job_is() -> None:
    row = dict.fromkeys(column.name for column in rows.JOBS) | {"state": "running", "job": 12, "progress": 0.25}
    jobs = table("jobs", rows.JOBS, [tuple(row.values())])
    scrape = metrics.Scrape(SimpleNamespace(paused=False), Tally(), table("clients", rows.CLIENTS, []), jobs, True)  # type: ignore[arg-type]
    [sample] = [one for metric in scrape._jobs() for one in metric.samples if one.name == "interlock_progress_ratio"]
    assert (sample.labels, sample.value) == ({"job": "12"}, 0.25)


def test_what_the_dashboard_and_the_alerts_ask_for_exists(http: httpx.Client) -> None:
    named = {re.sub("_(bucket|count|sum)$", "", name) for name in {**METRICS, **samples(http.get("/metrics").text)}}
    for file in ("grafana.json", "alerts.yaml"):
        asked = set(re.findall(r"\binterlock_\w+", (ROOT / "examples/prometheus" / file).read_text()))
        assert asked
        assert not {re.sub("_(bucket|count|sum)$", "", name) for name in asked} - named


def test_health(proxied: Proxy, http: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        assert httpx.get(site(proxied) + path).text == "ok\n"


def test_readiness_is_the_upstreams(tmp_path: Path) -> None:
    upstream = Server.__new__(Server)
    upstream.url = lambda *_: "postgresql://postgres@127.0.0.1:1/postgres"  # type: ignore[method-assign]
    running = proxies.start(upstream, tmp_path, "--admin", "127.0.0.1:0")
    try:
        assert httpx.get(f"{site(running)}/healthz").status_code == 200
        answer = httpx.get(f"{site(running)}/readyz")
        assert answer.status_code == 503
        assert "127.0.0.1:1" in answer.text
        assert "interlock_upstream_up 0.0" in httpx.get(f"{site(running)}/metrics").text
    finally:
        running.stop()


def test_who_may_look(proxied: Proxy) -> None:
    url = site(proxied)
    for path in ("/metrics", "/status", "/status.json", "/policy", "/events", "/job/1"):
        assert httpx.get(url + path).status_code == 401, path
        assert httpx.get(url + path, headers=bearer("a-token-of-somebody-else")).status_code == 401
        assert httpx.get(url + path, headers={"Accept": "text/html"}).headers["location"] == "/login"
    with httpx.Client(base_url=url) as browser:
        assert browser.post("/login", data={"token": "wrong"}).status_code == 403
        answer = browser.post("/login", data={"token": STATS})
        assert answer.headers["location"] == "/status"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/status").status_code == 200
        browser.cookies.set("interlock_session", browser.cookies["interlock_session"].replace("stats", "admin"))
        assert browser.get("/status").status_code == 401


def test_without_a_token_this_machine_may_look_and_nobody_may_act(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    url = site(start_guard(start_proxy, tmp_path, "", "--admin", "127.0.0.1:0", "--jobs", orders))
    number = left(orders, UNIQUE)
    assert httpx.get(f"{url}/status").status_code == 200
    assert httpx.get(f"{url}/status", headers={"Host": "evil.example"}).status_code == 403
    assert httpx.post(f"{url}/job/{number}/retry").status_code == 403


def test_acting_takes_the_admin_and_a_form_of_ours(orders: str, http: httpx.Client, proxied: Proxy) -> None:
    number = left(orders, UNIQUE)
    assert http.post(f"/job/{number}/retry").status_code == 403  # the token for looking
    with httpx.Client(base_url=site(proxied), timeout=20) as browser:
        browser.post("/login", data={"token": ADMIN})
        assert browser.post(f"/job/{number}/retry").status_code == 403  # from another site, say
        assert browser.post(f"/job/{number}/retry", data={"form_token": "guessed"}).status_code == 403
        page = browser.get(f"/job/{number}").text
        token = re.search(r'name="form_token" value="(\w+)"', page)
        assert token is not None
        assert (
            browser.post(f"/job/{number}/retry", data={"form_token": token[1]}).headers["location"] == f"/job/{number}"
        )
        until(lambda: "done" in browser.get(f"/job/{number}").text, "it should be done")
    other = left(orders, "CREATE INDEX another ON orders (email)")
    assert httpx.post(f"{site(proxied)}/job/{other}/cancel", headers=bearer(ADMIN)).status_code == 303
    until(lambda: "cancelled" in http.get(f"/job/{other}").text, "it should be given up")


def test_https_with_the_clients_certificate_that_is_renewed(
    start_proxy: Callable[..., Proxy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    shutil.copy(CERTIFICATES / "server.crt", cert)
    private(key, CERTIFICATES / "server.key")
    flags = ("--admin", "127.0.0.1:0", "--admin-tls", "--tls-cert", str(cert), "--tls-key", str(key))
    proxy = start_proxy(*flags, *tokens(tmp_path), "--tls-mode", "verify-ca", "--tls-client-ca", str(CA))
    url = site(proxy).replace("127.0.0.1", "localhost")
    assert url.startswith("https://")
    with httpx.Client(
        base_url=url, verify=ssl.create_default_context(cafile=str(CA))
    ) as browser:  # asked for no certificate
        answer = browser.post("/login", data={"token": STATS})
        assert "; secure" in answer.headers["set-cookie"].lower()
        assert browser.get("/status").status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(url.replace("https", "http"))
        monkeypatch.setenv("SSL_CERT_FILE", str(CA))
        told = CliRunner().invoke(main, ["status", "--admin", url, "--token-file", str(tmp_path / "stats")])
        assert told.exit_code == 0, told.output
        shutil.copy(CERTIFICATES / "elsewhere.crt", cert)
        proxy.reload()
        until(lambda: "certificate not reloaded" in proxy.stderr_text(), "the pair does not fit")
        assert httpx.get(f"{url}/healthz", verify=ssl.create_default_context(cafile=str(CA))).text == "ok\n"
        shutil.copy(CERTIFICATES / "elsewhere.key", key)
        proxy.reload()
        until(lambda: "certificate reloaded" in proxy.stderr_text(), "the new pair should be taken")
        assert browser.get("/status").status_code == 200  # a connection that is there lives on
        with pytest.raises(httpx.ConnectError, match="not valid for 'localhost'"):
            httpx.get(f"{url}/healthz", verify=ssl.create_default_context(cafile=str(CA)))
    assert "--admin-tls needs --admin and --tls-cert" in serve(*UPSTREAM, "--admin-tls").stderr


def test_rules_are_laid_out(http: httpx.Client) -> None:
    for name in rules():
        page = http.get(f"/rule/{name}")
        assert f"<h1>{name}</h1>" in page.text
        assert "```" not in page.text
        assert '.md"' not in page.text, "links lead to pages of this site"
    assert http.get("/rule/no-such-rule").status_code == 404


def test_the_console_and_the_page_show_the_same_rows(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(
        start_proxy, tmp_path, "", "--admin", "127.0.0.1:0", "--jobs", orders, "--admin-users", "postgres"
    )
    with psycopg.connect(through(proxy, orders), autocommit=True) as connection:
        connection.execute("CREATE INDEX orders_email_idx ON orders (email)")
        with pytest.raises(psycopg.Error, match=r"\[vacuum-full\]"):
            connection.execute("VACUUM FULL orders")
        left(orders, UNIQUE)
        document = httpx.get(f"{site(proxy)}/status.json").json()
        with psycopg.connect(proxy.url("interlock"), autocommit=True, row_factory=psycopg.rows.dict_row) as console:
            for name in ("clients", "jobs", "waits", "stats", "decisions", "rules", "policy", "config"):
                rows = console.execute(f"SHOW {name}".encode()).fetchall()
                if name == "clients":
                    assert [row.pop("state_s") is not None for row in (*rows, *document[name])]
                assert rows == document[name], name
    page = httpx.get(f"{site(proxy)}/status").text
    assert "CREATE INDEX CONCURRENTLY orders_email_idx" in page
    assert "VACUUM FULL orders" in page
    assert UNIQUE in page
    assert "/policy?file=policies/recommended.yaml#L" in page
    assert "VACUUM FULL orders" not in httpx.get(f"{site(proxy)}/status?action=rewrite").text
    assert "recommended.yaml" in httpx.get(f"{site(proxy)}/policy").text


def test_a_wrong_address_or_token_is_told(postgres: Server, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short")
    for flags, said in (
        (("--admin", "0.0.0.0:0"), "asks for a token"),
        (("--admin", "nonsense"), "is no HOST:PORT"),
        (("--admin", "127.0.0.1:0", "--admin-token-file", str(tmp_path / "short")), "at least 16 characters"),
        (("--admin", "127.0.0.1:0", "--admin-token-file", str(tmp_path / "none")), "cannot read"),
    ):
        with pytest.raises(RuntimeError, match=said):
            proxies.start(postgres, tmp_path, *flags)
