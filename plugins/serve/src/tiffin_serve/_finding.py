"""Services in files of the user's."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from tiffin_serve._errors import ServeError
from tiffin_serve._service import Service
from tiffin_serve._targets import parse_service


def load_service(target: str) -> Service:
    """Return the service that a target names. Its module is imported: it is the user's own code.

    Raises:
        ServeError: the module cannot be imported, or the variable is no service.
    """
    path, variable, _ = parse_service(target)
    name = ".".join(path.with_suffix("").parts)
    folder = str(Path.cwd())
    if path.is_absolute() or ".." in path.parts:
        name, folder = path.stem, str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(name)
    # The user's own module may fail in any way; that is told in words, and with the place.
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise ServeError(
            f"{str(path)!r} cannot be imported: {type(error).__name__}: {error}",
            why=f"That is from {last.filename}, line {last.lineno}",
        ) from error
    found = getattr(module, variable, None)
    if not isinstance(found, Service):
        names = [key for key, value in vars(module).items() if isinstance(value, Service)]
        raise ServeError(
            f"{variable!r} in {str(path)!r} is {'no Service' if hasattr(module, variable) else 'not there'}",
            fix=f"There is: {', '.join(names)}" if names else f"Write there: {variable} = tiffin_serve.Service('name')",
        )
    return found
