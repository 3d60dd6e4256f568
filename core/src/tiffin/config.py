"""Settings: $TIFFIN_HOME/config.toml, and environment variables that come before it.

Read when something asks for a setting, not at import. A file that is not there has no settings.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from tiffin.exceptions import ConfigError, ConfigWarning
from tiffin.home import home
from tiffin.showing import close_names, command

TRUST_POLICY = "TIFFIN_TRUST_POLICY"
"""The environment variable that comes before `policy` in the section `[trust]`."""
POLICIES = ("ask", "allow-listed", "never", "always")
"""What may be done with a model from elsewhere whose files can run code; see `trust_policy`."""

TRASH_DAYS = 7
"""Days that deleted models are kept, where nothing else is set."""

_TRUST = ("policy", "keys")
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
    import tomllib

    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"The settings in {path} are not valid TOML: {error}", fix="Mend the line, or delete it", path=str(path)
        ) from error
    return content


def _trust() -> Mapping[str, Any]:
    """Return the section `[trust]`, empty where somebody else could have written it.

    Warns:
        ConfigWarning: another user owns the file, or may write to it.
    """
    found = section("trust", _TRUST)
    path = config_path()
    if found and (problem := _written_by_others(path)):
        warnings.warn(
            f"The section [trust] in {path} does not count: {problem}. Whoever writes there decides what runs here. Make it "
            f"yours alone: {command('chmod', 'go-w', str(path))}",
            ConfigWarning,
            stacklevel=2,
        )
        return {}
    return found


def _written_by_others(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        return f"who may write to it cannot be told ({error.strerror})"
    if status.st_uid not in (os.getuid(), 0):
        return "another user owns the file"
    return "others may write to the file" if status.st_mode & 0o022 else ""


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
    _check_known(f"section [{name}]", found, known, path)
    return found


def _check_known(where: str, found: Mapping[str, Any], known: tuple[str, ...], path: str) -> None:
    for key in found:
        if key not in known:
            close = close_names(key, known, 1)
            raise ConfigError(
                f"The {where} in {path} has an unknown setting {key!r}",
                why="Known are " + ", ".join(known),
                fix=f"Did you mean {close[0]!r}?" if close else "Remove it",
                path=path,
            )


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
        value = _trust().get("policy", "ask")
    if value not in POLICIES:
        raise ConfigError(
            f"The trust policy in {where} is {value!r}",
            why="It is one of " + ", ".join(POLICIES),
            fix="Nothing from elsewhere is loaded until it is mended",
            path=where,
        )
    return str(value)


def trash_days() -> float:
    """Return for how many days deleted models are kept: `days` of the section `[trash]`, 7 by default.

    Raises:
        ConfigError: the setting is no such number.
    """
    days = section("trash", ("days",)).get("days", TRASH_DAYS)
    if isinstance(days, bool) or not isinstance(days, (int, float)) or not 0 <= days <= 36_500:
        path = str(config_path())
        raise ConfigError(
            f"The days that deleted models are kept in {path} are {days!r}",
            why="They are a number from 0, which frees what is deleted with the next change, to 36,500",
            fix="Write, for example: days = 7",
            path=path,
        )
    return float(days)


class TrustedKey(NamedTuple):
    """A key whose attestations count as trust: patterns of the names of models for which it does, and its file."""

    models: tuple[str, ...]
    path: Path

    def is_for(self, name: str) -> bool:
        """Tell whether the key's attestations count for models of a name."""
        return any(fnmatchcase(name, pattern) for pattern in self.models)


def trusted_keys() -> tuple[TrustedKey, ...]:
    """Return the keys whose attestations count as trust: each `[[trust.keys]]` of the settings, with `models` and `key`.

    Reads none of the keys.

    Raises:
        ConfigError: an entry is not as it must be. All of them are refused then: one that does not count silently, or counts
            for more than it was meant to, is worse.
    """
    path = config_path()
    entries = _trust().get("keys", [])
    if not isinstance(entries, list):
        raise _not_a_key(f"'keys' is {entries!r}", path)
    keys = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            raise _not_a_key(f"entry {number} is {entry!r}", path)
        _check_known(f"entry {number} of [[trust.keys]]", entry, ("models", "key"), str(path))
        models, key = entry.get("models"), entry.get("key")
        patterns = [models] if isinstance(models, str) else models
        if not isinstance(patterns, list) or not patterns or not all(isinstance(p, str) and p for p in patterns):
            raise _not_a_key(f"'models' of entry {number} is {models!r}, not a pattern or a list of them", path)
        if not isinstance(key, str) or not key:
            raise _not_a_key(f"'key' of entry {number} is {key!r}, not the path of a public key", path)
        keys.append(TrustedKey(tuple(patterns), path.parent / Path(key).expanduser()))
    return tuple(keys)


def _not_a_key(what: str, path: Path) -> ConfigError:
    return ConfigError(
        f"[[trust.keys]] in {path} is not valid: {what}",
        why="Each entry says for which models a key's signatures count as trust",
        fix='Write, for example: models = "team-*" and key = "keys/team.pub"',
        path=str(path),
    )
