"""The console's language: what can be said, who may say it, what it answers.

One word after another, in upper or lower case, a semicolon behind it or not; also what drivers say before they let
anybody speak (SET, BEGIN, SELECT version()).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from proxy import __version__
from proxy.admin import job_row, rows
from proxy.admin.source import NotDone, Role, Source, Teller
from proxy.admin.table import Column, Table, Value, table

SERVER_VERSION = f"18.0 (Interlock {__version__})"  # drivers want a number that they know

Say = Callable[[str], None]
Rows = Callable[[Source], Awaitable[Table]]
Act = Callable[[Source, str, Say, Teller], Awaitable[str]]


class Refused(Exception):
    """Not answered; ``sqlstate`` and ``hint`` for the client."""

    def __init__(self, message: str, sqlstate: str, hint: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Answer:
    """``columns`` None: no rows, the tag is all; ``transaction``: the state that it brings about, as ReadyForQuery says it."""

    tag: str
    columns: tuple[Column, ...] | None = None
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    columns: tuple[Column, ...]
    rows: Rows
    what: str


@dataclass(frozen=True, slots=True)
class Told:
    act: Act
    what: str
    takes: str = ""  # JOB n


def _of(look: Callable[[Source], Table]) -> Rows:
    async def found(source: Source) -> Table:
        return look(source)

    return found


async def _help(source: Source) -> Table:
    said = [(f"SHOW {name}", shown.what) for name, shown in SHOWN.items()]
    said.insert(2, ("SHOW JOB n", "all about one job; DATABASE.n where several are looked at"))
    said += [(f"{name} {told.takes}".strip(), told.what) for name, told in TOLD.items()]
    return table("help", rows.HELP, said)


SHOWN: Mapping[str, Shown] = {
    "CLIENTS": Shown(rows.CLIENTS, rows.clients, "who is connected, and what each is about"),
    "JOBS": Shown(job_row.JOBS, rows.jobs, "what runs now with its progress, what waits for its turn, what has failed"),
    "WAITS": Shown(rows.WAITS, rows.waits, "what waits for a lock or for old snapshots, and who is in its way"),
    "DECISIONS": Shown(rows.DECISIONS, rows.decisions, "the newest statements that were decided about"),
    "STATS": Shown(rows.STATS, rows.stats, "statements and waits since the proxy began, by database"),
    "POLICY": Shown(rows.POLICY, _of(rows.policy), "every value of the policy in force, and the line that it comes from"),
    "RULES": Shown(rows.RULES, rows.all_rules, "every rule, what is done about it, and how often it was"),
    "CONFIG": Shown(rows.CONFIG, _of(rows.config), "the options of interlock serve"),
    "VERSION": Shown(rows.VERSION, _of(rows.version), "this Interlock"),
    "HELP": Shown(rows.HELP, _help, "this"),
}  # fmt: skip


async def _reload(source: Source, target: str, say: Say, teller: Teller) -> str:
    say(source.reload())
    return "RELOAD"


async def _retry(source: Source, target: str, say: Say, teller: Teller) -> str:
    database, number = source.database(target)
    say(await database.retry(number, say, teller))
    return "RETRY JOB"


async def _cancel(source: Source, target: str, say: Say, teller: Teller) -> str:
    database, number = source.database(target)
    say(await database.cancel(number, say, teller))
    return "CANCEL JOB"


async def _pause(source: Source, target: str, say: Say, teller: Teller) -> str:
    source.pause(True)
    say("jobs are paused: what migrations leave for after their COMMIT waits until RESUME; what runs now goes on")
    return "PAUSE"


async def _resume(source: Source, target: str, say: Say, teller: Teller) -> str:
    source.pause(False)
    say("jobs go on: what waits is done at the next COMMIT of its client, or by: interlock jobs run")
    return "RESUME"


TOLD: Mapping[str, Told] = {
    "RETRY": Told(_retry, "do a job that has failed, or waits; answers when it has ended", "JOB n"),
    "CANCEL": Told(_cancel, "give a job up, and take back what its migration did for it", "JOB n"),
    "PAUSE": Told(_pause, "begin no job of a migration any more"),
    "RESUME": Told(_resume, "begin jobs again"),
    "RELOAD": Told(_reload, "read the policy again, as SIGHUP does"),
}
# What drivers say of their own accord: the tag, and the transaction state after it.
FORMAL: Mapping[str, tuple[str, str]] = {
    "BEGIN": ("BEGIN", "T"), "START": ("START TRANSACTION", "T"), "COMMIT": ("COMMIT", "I"), "END": ("COMMIT", "I"),
    "ROLLBACK": ("ROLLBACK", "I"), "ABORT": ("ROLLBACK", "I"), "SET": ("SET", ""), "RESET": ("RESET", ""),
    "DISCARD": ("DISCARD ALL", ""), "DEALLOCATE": ("DEALLOCATE", ""), "UNLISTEN": ("UNLISTEN", ""), "CLOSE": ("CLOSE CURSOR ALL", ""),
}  # fmt: skip
VALUES: Mapping[str, str] = {
    "SERVER_VERSION": SERVER_VERSION, "SERVER_VERSION_NUM": "180000", "STANDARD_CONFORMING_STRINGS": "on", "CLIENT_ENCODING": "UTF8",
    "SERVER_ENCODING": "UTF8", "DATESTYLE": "ISO, MDY", "TIMEZONE": "UTC", "SEARCH_PATH": '""', "TRANSACTION_ISOLATION": "read committed",
    "TRANSACTION ISOLATION LEVEL": "read committed", "MAX_IDENTIFIER_LENGTH": "63",
}  # fmt: skip
SELECTED: Mapping[str, str] = {
    "VERSION()": f"Interlock {__version__}", "PG_CATALOG.VERSION()": f"Interlock {__version__}", "1": "1", "CURRENT_SCHEMA()": "",
    "CURRENT_DATABASE()": "interlock", "PG_IS_IN_RECOVERY()": "f",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that was said.  ``target`` is of JOB."""

    answer: Answer
    shown: Rows | None = None
    told: Told | None = None
    target: str = ""
    value: str | None = None

    async def run(
        self, source: Source, role: Role, say: Say, teller: Teller
    ) -> tuple[tuple[tuple[Value, ...], ...], str]:
        """Its rows and its tag.  Raises Refused."""
        if self.told is not None and role != "admin":
            raise Refused(
                "permission denied: that takes one of admin_users", "42501", "SHOW HELP lists what may be looked at."
            )
        try:
            if self.told is not None:
                return (), await self.told.act(source, self.target, say, teller)
            if self.shown is not None:
                found = (await self.shown(source)).rows
                return found, f"SHOW {len(found)}" if self.answer.tag == "SELECT" else self.answer.tag
        except NotDone as error:
            raise Refused(str(error), "55000") from None
        if self.value is not None:
            return ((self.value,),), self.answer.tag
        return (), self.answer.tag


