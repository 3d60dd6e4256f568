"""Traces by OpenTelemetry, where they are asked for: a span for each request, whose parent is the caller's.

Needs the extra `tiffin-serve[opentelemetry]`.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import Any

from tiffin_serve._errors import ServeError
from tiffin_serve._layers import Handler
from tiffin_serve._requests import Request, Response


def with_spans(handler: Handler, provider: Any = None) -> Handler:
    """Make a span for each request; models are told of it as their call's trace parent.

    Args:
        handler: answers.
        provider: makes tracers; `None` for the program's own, or one that OpenTelemetry's variables describe.

    Raises:
        ServeError: a package that this needs is not installed, or what its variables name is not.
    """
    try:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError as error:
        raise ServeError(
            "Traces need OpenTelemetry, which is not installed", fix="Try: pip install 'tiffin-serve[opentelemetry]'"
        ) from error
    tracer = trace.get_tracer("tiffin.serve", tracer_provider=provider or _provider(trace))
    propagator = TraceContextTextMapPropagator()

    async def traced(request: Request) -> Response:
        carrier = {name: value for name in ("traceparent", "tracestate") if (value := request.headers.get(name))}
        context = propagator.extract(carrier)
        with tracer.start_as_current_span(request.method[:20], context, trace.SpanKind.SERVER) as span:
            told: dict[str, str] = {}
            propagator.inject(told)
            request.trace_parent = told.get("traceparent", "")
            response = await handler(request)
            span.set_attribute("http.request.method", request.method[:20])
            span.set_attribute("url.path", request.path[:500])
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= 500:
                span.set_status(trace.StatusCode.ERROR)
            return response

    return traced


def _provider(trace: Any) -> Any:
    """Return the program's provider, or make the one that OTEL_TRACES_EXPORTER describes."""
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not found:
        raise ServeError(
            f"There is no exporter of traces {name!r}",
            why="The variable OTEL_TRACES_EXPORTER names it; without it that is otlp",
            fix="Try: pip install opentelemetry-exporter-otlp, or OTEL_TRACES_EXPORTER=console",
        )
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
    trace.set_tracer_provider(provider)
    return provider
