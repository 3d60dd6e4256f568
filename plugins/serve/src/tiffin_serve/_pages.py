"""Pages for people: what is served, with a call to try, and the description of all calls. Nothing comes from elsewhere."""

from __future__ import annotations

from pathlib import Path

from tiffin_serve._application import Application, Handler
from tiffin_serve._requests import Request, Response

ASSETS = Path(__file__).parent / "assets"
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a page may load and run: what comes from here as a file, and nothing that stands in a page."""


def add_pages(application: Application, *, first: bool = True) -> None:
    """Route the pages and what they load.

    Args:
        application: gets the routes.
        first: whether there is a page at "/".
    """
    for path in sorted(ASSETS.iterdir()):
        if path.suffix != ".html":
            application.route("GET", f"/assets/{path.name}", _file(path))
    application.route("GET", "/docs", _file(ASSETS / "docs.html"))
    if first:
        application.route("GET", "/", _file(ASSETS / "index.html"))


def _file(path: Path) -> Handler:
    body = path.read_bytes()
    headers = [
        ("content-type", f"{_TYPES[path.suffix]}; charset=utf-8"),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
    ]

    async def file(request: Request) -> Response:
        return Response(200, body, headers)

    return file
