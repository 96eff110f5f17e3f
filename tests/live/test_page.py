"""The status page in a real browser: loaded, filtered, followed, acted on; by mouse, by keyboard, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect, sync_playwright

from proxy.cli import main
from tests import binaries, proxies, servers
from tests.live.conftest import POLICY
from tests.live.test_admin_http import ADMIN, site, tokens
from tests.live.test_jobs_command import left as left_here
from tests.live.test_patience import Background
from tests.live.test_progress import holding
from tests.proxies import Proxy

IMAGES = Path(__file__).parents[2] / "docs/images"
SHOP = """
CREATE TABLE customers (id bigint PRIMARY KEY, name text, email text);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, email text, total numeric, placed_at timestamp);
INSERT INTO customers SELECT g, 'c' || g, g || '@example.com' FROM generate_series(1, 2000) g;
INSERT INTO orders SELECT g, g % 2000 + 1, g % 4999 || '@example.com', g, now() FROM generate_series(1, 5000) g;
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=binaries.chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


@pytest.fixture
def shop() -> Iterator[str]:
    """One version of Postgres does: what the page shows is what the console shows, which is tested on all."""
    server = servers.shared(18)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop")
    with psycopg.connect(server.url("shop"), autocommit=True) as connection:
        connection.execute(SHOP)
    yield server.url("shop")
    server.drop_database("shop")


@pytest.fixture
def proxied(shop: str, tmp_path: Path) -> Iterator[Proxy]:
    (tmp_path / "policy.yaml").write_text(POLICY)
    flags = ("--admin", "127.0.0.1:0", *tokens(tmp_path), "--jobs", shop, "--monitor", servers.shared(18).url())
    running = proxies.start(servers.shared(18), tmp_path, *flags, policy=str(tmp_path / "policy.yaml"))
    yield running
    running.stop()
    assert "Traceback" not in running.stderr_text()


@pytest.fixture
def page(browser: Browser, proxied: Proxy) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    found = context.new_page()
    complaints: list[str] = []
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    log_in(found, site(proxied))
    yield found
    context.close()
    assert not complaints


