"""What a target of `tiffin serve` is: a stored model's tag, or a service in a file of the user's."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

import tiffin
from tiffin.exceptions import InvalidTagError, ModelNotFoundError
from tiffin_serve._errors import ServeError
from tiffin_serve._service import Service


def find_service(target: str) -> Service | None:
    """Return the service that a target names; `None` where it is a model's tag.

    A service is named as "app:svc", the module in the current folder and the variable in it, or as "./app.py:svc". A target
    that is a stored model, too, is refused.

    Args:
        target: as the user wrote it. Its module is imported: it is the user's own code.

    Raises:
        ServeError: it is both, the module cannot be imported, or the variable is no service.
    """
    module, _, variable = target.partition(":")
    explicit = module.endswith(".py") and "/" in module
    path = Path(module) if explicit else Path(f"{module.replace('.', '/')}.py")
    if not variable.isidentifier() or not path.is_file():
        if explicit:
            raise ServeError(f"There is no file {module!r}", fix="Write ./FILE.py:VARIABLE")
        return None
    if not explicit and _is_stored(target):
        raise ServeError(
            f"{target!r} is a stored model and a service in {str(path)!r}",
            fix=f"Write ./{path}:{variable} for the service, or a full tag for the model",
        )
    return _load(path, variable)


def _is_stored(tag: str) -> bool:
    try:
        tiffin.get(tag)
    except (ModelNotFoundError, InvalidTagError):
        return False
    return True


def _load(path: Path, variable: str) -> Service:
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
