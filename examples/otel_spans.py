"""Spans of OpenTelemetry for what runners do: a plugin, and a program that uses it.

Each call that brings a `trace_parent` gets a span under it for each time that it ran, from when it came to when its batch had
ended, with how long it waited and how large the batch was.
"""

from __future__ import annotations

import time
from typing import Any

import numpy
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import tiffin


class Spans:
    """The plugin. A package offers it by the entry-point group `tiffin.plugins`."""

    @tiffin.hookimpl
    def batch_ran(self, batch: Any) -> None:
        tracer = trace.get_tracer("tiffin")
        since = time.time_ns() - time.monotonic_ns()  # the runner's clock starts anywhere
        for about, arrived in zip(batch.abouts, batch.arrived, strict=True):
            if about.trace_parent:
                parent = TraceContextTextMapPropagator().extract({"traceparent": about.trace_parent})
                attributes = {
                    "tiffin.request_id": about.request_id,
                    "tiffin.worker": batch.worker,
                    "tiffin.batch.rows": batch.rows,
                    "tiffin.queue_seconds": batch.started - arrived,
                }
                span = tracer.start_span(
                    f"{batch.runner}.{batch.method}",
                    parent,
                    attributes=attributes,
                    start_time=since + int(arrived * 1e9),
                )
                if batch.error is not None:
                    span.record_exception(batch.error)
                    span.set_status(trace.StatusCode.ERROR, type(batch.error).__name__)
                span.end(since + int(batch.finished * 1e9))


class Doubler(tiffin.Runnable):
    @tiffin.Runnable.method(batchable=True)
    def predict(self, x: Any) -> Any:
        return x * 2


if __name__ == "__main__":
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)
    tiffin.register(Spans(), name="spans")
    with tiffin.Runner(Doubler, name="doubler") as runner:
        call = runner.predict.options(trace_parent=f"00-{'ab' * 16}-{'cd' * 8}-01", request_id="req-17")
        answer = call.run(numpy.ones((1, 2)))
    print(answer)
