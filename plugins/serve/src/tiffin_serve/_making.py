"""Which endpoints there are."""

from __future__ import annotations

from tiffin_serve._application import Application
from tiffin_serve._calling import add_calls
from tiffin_serve._description import add_description
from tiffin_serve._health import add_health
from tiffin_serve._protocol import add_protocol
from tiffin_serve._requests import Limits
from tiffin_serve._served import Shelf


def make_application(shelf: Shelf, limits: Limits | None = None, *, oip_root: str = "/v2") -> Application:
    """Return an application with every endpoint of what is served.

    Args:
        shelf: what is served.
        limits: what a request may take up.
        oip_root: where the paths of the Open Inference Protocol begin; empty or "/" for the root itself.
    """
    application = Application(limits)
    fill(application, shelf, oip_root)
    return application


def fill(application: Application, shelf: Shelf, oip_root: str = "/v2") -> None:
    """Give an application without endpoints those of what is served now; see `make_application`."""
    add_health(application, shelf)
    add_calls(application, shelf)
    root = oip_root.strip("/")
    add_protocol(application, shelf, f"/{root}" if root else "")
    add_description(application, shelf)
