"""``interlock jobs``: what migrations have left for after their COMMIT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from proxy.cli import Misuse
from proxy.cli.by_hand import audit, noting
from proxy.cli.listing import console, look, print_jobs, table
from proxy.cli.listing import watch as watching
from proxy.cli.own import cancelling, on, say, table_of_jobs
from proxy.cli.progressing import followed

if TYPE_CHECKING:
    from proxy.policy.load import Policy
    from proxy.run.execute import Budget
    from proxy.run.jobs import Job
    from proxy.run.side import Side

FOREVER_S = float(10**9)

database = click.option(
    "--database",
    metavar="URL",
    help="The database; $INTERLOCK_UPSTREAM if it is not given. The login is whose jobs are meant.",
)
policy = click.option(
    "--policy", metavar="NAME|FILE", default="recommended", show_default=True, help="Whose patience for locks applies."
)
form = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or for programs."
)
numbers = click.argument("ids", metavar="ID…", nargs=-1, type=int)
some_numbers = click.argument("ids", metavar="ID…", nargs=-1, type=int, required=True)


@click.group()
def command() -> None:
    """Show, do and give up what migrations have left for after their COMMIT.

    \b
    interlock jobs list
    interlock jobs run --wait      as the last line of a deploy

    Jobs stand in the table interlock.jobs of the database that they are about. A login does its own jobs only.
    """


@command.command("list")
@database
@click.option("--all", "everything", is_flag=True, help="Those that are done or given up, too.")
@click.option("--watch", is_flag=True, help="Go on showing them, with their progress, until none waits or runs.")
@form
def list_(database: str | None, everything: bool, watch: bool, form: str) -> None:
    """List the jobs that wait, run, or have failed.

    \b
    interlock jobs list --database postgres://app@db.example/shop --watch

    A superuser sees everybody's.
    """

    async def story(own: Side) -> None:
        found, how = await look(own, everything)
        if form == "json":
            print_jobs(found, how)
        elif watch:
            await watching(own, found, how, everything)
        elif found:
            console().print(table(found, how))
        else:
            click.echo("no jobs" if everything else "no job waits, runs or has failed", err=True)

    on(database, story)


@command.command()
@click.argument("id", type=int)
@database
@form
def show(id: int, database: str | None, form: str) -> None:
    """Show all about one job: its statement, its steps, why it failed, and what to do.

    \b
    interlock jobs show 12
    """
    from proxy.render.jobs import lines
    from proxy.run import jobs, progress

    async def story(own: Side) -> None:
        job = await jobs.find(table_of_jobs(own), id)
        if job is None:
            raise _missing([id])
        how = progress.of(job, await progress.progress(own))
        if form == "json":
            print_jobs([job], {job.id: how})
        else:
            click.echo("\n".join(lines(job, how)))

    on(database, story)


@command.command()
@numbers
@database
@policy
@audit
@click.option("--failed", is_flag=True, help="Try those again that have failed.")
@click.option("--wait", is_flag=True, help="Wait for those that another session is doing.")
@click.option("--timeout", metavar="SECONDS", type=click.FloatRange(0), help="Wait no longer than that.")
def run(
    ids: tuple[int, ...],
    database: str | None,
    policy: str,
    audit: str | None,
    failed: bool,
    wait: bool,
    timeout: float | None,
) -> None:
    """Do the jobs that wait, oldest first, or those of these numbers.

    \b
    interlock jobs run --wait      as the last line of a deploy
    interlock jobs run --failed

    Exit code 0: no job is left and none has failed; 1: some have, or are left; 2: wrong usage or configuration.
    Who sees others' jobs is told, with exit code 1, of those whose login no longer exists, too.
    """
    wait_s = (FOREVER_S if timeout is None else timeout) if wait else 0.0
    _run("run", ids, database, policy, audit, again=failed, wait_s=wait_s)


@command.command()
@some_numbers
@database
@policy
@audit
def retry(ids: tuple[int, ...], database: str | None, policy: str, audit: str | None) -> None:
    """Try jobs again that have failed.

    \b
    interlock jobs retry 12

    Exit codes as of run.
    """
    _run("retry", ids, database, policy, audit, again=True, wait_s=0.0)


@command.command()
@some_numbers
@database
@policy
@audit
def cancel(ids: tuple[int, ...], database: str | None, policy: str, audit: str | None) -> None:
    """Give jobs up, and take back what their migration did for them before its COMMIT.

    \b
    interlock jobs show 12         what that is
    interlock jobs cancel 12

    Everything else of the migration stays as it is committed. A job that is being done is not given up: cancel its
    query first (pg_cancel_backend). Exit codes as of run.
    """
    from proxy.render.jobs import forgetting
    from proxy.render.text import printable
    from proxy.run import job as doing
    from proxy.run import jobs
    from proxy.run.attempt import attempt
    from proxy.run.errors import PlanFailed

    async def story(own: Side) -> bool:
        cancelled = cancelling(own)
        well = True
        for job in await _chosen(own, ids):
            if job.unreadable:  # what there is to take back cannot be known
                click.echo(
                    f"job {job.id} is not given up: {printable(job.obstacle)}\n  to forget it, and take nothing back:"
                    f" {forgetting(job)}",
                    err=True,
                )
                well = False
                continue
            if not await jobs.claim(table_of_jobs(own), job.id, states=("waiting", "running", "failed")):
                click.echo(f"job {job.id} is {await _state(own, job)}: it is not given up", err=True)
                well = False
                continue
            try:
                with attempt(job, note(own.connection.info.dbname), well="given up") as one:
                    await doing.give_up(own, job, limits, say, cancelled, one.results)
            except PlanFailed as failed:
                click.echo(
                    f"job {job.id} is not given up: {failed.error.get('M', 'error')}\n  to forget it, and take nothing"
                    f" back: {forgetting(job)}",
                    err=True,
                )
                well = False
            else:
                click.echo(f"job {job.id} is given up: {job.title}", err=True)
        return well

    policy_, limits = _patience(policy)
    with noting(audit, policy_, "cancel") as note:
        well = on(database, story)
    if not well:
        raise SystemExit(1)


@command.command()
@database
def install(database: str | None) -> None:
    """Make the table interlock.jobs, for all who migrate this database.

    \b
    interlock jobs install --database postgres://postgres@db.example/shop

    Do it as a superuser, or as the database's owner: whoever owns the table is trusted by those who use it. Without
    this it is made when it is needed first, by a role that has CREATE on the database.
    """
    from proxy.run import jobs

    async def story(own: Side) -> None:
        there = await jobs.exists(own)
        await own.run([("BEGIN", ())])
        await jobs.prepare(own)
        await own.run([("COMMIT", ())])
        [[owner, superuser]] = await own.fetch(
            "SELECT r.rolname, r.rolsuper FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner"
            " WHERE c.oid = 'interlock.jobs'::pg_catalog.regclass"
        )
        name = (owner or b"").decode()
        click.echo(f"interlock.jobs {'is there already' if there else 'is made'}; it belongs to {name}", err=True)
        if superuser != b"t":
            click.echo(
                f"a superuser will not use it, nor will logins that do not belong to {name}, unless the database is {name}'s:"
                " better have a superuser own it",
                err=True,
            )

    on(database, story)


# ---------------------------------------------------------------- doing


def _run(
    what: str,
    ids: Sequence[int],
    database: str | None,
    policy: str,
    audit: str | None,
    *,
    again: bool,
    wait_s: float,
) -> None:
    from proxy.run import jobs
    from proxy.run.drain import drain
    from proxy.run.words import one_line

    async def story(own: Side) -> bool:
        if ids:
            await _chosen(own, ids)
        async with followed(own):
            outcome = await drain(
                own,
                limits,
                say,
                cancelling(own),
                only=ids,
                again=again,
                wait_s=wait_s,
                ended=note(own.connection.info.dbname),
            )
        if not ids:
            outcome.left.extend(await jobs.orphans(table_of_jobs(own)))
        for job in outcome.failed:
            why = f": {one_line(job.error['M'])}" if job.error.get("M") else ""
            say(f"job {job.id} has failed: {job.title}{why}")
            click.echo(
                f"  when the cause is mended: interlock jobs retry {job.id}; to give it up: interlock jobs cancel {job.id}",
                err=True,
            )
        for job in outcome.left:
            say(f"job {job.id} is left: it is {await _state(own, job)}: {job.title}")
            if job.obstacle:
                say(f"  what to do about it: interlock jobs show {job.id}")
        done = len(outcome.done)
        click.echo(
            f"{done} {'job' if done == 1 else 'jobs'} done, {len(outcome.failed)} failed, {len(outcome.left)} left",
            err=True,
        )
        return outcome.well

    policy_, limits = _patience(policy)
    with noting(audit, policy_, what) as note:
        well = on(database, story)
    if not well:
        raise SystemExit(1)


async def _chosen(own: Side, ids: Sequence[int]) -> list[Job]:
    """Jobs of this login, by their numbers.  Raises Misuse if one is not there."""
    from proxy.render.jobs import of_another
    from proxy.run import jobs

    [[login]] = await own.fetch("SELECT session_user")
    found = [await jobs.find(table_of_jobs(own), number) for number in dict.fromkeys(ids)]
    mine = [job for job in found if job is not None and job.login == (login or b"").decode()]
    if missing := [number for number in dict.fromkeys(ids) if number not in {job.id for job in mine}]:
        others = [job for job in found if job is not None and job.id in missing]
        if others:
            raise Misuse(of_another(others[0]))
        raise _missing(missing)
    return mine


def _missing(ids: Sequence[int]) -> Misuse:
    return Misuse(f"there is no job {', '.join(map(str, ids))} of this login in interlock.jobs")


async def _state(own: Side, job: Job) -> str:
    from proxy.run import jobs, progress

    now = await jobs.find(table_of_jobs(own), job.id) or job
    if now.unreadable:
        return f"not to be read by this Interlock ({now.unreadable})"
    if now.gone == "login":
        return f"{now.login}'s, a login that no longer exists"
    how = progress.of(now, await progress.progress(own))
    return f"being done by process {how.pid}" if how else now.state


def _patience(policy: str) -> tuple[Policy, Budget]:
    from proxy.policy.load import PolicyError, load
    from proxy.session.case import budget

    try:
        found = load(policy)
    except PolicyError as error:
        raise Misuse(f"\n{error}") from None
    return found, budget(found, inside=False)
