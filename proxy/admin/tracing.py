"""A span for each decision, and one below it for each step that ran: OpenTelemetry, of the extra ``tracing``.

Where they go is said by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME …).  Names of attributes:
OpenTelemetry's semantic conventions for databases, and ``interlock.…``.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace import TracerProvider as AnyProvider

from proxy import __version__
from proxy.session.tally import Decision

NS = 1_000_000  # in a millisecond


def trace(provider: AnyProvider | None = None) -> Callable[[Decision], None]:
    """A listener for ``Tally``; without a provider spans go where the environment says."""
    tracer = (provider or _exporting()).get_tracer("interlock", __version__)

    def listen(decision: Decision) -> None:
        end = int(decision.at * 1000 * NS)
        begun = end - int(decision.took_ms * NS)
        span = tracer.start_span(
            f"interlock {decision.kind}",
            kind=SpanKind.INTERNAL,
            start_time=begun,
            attributes={
                "db.system.name": "postgresql",
                "db.namespace": decision.session["database"],
                "db.operation.name": decision.kind,
                "db.query.text": decision.sql,
                "interlock.action": decision.action,
                "interlock.rule": decision.rule,
                "interlock.outcome": decision.outcome,
                "interlock.tool": decision.session["tool"],
                "interlock.blocked_ms": decision.blocked_ms,
            },
        )
        if decision.sqlstate:
            span.set_attribute("db.response.status_code", decision.sqlstate)
            span.set_status(StatusCode.ERROR, decision.outcome)
        at = end - int(sum(step.took_ms + step.waited_ms for step in decision.steps) * NS)
        for step in decision.steps:
            until = at + int((step.took_ms + step.waited_ms) * NS)
            below = tracer.start_span(
                f"interlock step {step.lock}",
                context=set_span_in_context(span),
                start_time=max(begun, at),
                attributes={
                    "db.query.text": step.sql,
                    "interlock.lock": step.lock,
                    "interlock.attempts": step.attempts,
                },
            )
            below.end(until)
            at = until
        span.end(end)

    return listen


def _exporting() -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    name = os.environ.get("OTEL_SERVICE_NAME", "interlock")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
