"""The whole comparison, with its figures: ``make sql-oracle [N=1000000] [SEED=…] [MINUTES=…]``.

Exit code 1 if anything is read wrong, or if more than one accepted text in 100,000 is refused.
"""

from __future__ import annotations

import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import click

from tests import servers
from tests.oracle import lexing
from tests.oracle.corpus import Corpus, corpus
from tests.oracle.mutants import Mutants
from tests.oracle.verdict import Judged, Verdict, judge, split_alike

REFUSALS = 1e-5  # of what libpg_query accepts
SHOWN = 20


class Report:
    """Figures as they come, examples of what is not right, and whether all of it was."""

    def __init__(self) -> None:
        self.right = True
        self.shown = 0

    def say(self, text: str) -> None:
        click.echo(text)

    def example(self, judged: Judged) -> None:
        self.shown += 1
        if self.shown <= SHOWN:
            self.say(f"  {judged.verdict}: {judged.text!r}\n      {judged.why}")

    def statements(self, title: str, counts: Counter[Verdict], began: float) -> None:
        accepted = sum(counts.values()) - counts[Verdict.NO_SQL]
        agreed, wrong, refused = counts[Verdict.AGREED], counts[Verdict.WRONG], counts[Verdict.REFUSED]
        self.right &= not wrong and refused <= accepted * REFUSALS
        share = 100 * agreed / max(accepted, 1)
        self.say(
            f"{title}: {agreed:,} of {accepted:,} agreed ({share:.4f} %), {refused:,} refused, {wrong:,} wrong"
            f" ({counts[Verdict.NO_SQL]:,} more are no SQL; {time.monotonic() - began:.0f} s)"
        )

    def texts(self, title: str, same: int, different: list[str], silent: int, began: float) -> None:
        self.right &= not different
        self.say(
            f"{title}: {same:,} of {same + len(different):,} the same"
            f" ({silent:,} more are refused by the judge; {time.monotonic() - began:.0f} s)"
        )
        for text in different[:SHOWN]:
            self.say(f"  different: {text!r}")


def check_corpus(report: Report, found: Corpus) -> None:
    began = time.monotonic()
    counts: Counter[Verdict] = Counter()
    for sql in found.statements:
        judged = judge(sql)
        counts[judged.verdict] += 1
        if judged.verdict in (Verdict.WRONG, Verdict.REFUSED):
            report.example(judged)
    report.statements("corpus", counts, began)
    began = time.monotonic()
    different = [script[:200] for script in found.scripts if not split_alike(script)]
    report.texts("whole scripts split", len(found.scripts) - len(different), different, 0, began)


def check_mutants(report: Report, found: Corpus, seed: int, wanted: int, deadline: float) -> None:
    """Until ``wanted`` are accepted or the deadline (of time.monotonic) has come."""
    began = time.monotonic()
    mutants = Mutants(found.statements, seed)
    counts: Counter[Verdict] = Counter()
    accepted = 0
    while accepted < wanted and time.monotonic() < deadline:
        judged = judge(mutants.one())
        counts[judged.verdict] += 1
        accepted += judged.verdict is not Verdict.NO_SQL
        if judged.verdict in (Verdict.WRONG, Verdict.REFUSED):
            report.example(judged)
    report.statements("mutants", counts, began)


def check_texts(
    report: Report,
    title: str,
    texts: Iterator[list[str]],
    same: Callable[[str], bool | None],
    wanted: int,
    deadline: float,
) -> None:
    """Until ``wanted`` texts have been compared or the deadline has come."""
    began = time.monotonic()
    alike = silent = 0
    different: list[str] = []
    while alike + len(different) < wanted and time.monotonic() < deadline:
        parts = next(texts)
        match same("".join(parts)):
            case True:
                alike += 1
            case False:
                different.append(lexing.shrunk(parts, lambda text: same(text) is False))
            case None:
                silent += 1
    report.texts(title, alike, different, silent, began)


def check_lexer(report: Report, seed: int, wanted: int, deadline: float) -> None:
    texts = endless(lexing.text_of, seed)
    check_texts(report, "fuzzed texts lexed", texts, lexing.same_tokens, wanted, deadline)


def check_backslashes(report: Report, seed: int, wanted: int, deadline: float, version: int) -> None:
    title = f"lexed with standard_conforming_strings = off, judged by Postgres {version}"
    server = servers.start(version)
    try:
        with server.connect() as session:
            scanner = lexing.Scanner(session)
            check_texts(report, title, endless(lexing.literals_of, seed), scanner.same, wanted, deadline)
    finally:
        server.stop()


def endless(make: Callable[[random.Random], list[str]], seed: int) -> Iterator[list[str]]:
    rng = random.Random(seed)
    while True:
        yield make(rng)


@click.command()
@click.option(
    "--number", default=0, help="Mutants accepted by libpg_query, and fuzzed texts; 0: as many as --minutes allow."
)
@click.option("--minutes", default=10.0, help="How long without --number.")
@click.option("--seed", default=0, help="Of everything made up; 0: a new one.")
@click.option(
    "--only", type=click.Choice(["corpus", "mutants", "lexer", "backslashes"]), multiple=True, help="Not the rest."
)
def main(number: int, minutes: float, seed: int, only: tuple[str, ...]) -> None:
    """Compare our reading of SQL with Postgres's own, and print the figures."""
    report = Report()
    seed = seed or secrets.randbits(31)
    report.say(f"seed {seed}")
    found = corpus(report.say)
    for source, count in sorted(found.counts.items()):
        report.say(f"  {source:28} {count:7,} statements")

    def until(share: float) -> tuple[int, float]:
        return (number, float("inf")) if number else (1 << 62, time.monotonic() + share * minutes * 60)

    if not only or "corpus" in only:
        check_corpus(report, found)
    if not only or "lexer" in only:
        check_lexer(report, seed, *until(0.1))
    if not only or "backslashes" in only:
        for version in (13, 18):
            check_backslashes(report, seed, *until(0.05), version)
    if not only or "mutants" in only:
        check_mutants(report, found, seed, *until(0.75))
    sys.exit(0 if report.right else 1)


if __name__ == "__main__":
    main()
