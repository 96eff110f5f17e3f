"""A running proxy: begun by what ``interlock serve`` was told, and by signals from then on."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli import Misuse, login
from proxy.cli.beside import beside
from proxy.cli.beside import check as check_admin

if TYPE_CHECKING:
    from proxy.audit.sink import AuditLog
    from proxy.policy.load import Policy
    from proxy.run.monitor import Monitor
    from proxy.server import Server
    from proxy.session.ledger import Ledger
    from proxy.sockets import Listening
    from proxy.workers import Worker

log = logging.getLogger("interlock")

RELOAD_S = 1.0  # between two readings of the policy


def run(options: dict[str, Any]) -> None:
    """Here, or in as many processes as were asked for."""
    from proxy.sockets import CannotListen, Listen, Listening
    from proxy.workers import Workers

    number = options["workers"]
    try:
        places = [Listen.parse(place) for place in options["listen"]]
        check(options)
        listening = Listening.open(places, number, os.environ)
    except (CannotListen, ValueError) as error:
        raise Misuse(str(error)) from None
    if number == 1:
        in_loop(serve(options, listening))
        return
    policy = PolicyInForce.load(options["policy"])
    with audit_log(options, policy):  # held for the workers, who write one chain
        tell_addresses(listening)
        code = Workers(number, lambda worker: in_loop(serve(options, listening, worker)), listening.close).run()
    if code:
        raise SystemExit(code)


def in_loop(story: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:  # not on this platform
        asyncio.run(story)
    else:
        uvloop.run(story)


def check(options: dict[str, Any]) -> None:
    """What is wrong is to be told before anybody connects, and by one process.  Raises Misuse."""
    from proxy.conninfo import ConninfoError, parse
    from proxy.tls import client_context

    try:
        upstream = parse(options["upstream"])
        if upstream.tls.mode not in ("disable", "allow"):
            client_context(upstream.tls)  # a wrong sslrootcert is to be told now, not to the first client
    except ConninfoError as error:
        raise Misuse(str(error)) from None
    login.terms(options, upstream)
    check_admin(options)


def tell_addresses(listening: Listening) -> None:
    for address in listening.addresses:
        click.echo(f"listening on {address}", err=True)


@contextlib.contextmanager
def embedded(folder: str | None) -> Iterator[str | None]:
    """The URL of our own Postgres while it runs; None without one."""
    if folder is None:
        yield None
        return
    from proxy.embedded import Embedded, EmbeddedError

    try:
        postgres = Embedded.start(Path(folder))
    except EmbeddedError as error:
        raise Misuse(str(error)) from None
    for notice in postgres.notices:
        log.info("%s", notice)
    log.info("embedded Postgres: %s", postgres.url)
    try:
        yield postgres.url
    finally:
        postgres.stop()


@dataclass(slots=True)
class PolicyInForce:
    """The policy that is in force, and its replacement on SIGHUP: a bad file changes nothing."""

    source: str
    policy: Policy

    @classmethod
    def load(cls, source: str) -> PolicyInForce:
        from proxy.policy.load import PolicyError, load

        try:
            return cls(source, load(source))
        except PolicyError as error:
            raise Misuse(f"\n{error}") from None

    def __call__(self) -> Policy:
        return self.policy

    def reload(self) -> str:
        """What became of it, in one line."""
        from proxy.policy.load import PolicyError, load

        try:
            self.policy = load(self.source)
        except PolicyError as error:
            log.error("policy not reloaded; the running one (sha %s) stays in force:\n%s", self.policy.sha[:8], error)
            return f"policy not reloaded; the running one (sha {self.policy.sha[:8]}) stays in force:\n{error}"
        log.info("policy reloaded: %s (sha %s)", self.policy.name, self.policy.sha[:8])
        return f"policy reloaded: {self.policy.name} (sha {self.policy.sha[:8]})"


async def serve(options: dict[str, Any], listening: Listening, worker: Worker | None = None) -> None:
    from proxy.conninfo import parse
    from proxy.server import Limits, Server
    from proxy.siblings import Siblings

    policy = PolicyInForce.load(options["policy"])
    upstream = parse(options["upstream"])
    terms = login.terms(options, upstream)
    with ledger(options, policy, shared=worker is not None) as book, contextlib.ExitStack() as stack:
        limits = Limits(
            login_timeout_s=options["login_timeout"],
            max_statement_bytes=options["max_statement"] << 20,
            max_clients=options["max_clients"],
            mark_sessions=options["mark_sessions"],
            max_clients_per_user=options["max_clients_per_user"],
            max_clients_per_address=options["max_clients_per_address"],
            drain_timeout_s=options["drain_timeout"],
        )
        siblings = None
        if worker is not None:
            siblings = Siblings(worker.folder, worker.number, worker.workers)
            siblings.open()
            listening.keep(worker.number)
            stack.callback(siblings.close)
        number = worker.number if worker else 0
        server = Server(
            upstream,
            policy,
            book,
            limits=limits,
            terms=terms,
            monitor=monitor(options["monitor"]),
            siblings=siblings,
            counts=worker.counts if worker else None,
            number=number,
        )
        await server.listen(listening.of_worker[number])
        server.on_drain = listening.close if worker is None else None
        if number == 0:
            for source, exception in policy().expired(datetime.now(UTC)):
                log.warning("%s: this exception has expired (until %s): %s", source, exception.until, exception.reason)
            log.info("upstream %s, policy %s, mode %s", upstream.redacted, policy().name, policy().mode)

        def read_again() -> str:
            said = policy.reload()
            login.reload(server.terms)
            book.reopen()
            return said

        def reload() -> str:
            """What one worker is told by the console, all are."""
            if siblings is not None:
                siblings.tell("reload")
            return read_again()

        if siblings is not None:
            siblings.handlers["reload"] = lambda message: read_again()
        async with beside(options, server, policy, book, reload, number=number, siblings=siblings):
            await until_told(server, read_again, listening, parent=worker.parent if worker else None)


def monitor(url: str | None) -> Monitor | None:
    import psycopg

    from proxy.run.monitor import Monitor

    try:
        return Monitor(url) if url else None
    except psycopg.Error as error:
        raise Misuse(f"--monitor: {' '.join(str(error).split())}") from None


async def until_told(
    server: Server, read_again: Callable[[], str], listening: Listening, *, parent: int | None
) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent has died, then drain; a second signal ends at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    again = asyncio.Event()

    def told() -> None:
        (again if stop.is_set() else stop).set()

    reading: asyncio.TimerHandle | None = None
    last = loop.time() - RELOAD_S

    def read() -> None:
        nonlocal reading, last
        reading = None
        read_again()
        last = loop.time()

    def hung_up() -> None:
        """At once, but of a storm only one a second: to read a policy takes the time of some thousand queries."""
        nonlocal reading
        if reading is None:
            reading = loop.call_at(last + RELOAD_S, read)

    def orphaned() -> None:
        if parent is not None:
            loop.remove_reader(parent)
        stop.set()

    loop.add_signal_handler(signal.SIGHUP, hung_up)
    loop.add_signal_handler(signal.SIGUSR1, lambda: log.warning("holding %s", server.holding))
    if parent is not None:
        loop.add_reader(parent, orphaned)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    gc.collect()
    gc.freeze()  # what is there now stays: no collection needs to look at it again while clients wait
    if parent is None:  # else the parent does; whoever hears it may send a signal at once
        tell_addresses(listening)
    await stop.wait()
    log.info("draining: waiting for %d sessions to end their transactions", len(server.sessions))
    drained = asyncio.ensure_future(server.drain())
    hurried = asyncio.ensure_future(again.wait())
    await asyncio.wait({drained, hurried}, return_when=asyncio.FIRST_COMPLETED)
    if not drained.done():
        log.warning("told again: closing %d sessions", len(server.sessions))
        for session in list(server.sessions):
            session.abandon()
        await asyncio.wait({drained}, timeout=10)
    hurried.cancel()
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # what is read again is closed next; unheard, it would kill
    if reading is not None:
        reading.cancel()


@contextlib.contextmanager
def ledger(options: dict[str, Any], policy: PolicyInForce, *, shared: bool) -> Iterator[Ledger]:
    """The audit log while it is open; without ``--audit`` a ledger that writes none."""
    from proxy.session.ledger import Ledger

    with audit_log(options, policy, shared=shared) as audit:
        yield Ledger(audit)


@contextlib.contextmanager
def audit_log(options: dict[str, Any], policy: PolicyInForce, *, shared: bool = False) -> Iterator[AuditLog | None]:
    from proxy.audit.chain import AuditError
    from proxy.audit.sink import AuditLog

    if not options["audit"]:
        yield None
        return
    size = options["audit_max_size"]
    try:
        audit = AuditLog.open(
            options["audit"], fsync=policy().audit.fsync, max_bytes=size << 20 if size else None, shared=shared
        )
    except AuditError as error:
        raise Misuse(str(error)) from None
    with audit:
        yield audit