def read(text: str) -> Command | None:
    """What one statement says; None for an empty one.  Raises Refused if it is no word of ours."""
    words = _without_comments(text).split()
    if not words:
        return None
    said = [word.upper() for word in words]
    first, rest = said[0], " ".join(said[1:])
    if first == "SHOW":
        return _show(said, words)
    if first == "SELECT" and rest in SELECTED:
        return Command(
            Answer("SELECT 1", (Column("version" if "VERSION" in rest else "?column?"),)), value=SELECTED[rest]
        )
    if first in TOLD:
        told = TOLD[first]
        if told.takes and (len(said) != 3 or said[1] != "JOB"):
            raise Refused(f"{first} {told.takes}: write the number of the job", "42601", "SHOW JOBS lists them.")
        if not told.takes and rest not in ("", "JOBS"):
            raise Refused(f"{first} takes nothing behind it", "42601")
        return Command(Answer(first), told=told, target=words[2] if told.takes else "")
    if first in FORMAL:
        tag, transaction = FORMAL[first]
        return Command(Answer(tag, transaction=transaction))
    near = get_close_matches(first, ["SHOW", *TOLD], n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise Refused(
        f"{first[:40]} is no command of this console{meant}",
        "42601",
        "This is Interlock's console, no database. SHOW HELP lists what it knows.",
    )


def _show(said: list[str], words: list[str]) -> Command:
    rest = " ".join(said[1:])
    if not rest:
        return Command(Answer("SELECT", rows.HELP), shown=_help)
    if said[1] == "JOB":
        if len(said) != 3:
            raise Refused("SHOW JOB n: write the number of the job", "42601", "SHOW JOBS lists them.")
        target = words[2]
        return Command(Answer("SELECT", rows.JOB), shown=lambda source: rows.job(source, target))
    if rest in SHOWN:
        return Command(Answer("SELECT", SHOWN[rest].columns), shown=SHOWN[rest].rows)
    if rest in VALUES:
        return Command(Answer("SHOW", (Column(rest.lower()),)), value=VALUES[rest])
    near = get_close_matches(rest, [*SHOWN, "JOB n"], n=1)
    meant = f" (did you mean SHOW {near[0]}?)" if near else ""
    raise Refused(f"SHOW {rest[:60]} is not known{meant}", "42704", "SHOW HELP lists what can be shown.")


def _without_comments(text: str) -> str:
    """Tools put their name in front: ``/* exporter */ SHOW STATS``."""
    while (start := text.find("/*")) >= 0 and (end := text.find("*/", start)) >= 0:
        text = f"{text[:start]} {text[end + 2 :]}"
    return "\n".join(line.partition("--")[0] for line in text.splitlines())


def statements(text: str) -> list[str]:
    """The statements of a Query."""
    return [part for part in text.split(";") if part.strip()]
