"""What operators ask: /livez, /readyz, /metrics."""

from __future__ import annotations

from tiffin.runners import metrics_text
from tiffin_serve._application import Application, json_response
from tiffin_serve._json_forms import JSON, write_json
from tiffin_serve._requests import Request, Response
from tiffin_serve._running import Offer, is_ready
from tiffin_serve._summing import sum_texts

METRICS = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]


def add_health(application: Application, offer: Offer) -> None:
    """Route /livez, /readyz and /metrics."""

    async def live(request: Request) -> Response:
        return json_response({"live": True})

    async def ready(request: Request) -> Response:
        told = {"ready": is_ready(offer), "draining": offer.draining, "models": offer.states()}
        return Response(200 if told["ready"] else 503, write_json(told), JSON)

    async def metrics(request: Request) -> Response:
        assert application.count is not None
        text = sum_texts([metrics_text(*await offer.metrics()), await application.count()])
        return Response(200, text.encode(), METRICS)

    async def count() -> str:
        return application.traffic.text() + offer.counts()

    if application.count is None:
        application.count = count
    application.route("GET", "/livez", live)
    application.route("GET", "/readyz", ready)
    application.route("GET", "/metrics", metrics)
