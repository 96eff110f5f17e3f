"""Prometheus's view: collected from the same rows when somebody scrapes, so that it costs nothing in between.

Labels come from closed sets only (rules, actions, states, lock modes, settings); never SQL, tables or users.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from proxy import __version__
from proxy.admin import rows
from proxy.admin.databases import Look
from proxy.admin.source import Source
from proxy.admin.table import Table
from proxy.policy.units import Duration, Size
from proxy.session.tally import Histogram, Tally


class Scrape(Collector):
    """``upstream_up`` as somebody has just tried."""

    def __init__(self, source: Source, tally: Tally, clients: Table, jobs: Table, upstream_up: bool) -> None:
        self.source = source
        self.tally = tally
        self.clients = clients
        self.jobs = jobs
        self.upstream_up = upstream_up

    def collect(self) -> Iterator[Metric]:
        tally = self.tally
        yield _gauge("interlock_up", "This proxy answers", 1)
        yield InfoMetricFamily("interlock_build", "This Interlock", {"version": __version__})
        yield _gauge("interlock_upstream_up", "The upstream takes connections", int(self.upstream_up))
        yield _gauge("interlock_start_time_seconds", "When this proxy began", self.source.started)
        yield self._clients()
        statements = CounterMetricFamily(
            "interlock_statements_total",
            "Statements that were decided about, by the rule that settled it",
            labels=("action", "rule"),
        )
        for (action, rule), count in sorted(tally.statements.items()):
            statements.add_metric((action, rule), count)
        yield statements
        decide = HistogramMetricFamily("interlock_decide_seconds", "From a statement's coming to the verdict")
        decide.add_metric((), *_buckets(tally.decide))
        yield decide
        steps = HistogramMetricFamily(
            "interlock_step_seconds", "How long steps of plans took, by their lock", labels=("lock",)
        )
        for lock, histogram in sorted(tally.steps.items()):
            steps.add_metric((lock,), *_buckets(histogram))
        yield steps
        yield CounterMetricFamily(
            "interlock_lock_timeouts_total",
            "Tries for a lock that were given up, to be tried again",
            value=tally.lock_timeouts,
        )
        yield CounterMetricFamily(
            "interlock_blocked_seconds_total",
            "For how long at most the application was blocked, summed up",
            value=tally.blocked_s,
        )
        yield from self._jobs()
        yield from self._policy()

    def _clients(self) -> Metric:
        found = Counter(str(row["state"]) for row in self.clients.dicts())
        clients = GaugeMetricFamily("interlock_clients", "Clients, by what they are about", labels=("state",))
        for state in rows.STATES:
            clients.add_metric((state,), found[state])
        return clients

    def _jobs(self) -> Iterator[Metric]:
        found = list(self.jobs.dicts())
        states = Counter(str(row["state"]) for row in found)
        jobs = GaugeMetricFamily("interlock_jobs", "What runs, waits or has failed", labels=("state",))
        for state in rows.JOB_STATES[:3]:
            jobs.add_metric((state,), states[state])
        yield jobs
        running = GaugeMetricFamily(
            "interlock_progress_ratio", "How far the present phase of what runs is", labels=("job",)
        )
        longest = 0.0
        seen: set[str] = set()
        for row in found:
            longest = max(longest, float(row["waits_s"] or 0))
            # Without a number it is a client's own statement; of several the first is told.
            name = str(row["job"] or "0")
            if row["state"] == "running" and row["progress"] is not None and name not in seen:
                seen.add(name)
                running.add_metric((name,), float(row["progress"]))
        yield running
        yield _gauge("interlock_longest_wait_seconds", "For how long what runs has waited for somebody else", longest)
        yield _gauge("interlock_jobs_paused", "Whether the console said PAUSE", int(self.source.paused))

    def _policy(self) -> Iterator[Metric]:
        policy = self.source.policy()
        yield InfoMetricFamily("interlock_policy", "The policy in force", {"sha": policy.sha, "mode": policy.mode})
        yield _gauge(
            "interlock_exceptions_expired",
            "Exceptions of the policy that have outlived their date",
            len(policy.expired(datetime.now(UTC))),
        )
        settings = GaugeMetricFamily("interlock_setting", "Limits of the policy, for red lines", labels=("name",))
        for path, _, _ in policy.values():
            if path[0] in ("locks", "builds", "backfills", "jobs", "small_tables"):
                value: object = policy.settings
                for key in path:
                    value = getattr(value, str(key), None)
                match value:
                    case Duration(ms=ms):
                        settings.add_metric((".".join(map(str, path)) + "_seconds",), ms / 1000)
                    case Size(bytes=size):
                        settings.add_metric((".".join(map(str, path)) + "_bytes",), size)
        yield settings


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def _buckets(histogram: Histogram) -> tuple[Sequence[tuple[str, float]], float]:
    """Cumulative, as Prometheus wants them."""
    total = 0
    found = []
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found, histogram.sum


async def exposition(source: Source, looks: Sequence[Look], upstream_up: bool) -> bytes:
    """The text of ``/metrics``."""
    registry = CollectorRegistry(auto_describe=False)
    scrape = Scrape(
        source, await rows.tally(source), await rows.clients(source), await rows.jobs(source, looks), upstream_up
    )
    registry.register(scrape)
    return generate_latest(registry)
