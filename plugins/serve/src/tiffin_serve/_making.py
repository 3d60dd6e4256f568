"""Which endpoints there are."""

from __future__ import annotations

from tiffin_serve._application import Application
from tiffin_serve._calling import add_calls
from tiffin_serve._health import add_health
from tiffin_serve._requests import Limits
from tiffin_serve._served import Shelf


def make_application(shelf: Shelf, limits: Limits | None = None) -> Application:
    """Return an application with every endpoint of what is served.

    Args:
        shelf: what is served.
        limits: what a request may take up.
    """
    application = Application(limits)
    add_health(application, shelf)
    add_calls(application, shelf)
    return application
