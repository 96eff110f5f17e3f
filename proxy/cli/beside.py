"""What ``interlock serve`` shows of itself: the console, and what is beside it on ``--admin``."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import Misuse

if TYPE_CHECKING:
    import ssl

    from proxy.admin.access import Access
    from proxy.admin.source import Peers, Setting, Source
    from proxy.policy.load import Policy
    from proxy.server import Server
    from proxy.session.ledger import Ledger
    from proxy.sockets import Listen

log = logging.getLogger("interlock")

SECRET = ("password", "sslpassword", "passfile", "sslkey")
INSTALL = "pip install 'interlock[admin]'"

OPTIONS = (
    click.option(
        "--admin",
        metavar="HOST:PORT",
        help="Where /metrics, /healthz, /readyz and the status page are, such as 127.0.0.1:9127; needs the extra 'admin'."
        " On another address than loopback it needs a token. With --workers each has its own, on the ports from there on.",
    ),
    click.option(
        "--admin-tls",
        is_flag=True,
        help="HTTPS there, with --tls-cert and --tls-key; SIGHUP reads them again.",
    ),
    click.option(
        "--admin-token-file",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Whose first line lets in to the page and may try jobs again and give them up.",
    ),
    click.option(
        "--stats-token-file",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Whose first line lets in to the page and to /metrics, to look.",
    ),
    click.option(
        "--admin-users",
        metavar="NAME",
        multiple=True,
        help="A login of the upstream's that finds the console in the database 'interlock': psql … -d interlock. May be"
        " given several times.",
    ),
    click.option(
        "--stats-users",
        metavar="NAME",
        multiple=True,
        help="One that finds it there too, and may look: SHOW, and no more.",
    ),
    click.option(
        "--jobs",
        metavar="URL",
        multiple=True,
        help="A login to a database whose jobs console and page show, try again and give up. A superuser's sees everybody's."
        " May be given several times.",
    ),
    click.option(
        "--tracing",
        is_flag=True,
        help="Send a span for each decision to OTEL_EXPORTER_OTLP_ENDPOINT; needs the extra 'tracing'.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        help="How it is told on stderr: lines for people, or a JSON object each.",
    ),
)


def admin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@contextlib.asynccontextmanager
async def beside(
    options: dict[str, Any],
    server: Server,
    policy: Callable[[], Policy],
    book: Ledger,
    reload: Callable[[], str],
    *,
    number: int = 0,
    siblings: Peers | None = None,
) -> AsyncIterator[None]:
    """Show the running proxy while the block runs; ``number`` is the worker's, ``siblings`` are the others.  Raises Misuse."""
    if options["tracing"]:
        try:
            from proxy.admin.tracing import trace
        except ImportError as error:
            raise Misuse(
                f"--tracing needs the extra 'tracing' ({error.name} is not installed): pip install 'interlock[tracing]'"
            ) from None
        book.tally.listener = trace()
    urls, admins = tuple(options["jobs"]), tuple(options["admin_users"])
    if options["embedded"]:  # its superuser is whoever started it
        urls, admins = urls or (options["upstream"],), admins or ("postgres",)
    if not (options["admin"] or admins or options["stats_users"]):
        yield
        return
    source = _source(options, server, policy, book, reload, urls, admins)
    if siblings is not None:
        from proxy.admin import rows

        source.join(siblings, number, options["workers"])
        siblings.handlers["admin part"] = lambda message: rows.part(source, message["part"])
    try:
        if source.admins or source.watchers:
            from proxy.admin.door import Door

            server.console = Door(source)
        if not options["admin"] or number:  # one page does for all workers
            yield
            return
        front = server.terms.front if options["admin_tls"] else None
        async with _http(options, source, front.for_web() if front is not None else None):
            yield
    finally:
        await source.close()


def _source(
    options: dict[str, Any],
    server: Server,
    policy: Callable[[], Policy],
    book: Ledger,
    reload: Callable[[], str],
    urls: Sequence[str],
    admins: Sequence[str],
) -> Source:
    import psycopg

    from proxy.admin.databases import Database
    from proxy.admin.source import Source

    try:
        databases = [Database(url, policy, book) for url in urls]
    except psycopg.ProgrammingError:
        raise Misuse("--jobs: this is no connection URL; write postgres://user@host:port/database") from None
    return Source(
        server,
        book.tally,
        policy,
        reload,
        _settings(options),
        databases,
        frozenset(admins),
        frozenset(options["stats_users"]),
    )


def check(options: dict[str, Any]) -> None:
    """What is wrong is to be told before anybody connects, and by one process.  Raises Misuse."""
    if options["admin_tls"] and not (options["admin"] and options["tls_cert"]):
        raise Misuse("--admin-tls needs --admin and --tls-cert")
    if options["admin"]:
        _place_and_access(options)


def _place_and_access(options: dict[str, Any]) -> tuple[Listen, Access]:
    from proxy.sockets import Listen

    try:
        from proxy.admin import http  # noqa: F401  # whether it can be imported
        from proxy.admin.access import Access
    except ImportError as error:
        raise Misuse(f"--admin needs the extra 'admin' ({error.name} is not installed): {INSTALL}") from None
    try:
        place = Listen.parse(options["admin"])
    except ValueError as error:
        raise Misuse(f"--admin: {error}") from None
    access = Access(_token(options["admin_token_file"]), _token(options["stats_token_file"]))
    if not access.tokens and place.host not in ("127.0.0.1", "localhost", "::1"):
        raise Misuse(
            f"--admin {options['admin']}: what is not on loopback asks for a token: --stats-token-file FILE to look,"
            " --admin-token-file FILE to look and to act"
        )
    return place, access


@contextlib.asynccontextmanager
async def _http(options: dict[str, Any], source: Source, tls: ssl.SSLContext | None) -> AsyncIterator[None]:
    place, access = _place_and_access(options)
    from proxy.admin.http import CannotServe, serving

    async with contextlib.AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(serving(source, access, place.host or "*", place.port, tls))
        except CannotServe as error:
            if source.peers is None:
                raise Misuse(str(error)) from None
            log.error("no status page: %s", error)  # workers that go on are better than none
        else:
            click.echo(f"status and metrics on {url}", err=True)
        yield


def _token(path: str | None) -> str:
    if path is None:
        return ""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    token = lines[0].strip() if lines else ""
    if len(token) < 16:
        raise Misuse(f"{path}: a token has at least 16 characters; make one: openssl rand -hex 24")
    return token


def _settings(options: dict[str, Any]) -> list[Setting]:
    """What ``serve`` was told, for SHOW CONFIG."""
    from proxy.admin.source import Setting
    from proxy.cli.serve import command

    return [
        Setting(name, _shown(options.get(name)), _shown(parameter.get_default(click.Context(command))))
        for parameter in command.params
        if (name := parameter.name) and name in options and name != "config"
    ]


def _shown(value: Any) -> str:
    match value:
        case None | False:
            return "" if value is None else "false"
        case True:
            return "true"
        case tuple() | list():
            return ", ".join(map(_shown, value))
    return redacted(str(value))


def redacted(text: str) -> str:
    """A connection string without its password; all else as it is."""
    if "://" not in text and "=" not in text:
        return text
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        parts = conninfo_to_dict(text)
    except ProgrammingError:
        return text if os.path.exists(text) else "…"
    if not any(parts.get(name) for name in SECRET):
        return text
    return make_conninfo("", **{name: "…" if name in SECRET else value for name, value in parts.items()})
