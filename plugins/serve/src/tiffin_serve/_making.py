"""Which endpoints there are."""

from __future__ import annotations

from tiffin_serve._application import Application
from tiffin_serve._calling import add_calls
from tiffin_serve._description import add_description
from tiffin_serve._health import add_health
from tiffin_serve._pages import add_pages
from tiffin_serve._protocol import add_protocol
from tiffin_serve._requests import Limits
from tiffin_serve._served import Shelf


def make_application(
    shelf: Shelf, limits: Limits | None = None, *, oip_root: str = "/v2", openai: bool = False
) -> Application:
    """Return an application with every endpoint of what is served.

    Args:
        shelf: what is served.
        limits: what a request may take up.
        oip_root: where the paths of the Open Inference Protocol begin; empty or "/" for the root itself.
        openai: whether language models answer clients of OpenAI, too.
    """
    application = Application(limits)
    fill(application, shelf, oip_root, openai=openai)
    return application


def fill(application: Application, shelf: Shelf, oip_root: str = "/v2", *, openai: bool = False) -> None:
    """Give an application without endpoints those of what is served now; see `make_application`."""
    application.watch.exact = any(
        method.latency is not None for one in shelf.versions.values() for method in one.methods.values()
    )
    add_health(application, shelf)
    add_calls(application, shelf)
    root = oip_root.strip("/")
    application.oip_root = f"/{root}" if root else ""
    add_protocol(application, shelf, application.oip_root)
    if openai:
        from tiffin_serve._openai import add_openai

        add_openai(application, shelf)
    add_description(application, shelf)
    add_pages(application)
