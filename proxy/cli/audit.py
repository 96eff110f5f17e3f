"""``interlock audit``: read the log of decisions, prove that it is as it was written, and make a page of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import click

from proxy.audit.chain import AuditError, NotARecord, decode
from proxy.audit.verify import Report, verify
from proxy.cli import Misuse

LOOK_AGAIN_S = 0.25
COLOURS = {"warn": "yellow", "rewrite": "cyan", "defer": "cyan", "reject": "red"}


@click.group()
def command() -> None:
    """Read, verify and report the record of decisions.

    \b
    interlock audit tail -f /var/log/interlock/audit.jsonl
    interlock audit verify /var/log/interlock/audit.jsonl*
    interlock audit report /var/log/interlock/audit.jsonl* --since 2026-11-01 --output november.html
    """


@command.command()
@click.argument("file", type=click.Path(), envvar="INTERLOCK_AUDIT")
@click.option(
    "-n", "--lines", type=click.IntRange(min=0), default=10, show_default=True, help="How many records to show."
)
@click.option("-f", "--follow", is_flag=True, help="Go on showing records as they come, through rotations too.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="text, or the lines as they are."
)
def tail(file: str, lines: int, follow: bool, form: str) -> None:
    """Show the newest records of FILE (default: $INTERLOCK_AUDIT), and the head to note for verify."""
    head = ""
    for line in _tail(file, lines, follow=follow):
        try:
            read = decode(line)
        except NotARecord as error:
            click.echo(f"interlock: {file}: a line is not a record: {error}", err=True)
            continue
        click.echo(line.decode("utf-8", "replace") if form == "json" else describe(read.record))
        head = f"head {read.hash} (record {read.seq})"
    if head:
        click.echo(head, err=True)


@command.command("verify")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--head", help="A hash noted earlier: prove that nothing up to that record is gone.")
def check(files: tuple[str, ...], head: str | None) -> None:
    """Say whether FILES, one log with its rotated parts, are as they were written.

    Names every line that was edited, added or moved, or whose neighbour is missing.  Exit code 1 if there is one.
    A tail that was cut off can only be told with --head.
    """
    try:
        report = verify(files, head=head.lower() if head else None)
    except AuditError as error:
        raise Misuse(str(error)) from error
    for problem in report.problems:
        click.echo(str(problem))
    click.echo(summary(report), err=not report.intact)
    if not report.intact:
        raise SystemExit(1)


@command.command("report")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option(
    "--since", metavar="DATE", default="", allow_from_autoenv=False, help="Only what was decided from that day on."
)
@click.option(
    "--until", metavar="DATE", default="", allow_from_autoenv=False, help="Only what was decided up to that day."
)
@click.option("--title", default="Schema changes", show_default=True, allow_from_autoenv=False, help="Of the page.")
@click.option(
    "--output",
    metavar="FILE",
    default="-",
    allow_from_autoenv=False,
    help="Where to write the page; - is stdout, the default.",
)
def report_(files: tuple[str, ...], since: str, until: str, title: str, output: str) -> None:
    """Make one HTML page of FILES for a release or a month: what ran, what was rewritten, what was blocked for how long.

    \b
    interlock audit report /var/log/interlock/audit.jsonl* --since 2026-11-01 --output november.html

    The page has nothing outside it: it opens offline, and prints. The log is verified on the way.
    """
    from proxy.render.release import html

    try:
        verified = verify(files)
    except AuditError as error:
        raise Misuse(str(error)) from error
    records = []
    for name in verified.files:
        with open(name, "rb") as file:
            for line in file:
                try:
                    found = decode(line.rstrip(b"\n")).record
                except NotARecord:
                    continue  # verified says where
                day = str(found.get("at", ""))[:10]
                if "statement" in found and day >= since and (not until or day <= until):
                    records.append(found)
    said = (
        summary(verified) if verified.intact else summary(verified) + ": " + "; ".join(map(str, verified.problems[:20]))
    )
    page = html(records, title=title, verified=said, intact=verified.intact)
    if output == "-":
        click.echo(page, nl=False)
        return
    try:
        with open(output, "w", encoding="utf-8") as out:
            out.write(page)
    except OSError as error:
        raise Misuse(f"cannot write {output}: {error.strerror}") from None
    click.echo(f"{len(records)} statements in {output}; {said}", err=True)


def summary(report: Report) -> str:
    records = f"{report.records} record{'s' * (report.records != 1)}"
    where = f"{len(report.files)} file{'s' * (len(report.files) != 1)}"
    if not report.intact:
        count = len(report.problems)
        return f"{records} in {where}: {count} {'places are' if count > 1 else 'place is'} not as written"
    said = f"{records} in {where}, as they were written; head {report.head}"
    if report.starts_at > 1:
        said += f"\nThey start at record {report.starts_at}: give the rotated files too to verify from the beginning."
    if report.after_head is not None:
        said += f"\nThe given head is there, and {report.after_head} came after it."
    return said


def describe(record: dict[str, Any]) -> str:
    """A record in two or more lines for people."""
    at = record["at"][:19].replace("T", " ") + "Z"
    match record:
        case {"kind": "continued"}:
            return f"{at}  (goes on from a rotated file)"
        case {"kind": "recovered"}:
            return (
                f"{at}  (a crash cut a line short: {record.get('torn_bytes')} bytes are in {record.get('torn_file')})"
            )
    action = record.get("action", "?")
    session = record.get("session", {})
    tool = session.get("tool") or session.get("application_name")
    who = f"{session.get('user', '?')}@{session.get('database', '?')}" + (f" ({tool})" if tool else "")
    rules = ", ".join(finding["rule"] for finding in record.get("findings", ()))
    parts = [
        at,
        click.style(action, fg=COLOURS.get(action)),
        record.get("kind", "?"),
        ", ".join(record.get("relations", ())),
        who,
        f"{record.get('outcome', '?')} in {duration(record.get('took_ms', 0))}",
        record.get("sqlstate", ""),
        f"[{rules}]" if rules else "",
        by_hand(record),
    ]
    statement = record.get("statement", "").strip()
    first, _, more = statement.partition("\n")
    return "  ".join(part for part in parts if part) + f"\n    {first[:160]}{' …' if more or len(first) > 160 else ''}"


def by_hand(record: dict[str, Any]) -> str:
    """What somebody told Interlock to do about a job; empty for all else."""
    told = record.get("by_hand")
    if not told:
        return ""
    session = record.get("session", {})
    return f"{told['what']} of job {record.get('job')} from {session.get('client', '?')} ({told['through']})"


def duration(ms: float) -> str:
    if ms < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 120_000 else f"{ms / 60_000:.1f} min"


def _tail(path: str, lines: int, *, follow: bool) -> Iterator[bytes]:
    """The last whole lines; with ``follow`` those that come, from the file that has the path then."""
    first = True
    while first or follow:
        try:
            with open(path, "rb") as file:
                yield from _last(file, lines if first else None)
                while follow and _same(path, file.fileno()):
                    time.sleep(LOOK_AGAIN_S)
                    yield from _last(file, None)
                yield from _last(file, None)  # what came before it was renamed
        except OSError as error:
            raise Misuse(f"cannot read audit file {path}: {error.strerror}") from error
        first = False


def _last(file: BinaryIO, lines: int | None) -> list[bytes]:
    """Read on; the whole lines, or the last ``lines`` of them.  What is not whole yet is left for the next time."""
    start = file.tell()
    whole = file.read().split(b"\n")[:-1]
    file.seek(start + sum(len(line) + 1 for line in whole))
    return whole if lines is None else whole[len(whole) - min(lines, len(whole)) :]


def _same(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return True  # renamed just now; the new one is not there yet
