"""Settings: $TIFFIN_HOME/config.toml, and environment variables that come before it.

Read when something asks for a setting, not at import. A file that is not there has no settings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tiffin._home import home
from tiffin.exceptions import ConfigError

TRUST_POLICY = "TIFFIN_TRUST_POLICY"
"""The environment variable that comes before `policy` in the section `[trust]`."""
POLICIES = ("ask", "allow-listed", "never", "always")
"""What may be done with a model from elsewhere whose files can run code; see `trust_policy`."""

_read: dict[str, tuple[tuple[int, int, int], dict[str, Any]]] = {}


def config_path() -> Path:
    """Return the path of the settings file; it need not exist."""
    return home() / "config.toml"


def read_config() -> Mapping[str, Any]:
    """Return the settings file's content, empty where there is no file; read again only after it changed.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    path = config_path()
    try:
        status = path.stat()
        stamp = status.st_mtime_ns, status.st_size, status.st_ino
        known = _read.get(str(path))
        if known is not None and known[0] == stamp:
            return known[1]
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The settings in {path} cannot be read: {error}", fix="Make it readable, or delete it", path=str(path)
        ) from error
    content = parse_config(text, path)
    _read[str(path)] = stamp, content
    return content


def parse_config(text: str, path: Path) -> dict[str, Any]:
    """Return the content of a settings file's text.

    Raises:
        ConfigError: it is not TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"The settings in {path} are not valid TOML: {error}", fix="Mend the line, or delete it", path=str(path)
        ) from error
    return content


def section(name: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    """Return one section of the settings, empty where it is not there.

    Args:
        name: the section's name, "trust" for `[trust]`.
        known: the settings that it may have. Others are refused: a misspelled one would silently not count.

    Raises:
        ConfigError: the file or the section is not valid.
    """
    found = read_config().get(name, {})
    path = str(config_path())
    if not isinstance(found, Mapping):
        raise ConfigError(f"{name!r} in {path} is not a section", fix=f"Write [{name}] on a line of its own", path=path)
    for key in found:
        if key not in known:
            close = get_close_matches(key, known, 1)
            raise ConfigError(
                f"The section [{name}] in {path} has an unknown setting {key!r}",
                why="Known are " + ", ".join(known),
                fix=f"Did you mean {close[0]!r}?" if close else "Remove it",
                path=path,
            )
    return found


def trust_policy() -> str:
    """Return what to do with a model from elsewhere whose files can run code: one of `POLICIES`.

    "ask", the default: it loads if all that it would import is allowed, or once it is trusted. "allow-listed": it loads if
    all that it would import is allowed; trust given by hand does not count. "never": it does not load. "always": it loads,
    unseen.

    Raises:
        ConfigError: the setting is none of these.
    """
    value = os.environ.get(TRUST_POLICY)
    where = f"${TRUST_POLICY}"
    if not value:
        where = str(config_path())
        value = section("trust", ("policy",)).get("policy", "ask")
    if value not in POLICIES:
        raise ConfigError(
            f"The trust policy in {where} is {value!r}",
            why="It is one of " + ", ".join(POLICIES),
            fix="Nothing from elsewhere is loaded until it is mended",
            path=where,
        )
    return str(value)
