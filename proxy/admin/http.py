"""/metrics, /healthz, /readyz, and the status page: server-rendered, live by server-sent events.

Needs the extra ``admin`` (starlette, uvicorn, jinja2, prometheus-client); nothing else of Interlock imports this.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from proxy import upstream as upstreams
from proxy.admin import metrics, page, rows
from proxy.admin.access import COOKIE, LASTS_S, Access, is_local
from proxy.admin.databases import Look
from proxy.admin.source import NotDone, Role, Source, Teller
from proxy.upstream import UpstreamUnavailable

log = logging.getLogger("interlock")

LOOK_S = 1.0  # between two looks of somebody who watches
FRESH_S = 0.7  # for which one look at the jobs does for all who ask
ANSWERS_S = 5.0  # the upstream, or /readyz says no
FAILED_LOGIN_S = 0.5
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class CannotServe(Exception):
    """The address cannot be listened on; the message says which and why."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for the proxy to take."""
        yield


@contextlib.asynccontextmanager
async def serving(
    source: Source, access: Access, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve while the block runs, by HTTPS with ``tls``; the URL that was bound.  Raises CannotServe."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("" if host == "*" else host, port))
        sock.listen()  # whoever reads the address may come before the server's first turn
    except OSError as error:
        sock.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotServe(f"cannot listen on {host}:{port}: {reason.lower()}") from None
    config = uvicorn.Config(
        application(source, access),
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    config.load()
    config.ssl = tls
    server = _Server(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[sock]))
    name = sock.getsockname()
    address = f"[{name[0]}]:{name[1]}" if family == socket.AF_INET6 else f"{name[0]}:{name[1]}"
    try:
        yield f"{'http' if tls is None else 'https'}://{address}"
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task


def application(source: Source, access: Access) -> Starlette:
    """The ASGI application."""
    return Site(source, access).application


class Site:
    """All pages of one proxy."""

    def __init__(self, source: Source, access: Access) -> None:
        self.source = source
        self.access = access
        self.said: dict[str, str] = {}  # what became of what was last asked for a job
        self._working: set[asyncio.Task[None]] = set()
        self._looked: tuple[float, list[Look]] = (float("-inf"), [])
        self._up: tuple[float, str] = (float("-inf"), "")
        self._lock = asyncio.Lock()
        looks, acts = ["GET", "HEAD"], ["POST"]
        routes = [
            Route("/healthz", self.healthz, methods=looks),
            Route("/readyz", self.readyz, methods=looks),
            Route("/login", self.login, methods=[*looks, *acts]),
            Route("/logout", self.logout, methods=acts),
            Route("/style.css", page.style, methods=looks),
            Route("/page.js", page.script, methods=looks),
            Route("/metrics", self.guarded(self.metrics), methods=looks),
            Route("/", self.guarded(self.home), methods=looks),
            Route("/status", self.guarded(self.status), methods=looks),
            Route("/status.json", self.guarded(self.document), methods=looks),
            Route("/events", self.guarded(self.events), methods=["GET"]),
            Route("/decision/{number:int}", self.guarded(self.decision), methods=looks),
            Route("/job/{target}", self.guarded(self.job), methods=looks),
            Route("/job/{target}/{what}", self.guarded(self.act), methods=acts),
            Route("/policy", self.guarded(self.policy), methods=looks),
            Route("/rule/{name}", self.guarded(self.rule), methods=looks),
        ]
        self.application = Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=self._wrap)])

    # ------------------------------------------------ who asks

    async def _wrap(self, request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        if not self.access.tokens and not is_local(request.headers.get("host", "")):
            return PlainTextResponse("Interlock's page without a token is for this machine only.\n", 403, HEADERS)
        response = await answer(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def role(self, request: Request) -> Role | None:
        return self.access.role(request.headers.get("authorization", ""), request.cookies.get(COOKIE, ""))

    def guarded(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guard(request: Request) -> Response:
            if self.role(request) is not None:
                return await handler(request)
            if "text/html" in request.headers.get("accept", ""):
                return RedirectResponse("/login", 303)
            return PlainTextResponse(
                "A token is needed: Authorization: Bearer …\n", 401, {"WWW-Authenticate": "Bearer"}
            )

        return guard

    async def login(self, request: Request) -> Response:
        if request.method != "POST":
            return page.render("login.html", wrong=False, known=self.access.tokens)
        form = await request.form()
        role = self.access.of_token(str(form.get("token", "")))
        if role is None:
            await asyncio.sleep(FAILED_LOGIN_S)
            return page.render("login.html", 403, wrong=True, known=self.access.tokens)
        response = RedirectResponse("/status", 303)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, self.access.cookie(role), max_age=LASTS_S, httponly=True, samesite="strict", secure=secure
        )
        return response

    async def logout(self, request: Request) -> Response:
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response

    # ------------------------------------------------ for programs

    async def healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(self, request: Request) -> Response:
        trouble = await self.trouble()
        return PlainTextResponse(f"{trouble}\n", 503) if trouble else PlainTextResponse("ok\n")

    async def trouble(self) -> str:
        """Why no client could be served now; empty if it could."""
        if self.source.server.is_draining:
            return "draining"
        async with self._lock:
            at, trouble = self._up
            if time.monotonic() - at > FRESH_S:
                trouble = ""
                try:
                    async with asyncio.timeout(ANSWERS_S):
                        (await upstreams.connect(self.source.server.upstream)).abort()
                except UpstreamUnavailable as error:
                    trouble = f"{error.message} {error.detail}".strip()
                except TimeoutError:
                    trouble = "the upstream does not answer in time"
                self._up = (time.monotonic(), trouble)
            return trouble

    async def looks(self) -> list[Look]:
        at, found = self._looked
        if time.monotonic() - at > FRESH_S:
            found = await rows.looks(self.source)
            self._looked = (time.monotonic(), found)
        return found

    async def metrics(self, request: Request) -> Response:
        up = not await self.trouble()
        text = await metrics.exposition(self.source, await self.looks(), up)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def document(self, request: Request) -> Response:
        """Every table that the console shows, by name."""
        return JSONResponse(await rows.everything(self.source, await self.looks()))

    # ------------------------------------------------ for people

    async def home(self, request: Request) -> Response:
        return RedirectResponse("/status", 303)

    async def _view(self, request: Request) -> dict[str, Any]:
        view = await page.view(self.source, await self.looks(), request.query_params)
        return {**view, "role": self.role(request), "tokens": self.access.tokens, "said": self.said}

    async def status(self, request: Request) -> Response:
        return page.render("status.html", **await self._view(request))

    async def events(self, request: Request) -> Response:
        return StreamingResponse(
            self._events(request), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    async def _events(self, request: Request) -> AsyncIterator[str]:
        """Sections of the page whose text has changed, as JSON by their ids."""
        sent: dict[str, str] = {}
        while not await request.is_disconnected() and not self.source.server.is_draining:
            view = await self._view(request)
            found = {name: page.section(name, view) for name in page.SECTIONS}
            news = {name: text for name, text in found.items() if sent.get(name) != text}
            if news:
                yield f"data: {json.dumps(news)}\n\n"
            sent = found
            await asyncio.sleep(LOOK_S)

    async def decision(self, request: Request) -> Response:
        number = request.path_params["number"]
        found = next((one for one in await rows.newest(self.source) if one.number == number), None)
        if found is None:
            return page.render(
                "missing.html", 404, what=f"Decision {number} is not kept in memory any more; the audit log has it."
            )
        return page.render("decision.html", one=found, role=self.role(request), tokens=self.access.tokens)

    async def job(self, request: Request) -> Response:
        target = request.path_params["target"]
        try:
            found = await rows.job(self.source, target)
        except NotDone as error:
            return page.render("missing.html", 404, what=str(error))
        cookie = request.cookies.get(COOKIE, "")
        about = {"error": "", "state": ""} | {str(row["key"]): row["value"] for row in found.dicts()}
        return page.render(
            "job.html", target=target, rows=list(found.dicts()), about=about, said=self.said.get(target, ""), role=self.role(request),
            form_token=self.access.form_token(cookie), tokens=self.access.tokens,
        )  # fmt: skip

    async def act(self, request: Request) -> Response:
        """Try a job again, or give it up: it goes on in the background, and its page says what became of it."""
        target, what = request.path_params["target"], request.path_params["what"]
        if self.role(request) != "admin":
            return page.render("missing.html", 403, what="That takes the admin token.")
        if "authorization" not in request.headers:
            form = await request.form()
            if not self.access.is_our_form(request.cookies.get(COOKIE, ""), str(form.get("form_token", ""))):
                return page.render(
                    "missing.html", 403, what="That form was not one of this page's. Load the page again."
                )
        try:
            database, number = self.source.database(target)
        except NotDone as error:
            return page.render("missing.html", 404, what=str(error))
        work = {"retry": database.retry, "cancel": database.cancel}.get(what)
        if work is None:
            return page.render("missing.html", 404, what=f"A job cannot be told to {what}.")
        teller = Teller("page", "admin token", request.client.host if request.client else "?", "interlock status page")
        log.info("[%s] page: %s job %s", teller.client, what, target)

        def say(text: str) -> None:
            self.said[target] = text
            log.info("job %s: %s", target, text)

        async def story() -> None:
            try:
                say(await work(number, say, teller))
            except NotDone as error:
                say(str(error))
            except Exception:
                log.exception("job %s: internal error", target)
                say("internal error; the log of Interlock has the details")

        task = asyncio.get_running_loop().create_task(story())
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        await asyncio.wait({task}, timeout=0.5)  # what is quick is told at once
        return RedirectResponse(f"/job/{target}", 303)

    async def policy(self, request: Request) -> Response:
        view = await page.policy(self.source, request.query_params.get("file", ""))
        return page.render("policy.html", **view, role=self.role(request), tokens=self.access.tokens)

    async def rule(self, request: Request) -> Response:
        text = page.rule(request.path_params["name"])
        if text is None:
            return page.render("missing.html", 404, what=f"There is no rule {request.path_params['name']}.")
        return page.render("rule.html", text=text, name=request.path_params["name"])


__all__ = ["CannotServe", "application", "serving"]
