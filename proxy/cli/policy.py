"""``interlock policy check | show | schema | replay``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from proxy.audit.chain import NotARecord, decode
from proxy.audit.record import facts_of
from proxy.catalog.routines import reopened
from proxy.cli import Misuse
from proxy.policy import decide
from proxy.policy import schema as json_schema
from proxy.policy.document import Path
from proxy.policy.load import Policy, PolicyError, load
from proxy.sql.read import read


@click.group(help="Check, show and describe policy files, and try them on the past.")
def command() -> None:
    pass


@command.command()
@click.argument("names", metavar="NAME|FILE…", nargs=-1, required=True)
@click.option(
    "--audit",
    "logs",
    metavar="FILE",
    multiple=True,
    allow_from_autoenv=False,
    help="A log of decisions: name the exceptions that matched nothing in it; may be repeated for its rotated parts.",
)
def check(names: tuple[str, ...], logs: tuple[str, ...]) -> None:
    """Check policy files: every mistake, with its place, and every exception that has outlived its reason.

    \b
    interlock policy check policies/prod.yaml
    interlock policy check policies/prod.yaml --audit /var/log/interlock/audit.jsonl

    Exit code 0 if all are fine, 2 if not.
    """
    wrong = errors = 0
    for name in names:
        try:
            policy = load(name)
        except PolicyError as e:
            wrong += 1
            errors += len(e.problems)
            for problem in e.problems:
                click.echo(str(problem))
        else:
            _report(policy)
            if logs:
                _report_stale(policy, logs)
    if wrong:
        click.echo(f"{_count(errors, 'error')} in {wrong} of {_count(len(names), 'policy', 'policies')}.")
        sys.exit(2)


def _report(policy: Policy) -> None:
    exceptions = _count(len(policy.exceptions), "exception")
    click.echo(f"{policy.name}: fine; mode {policy.mode}, {_count(len(policy.settings.rules), 'rule')}, {exceptions}")
    for source, exception in policy.expired(datetime.now(UTC)):
        click.echo(f"{source}: this exception expired on {exception.until}; remove it, or give it another day")
    if newer := policy.newer():
        pack = policy.pin.partition("@")[0]
        click.echo(
            f"{policy.name}: {_count(len(newer), 'rule')} newer than {policy.pin} only {'warns' if len(newer) == 1 else 'warn'}:"
            f" {', '.join(newer)}; see {pack}, and raise the pin"
        )


def _report_stale(policy: Policy, logs: tuple[str, ...]) -> None:
    """Name the exceptions that no statement of the logs was about.  Raises Misuse."""
    matched: set[int] = set()
    records, since = 0, ""
    for record in _records(logs):
        facts = facts_of(record["facts"])
        comments = "".join(f"/* {body} */" for body in record.get("comments", ()))
        for statement in read(comments + record["statement"]):
            matched |= decide.matched(reopened(statement, facts), facts, policy)
        records += 1
        since = min(since or record["at"], record["at"])
    known = f"{_count(records, 'statement')} since {since[:10]}" if records else "no statement at all"
    for i, exception in enumerate(policy.exceptions):
        if i not in matched:
            source = policy.source("exceptions", i)
            click.echo(
                f"{source}: this exception matched nothing in the log ({known}); is it still needed? ({exception.reason})"
            )


def _records(logs: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The decisions in the logs, without the log's own records.  Raises Misuse."""
    for name in logs:
        try:
            with open(name, "rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        found = decode(line.rstrip(b"\n")).record
                    except NotARecord as error:
                        raise Misuse(f"{name}:{number}: not a record of an audit log: {error}") from error
                    if "statement" in found:
                        yield found
        except OSError as error:
            raise Misuse(f"cannot read audit file {name}: {error.strerror}") from error


@command.command()
@click.argument("name", metavar="[NAME|FILE]", default="recommended")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(name: str, format_: str) -> None:
    """Show the effective values of a policy and the line that each comes from.

    \b
    Example:  interlock policy show strict
    """
    try:
        policy = load(name)
    except PolicyError as e:
        click.echo(str(e), err=True)
        sys.exit(2)
    click.echo(_json(policy) if format_ == "json" else _text(policy))


@command.command()
def schema() -> None:
    """Print the JSON Schema of a policy file, for editors.

    \b
    Example:  interlock policy schema > policy.schema.json
              and in the policy:  # yaml-language-server: $schema=./policy.schema.json
    """
    click.echo(json_schema.text(), nl=False)


@command.command("replay")
@click.argument("name", metavar="NAME|FILE")
@click.argument("logs", metavar="LOG…", nargs=-1, required=True, type=click.Path())
@click.option("--since", metavar="DATE", default="", allow_from_autoenv=False, help="Only records from that day on.")
@click.option("--until", metavar="DATE", default="", allow_from_autoenv=False, help="Only records up to that day.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def replay_(name: str, logs: tuple[str, ...], since: str, until: str, format_: str) -> None:
    """Decide anew about the statements of an old audit log, and say what would be different.

    \b
    interlock policy replay policies/strict.yaml /var/log/interlock/audit.jsonl*
    interlock policy replay next.yaml audit.jsonl --since 2026-11-01

    Nothing is run and no database is asked: each record holds what was known at its time. Exit code 0 if nothing would be
    newly rejected, 1 if something would, 2 for wrong usage.
    """
    from proxy.audit.replay import replay
    from proxy.cli.progressing import counted
    from proxy.cli.replayed import show

    try:
        policy = load(name)
    except PolicyError as e:
        click.echo(str(e), err=True)
        sys.exit(2)
    wanted = (r for r in _records(logs) if r["at"][:10] >= since and (not until or r["at"][:10] <= until))
    if show(list(replay(counted(wanted, "deciding anew"), policy)), policy, form=format_):
        sys.exit(1)


def _text(policy: Policy) -> str:
    values = [(_dotted(path), _shown(value), str(source)) for path, value, source in policy.values()]
    widths = [max(len(row[i]) for row in values if len(row[i]) <= 60) for i in range(2)]
    rows = [f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}" for key, value, source in values]
    title = f"{policy.name} (sha {policy.sha[:12]}), from {', '.join(policy.files)}"
    return "\n".join([title, "", *rows])


def _json(policy: Policy) -> str:
    values = [{"key": _dotted(path), "value": value, "source": str(source)} for path, value, source in policy.values()]
    found = {"version": 1, "name": policy.name, "sha": policy.sha, "files": policy.files, "values": values}
    return json.dumps(found, indent=2, ensure_ascii=False)


def _dotted(path: Path) -> str:
    """``locks.backoff.first``, ``exceptions[0]``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def _shown(value: Any, *, within: bool = False) -> str:
    """As a file would write it, on one line."""
    match value:
        case dict():
            return "{ " + ", ".join(f"{key}: {_shown(below, within=True)}" for key, below in value.items()) + " }"
        case list():
            return "[" + ", ".join(_shown(below, within=True) for below in value) + "]"
        case str() if within and not all(c.isalnum() or c in " ._-" for c in value):
            return json.dumps(value, ensure_ascii=False)
        case bool():
            return "true" if value else "false"
    return str(value)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
