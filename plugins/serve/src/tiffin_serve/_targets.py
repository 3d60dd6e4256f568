"""What a target of `tiffin serve` is: a stored model's tag, or a service in a file of the user's."""

from __future__ import annotations

from pathlib import Path

import tiffin
from tiffin.exceptions import InvalidTagError, ModelNotFoundError
from tiffin_serve._errors import ServeError


def is_service(target: str) -> bool:
    """Tell whether a target names a service; else it is a model's tag.

    A service is named as "app:svc", the module in the current folder and the variable in it, or as "./app.py:svc". A target
    that is a stored model, too, is refused.

    Args:
        target: as the user wrote it. Nothing is imported.

    Raises:
        ServeError: it is both, or there is no such file.
    """
    path, variable, explicit = parse_service(target)
    if not variable.isidentifier() or not path.is_file():
        if explicit:
            raise ServeError(f"There is no file {target.rpartition(':')[0]!r}", fix="Write ./FILE.py:VARIABLE")
        return False
    if not explicit and _is_stored(target):
        raise ServeError(
            f"{target!r} is a stored model and a service in {str(path)!r}",
            fix=f"Write ./{path}:{variable} for the service, or a full tag for the model",
        )
    return True


def parse_service(target: str) -> tuple[Path, str, bool]:
    """Return the file and the variable that a target would name as a service, and whether it can be nothing else."""
    module, _, variable = target.rpartition(":")
    explicit = module.endswith(".py") and "/" in module
    return Path(module) if explicit else Path(f"{module.replace('.', '/')}.py"), variable, explicit


def _is_stored(tag: str) -> bool:
    try:
        tiffin.get(tag)
    except (ModelNotFoundError, InvalidTagError):
        return False
    return True
