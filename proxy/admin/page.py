"""The status page's texts: templates filled with the rows."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from proxy import __version__
from proxy.admin import rows
from proxy.admin.chart import chart, ms
from proxy.admin.databases import Look
from proxy.admin.source import Source
from proxy.admin.table import Value
from proxy.catalog.progress import rounded
from proxy.policy.load import text_of
from proxy.rules.base import rules

SECTIONS = ("summary", "running", "jobs", "charts", "timeline")
SHOWN = 60  # decisions on the page
PAGES = files("proxy.admin") / "pages"


def seconds(value: float | None) -> str:
    """``0.4 s``, ``12 s``, ``3 min``, ``2.5 h``."""
    if value is None:
        return ""
    if value < 90:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def place_of(source: str) -> str:
    """Where a line of policy is on the page: ``policies/prod.yaml:7`` → ``/policy?file=…#L7``."""
    from urllib.parse import quote

    file, _, line = source.rpartition(":")
    return f"/policy?file={quote(file)}#L{line}" if line.isdigit() else "/policy"


@cache
def _environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("proxy.admin", "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters |= {"seconds": seconds, "ms": ms, "rounded": rounded, "place": place_of}
    found.globals["version"] = __version__
    return found


def render(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    defaults = {"role": None, "tokens": False}
    return HTMLResponse(_environment().get_template(template).render(**(defaults | values)), status)


def section(name: str, view: Mapping[str, Any]) -> str:
    return _environment().get_template(f"_{name}.html").render(**view)


async def style(request: Request) -> Response:
    return Response((PAGES / "style.css").read_text("utf-8"), media_type="text/css")


async def script(request: Request) -> Response:
    return Response((PAGES / "page.js").read_text("utf-8"), media_type="text/javascript")


async def view(source: Source, looks: Sequence[Look], asked: Mapping[str, str]) -> dict[str, Any]:
    """What the status page shows; ``asked`` filters the timeline."""
    jobs = list((await rows.jobs(source, looks)).dicts())
    now = time.time()
    wanted = {name: asked.get(name, "") for name in ("action", "q", "outcome")}
    newest = await rows.newest(source)
    found = [one for one in newest if _wanted(one, wanted)]
    tally = await rows.tally(source)
    policy = source.policy()
    return {
        "running": [row for row in jobs if row["state"] == "running"],
        "jobs": [row for row in jobs if row["state"] != "running"],
        "failed": sum(row["state"] == "failed" for row in jobs),
        "waiting": sum(row["state"] == "waiting" for row in jobs),
        "troubles": [look for look in looks if look.trouble],
        "looked_at": [look.database for look in looks],
        "paused": source.paused,
        "clients": len((await rows.clients(source)).rows),
        "upstream": source.server.upstream.redacted,
        "policy": policy,
        "decisions": found[:SHOWN],
        "of": len(newest),
        "shown": len(found),
        "asked": wanted,
        "actions": rows.ACTIONS,
        "charts": (
            chart("Time to decide", tally.latencies, now),
            chart("Application blocked at most", [(at, blocked) for at, _, blocked in tally.waits], now),
            chart("Waited for locks, without queueing", [(at, waited) for at, waited, _ in tally.waits], now),
        ),
        "query": "&".join(f"{name}={value}" for name, value in wanted.items() if value),
    }


def _wanted(one: Any, asked: Mapping[str, str]) -> bool:
    if asked["action"] and one.action != asked["action"]:
        return False
    if asked["outcome"] and one.outcome != asked["outcome"]:
        return False
    words = (one.sql, one.kind, *one.relations, *one.session.values(), one.rule)
    return not asked["q"] or any(asked["q"].lower() in word.lower() for word in words)


async def policy(source: Source, file: str) -> dict[str, Any]:
    """The policy in force: one of its files with numbered lines, and every effective value."""
    found = source.policy()
    chosen = file if file in found.files else found.files[0] if found.files else ""
    values: list[dict[str, Value]] = list(rows.policy(source).dicts())
    return {
        "policy": found,
        "file": chosen,
        "lines": text_of(chosen).splitlines() if chosen else [],
        "values": values,
        "rules": list((await rows.all_rules(source)).dicts()),
    }


def rule(name: str) -> str | None:
    """A rule's page as HTML; None if there is no such rule."""
    known = rules()
    if name not in known:
        return None
    text = re.sub(r"\]\((\w+)\.md\)", lambda found: f"](/rule/{found[1].replace('_', '-')})", known[name].page)
    return str(MarkdownIt("js-default").render(text))  # which takes no HTML


__all__ = ["SECTIONS", "policy", "render", "rule", "script", "section", "style", "view"]
