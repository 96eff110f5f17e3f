"""The audit record of what ``interlock jobs`` is told to do: who, on which machine, which job, what became of it."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from proxy.cli import Misuse

if TYPE_CHECKING:
    from proxy.policy.load import Policy
    from proxy.run.attempt import Attempt
    from proxy.session.ledger import Ledger

audit = click.option(
    "--audit",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write down who did it and what became of it; also in the file of a proxy that runs on this machine. - is stdout.",
)
Noting = Callable[[str], "Callable[[Attempt], None]"]
"""``noting(database)`` takes what became of each attempt there."""


@contextlib.contextmanager
def noting(path: str | None, policy: Policy, what: str) -> Iterator[Noting]:
    """With the audit log open, if there is one.  Raises Misuse before anything is done, if it cannot be written and the policy fails closed."""
    from proxy.audit.record import ByHand
    from proxy.session.ledger import Who

    with _opened(path, policy) as ledger:
        if reason := ledger.refuses(policy):
            raise Misuse(reason)

        def of(database: str) -> Callable[[Attempt], None]:
            who = Who(platform.node(), _user(), database, "interlock jobs")
            return lambda one: ledger.attempted(who, one, policy, ByHand(what, "command"))

        yield of
        if ledger.waits:
            raise click.ClickException(f"{ledger.waits} records could not be written to {path}")


@contextlib.contextmanager
def _opened(path: str | None, policy: Policy) -> Iterator[Ledger]:
    from proxy.audit.chain import AuditError
    from proxy.audit.sink import AuditLog
    from proxy.session.ledger import Ledger

    if path is None:
        yield Ledger(None)
        return
    try:
        log = AuditLog.open(path, fsync=policy.audit.fsync, joins=True)
    except AuditError as error:
        if policy.audit.on_failure == "closed":
            raise Misuse(str(error)) from None
        click.echo(f"interlock: not written down: {error}", err=True)
        yield Ledger(None)
        return
    with log:
        yield Ledger(log)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a number without a name, as in a container
        return str(os.getuid())