def left(shop: str, sql: str) -> int:
    """A job that a migration has left; made in a thread, since the browser's has a loop that runs."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(left_here, shop, sql).result()


def log_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Token").fill(ADMIN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Status")).to_be_visible()


def through(proxy: Proxy, database: str) -> str:
    return proxy.url(database.rpartition("/")[2])


def history(proxy: Proxy, shop: str) -> None:
    """What a day leaves behind."""
    with psycopg.connect(through(proxy, shop), autocommit=True, application_name="alembic") as connection:
        for sql in (
            "SELECT version_num FROM alembic_version",
            "CREATE INDEX orders_email_idx ON orders (email)",
            "ALTER TABLE orders ADD CONSTRAINT orders_customer_fk FOREIGN KEY (customer_id) REFERENCES customers (id)",
            "ALTER TABLE orders ALTER COLUMN email SET NOT NULL",
            "ALTER TABLE orders ALTER COLUMN total TYPE numeric(12,2)",
            "ALTER TABLE customers ADD COLUMN vip boolean NOT NULL DEFAULT false",
            "ALTER TABLE customers DROP COLUMN name",
        ):
            with suppress(psycopg.Error):
                connection.execute(sql.encode())


def test_decisions_are_shown_and_filtered(page: Page, proxied: Proxy, shop: str) -> None:
    history(proxied, shop)
    timeline = page.locator("#timeline > ol > li")
    expect(timeline).to_have_count(6)  # as they come, without loading the page again
    page.get_by_label("Action").select_option("reject")
    page.get_by_role("button", name="Filter").click()
    expect(timeline).to_have_count(1)
    timeline.locator("summary").click()
    expect(timeline).to_contain_text("Nothing: it was rejected (IL001)")
    page.get_by_role("link", name="Clear").click()
    page.get_by_label("Contains").fill("ORDERS_CUSTOMER_FK")
    page.keyboard.press("Enter")
    expect(timeline).to_have_count(1)
    timeline.locator("summary").focus()
    page.keyboard.press("Enter")  # opens it
    written, ran = timeline.locator(".sides > div").all()
    expect(written).to_contain_text("REFERENCES customers (id)")
    expect(ran).to_contain_text("NOT VALID")
    expect(ran).to_contain_text("VALIDATE CONSTRAINT")
    timeline.locator(".finding a").last.click()
    expect(page.locator("li:target")).to_contain_text("foreign-key-validated: rewrite")


def test_a_running_build_is_followed_without_loading_the_page_again(page: Page, proxied: Proxy, shop: str) -> None:
    page.evaluate("window.mark = 'the same page'")
    expect(page.locator("#running")).to_contain_text("Nothing.")
    with holding(shop, "DECLARE report CURSOR FOR SELECT * FROM customers"), holding(shop) as writer:
        build = Background(through(proxied, shop), "CREATE INDEX orders_total_idx ON orders (total)")
        running = page.locator("#running article")
        expect(running).to_contain_text("CREATE INDEX CONCURRENTLY orders_total_idx")
        expect(running.locator(".waits")).to_contain_text(f"Waits for pid {writer.info.backend_pid} (postgres, web)")
        expect(running.get_by_role("progressbar")).to_be_visible()
        expect(page.locator("#summary")).to_contain_text("1 running")
        writer.rollback()
        expect(running).to_contain_text("waiting for old snapshots")
    build.join()
    assert build.error is None
    expect(page.locator("#running")).to_contain_text("Nothing.")
    expect(page.locator("#timeline")).to_contain_text("orders_total_idx")
    assert page.evaluate("window.mark") == "the same page"


def test_a_failed_job_is_tried_again(page: Page, proxied: Proxy, shop: str) -> None:
    number = left(shop, "CREATE UNIQUE INDEX orders_email ON orders (email)")
    page.get_by_role("link", name=f"job {number}").click()
    page.get_by_role("button", name="Do it now").click()
    expect(page.locator(".error")).to_contain_text("could not create unique index")
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("UPDATE orders SET email = id::text")
    page.get_by_role("button", name="Try again").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("done")
    with psycopg.connect(shop) as connection:
        found = connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_email'::regclass"
        ).fetchone()
    assert found == (True,)


def test_it_can_be_used_without_a_mouse_and_without_sight(page: Page, proxied: Proxy, shop: str) -> None:
    history(proxied, shop)
    page.goto(f"{site(proxied)}/status")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for image in page.locator("svg").all():
        assert "the last 30 minutes" in str(image.get_attribute("aria-label"))
    for field in page.locator("input:not([type=hidden]), select").all():
        assert field.evaluate("one => one.labels.length"), "a field without a label"
    assert page.locator("h1").count() == 1
    # What is read keeps the focus while the page goes on.
    page.locator("#timeline summary").first.focus()
    with psycopg.connect(through(proxied, shop), autocommit=True) as connection:
        connection.execute("CREATE INDEX another_idx ON orders (placed_at)")
    expect(page.locator("#timeline > ol > li")).to_have_count(7)
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off(
    browser: Browser, proxied: Proxy, shop: str, scheme: str, tmp_path: Path
) -> None:
    history(proxied, shop)
    left(shop, "CREATE UNIQUE INDEX orders_email ON orders (email)")
    with browser.new_context(viewport={"width": 400, "height": 800}, color_scheme=scheme) as context:
        page = context.new_page()
        log_in(page, site(proxied))
        for path in ("/status", "/policy", "/decision/2"):
            page.goto(site(proxied) + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, path
        report = tmp_path / "report.html"
        assert CliRunner().invoke(main, ["audit", "report", str(proxied.audit), "--output", str(report)]).exit_code == 0
        page.goto(report.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        # Text stands out from its ground (WCAG AA for text of this size: 4.5).
        page.goto(site(proxied) + "/status")
        for chosen in ("body", ".meta", ".tag.rewrite", ".tag.reject", "a"):
            assert page.evaluate(CONTRAST, chosen) >= 4.5, chosen


# Found and measured in one go: between the two the page may have brought itself up to date.
CONTRAST = """chosen => {
  const one = document.querySelector(chosen);
  const parts = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let ground = one, colour = [0, 0, 0, 0];
  while (ground && colour[3] === 0) {
    const found = parts(getComputedStyle(ground).backgroundColor);
    colour = found.length === 3 ? [...found, 1] : found;
    ground = ground.parentElement;
  }
  const [a, b] = [light(parts(getComputedStyle(one).color)), light(colour)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""


def test_pictures_for_the_docs(
    browser: Browser, proxied: Proxy, shop: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As somebody finds it on a busy day; ``pytest --accept`` puts them into docs/images."""
    history(proxied, shop)
    left(shop, "CREATE UNIQUE INDEX orders_email ON orders (email)")
    folder = IMAGES if request.config.getoption("--accept") else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        writer = stack.enter_context(holding(shop))
        build = Background(through(proxied, shop), "CREATE INDEX orders_total_idx ON orders (total)")
        for name, width, height, scheme in (("desktop", 1200, 1150, "light"), ("phone", 400, 860, "dark")):
            context = stack.enter_context(
                browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            )
            page = context.new_page()
            log_in(page, site(proxied))
            expect(page.locator("#running .waits")).to_be_visible()
            page.locator("#timeline summary", has_text="public.orders").nth(3).click()
            if name == "phone":
                page.evaluate("window.scrollTo(0, 0)")
            page.screenshot(path=folder / f"status-{name}.png", full_page=name == "desktop")
            assert (folder / f"status-{name}.png").stat().st_size > 10_000
        writer.rollback()
        build.join()
