"""The remotes that config.toml names, and the default one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from tiffin.config import config_path, read_config
from tiffin.exceptions import ConfigError, InvalidTagError
from tiffin.hints import known
from tiffin.places import is_url, redact
from tiffin.showing import close_names, command
from tiffin.tags import check_part

DEFAULT = "TIFFIN_REMOTE"
"""The environment variable that names the default remote, before `default` in the section `[remotes]`."""
_KNOWN = ("url", "options")
_SCHEMES = ("ftp", "file", "memory")
"""Schemes of URLs that need no package beyond core."""


@attrs.frozen
class NamedRemote:
    """A remote of config.toml.

    Attributes:
        name: what it is called.
        url: its URL, or the path of a folder.
        options: options of its driver: endpoints, credentials, …
        default: whether it is meant where no remote is named.
    """

    name: str
    url: str
    options: Mapping[str, Any] = attrs.field(factory=dict)
    default: bool = False


def named_remotes() -> list[NamedRemote]:
    """Return the remotes of config.toml, by name.

    Raises:
        ConfigError: the section `[remotes]` is not valid.
    """
    path = str(config_path())
    found = read_config().get("remotes", {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"'remotes' in {path} is not a section", fix="Write [remotes.NAME] before each", path=path)
    default = found.get("default")
    if default is not None and not isinstance(default, str):
        raise ConfigError(f"The default remote in {path} is {default!r}, not a name", path=path)
    remotes = [_read(name, value, path, default) for name, value in sorted(found.items()) if name != "default"]
    if default is not None and default not in found:
        raise ConfigError(
            f"The default remote in {path} is {default!r}, which it does not have",
            why="It has " + (", ".join(remote.name for remote in remotes) or "none"),
            fix="Add it (tiffin remotes add), or name another default",
            path=path,
        )
    return remotes


def _read(name: str, value: Any, path: str, default: str | None) -> NamedRemote:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"The section [remotes] in {path} has an unknown setting {name!r}",
            why="Known are 'default', and sections of the name of a remote",
            fix=f'Write [remotes.{name}] on a line of its own, and url = "…" below it',
            path=path,
        )
    _check_name(name, path)
    for key in value:
        if key not in _KNOWN:
            raise ConfigError(
                f"The section [remotes.{name}] in {path} has an unknown setting {key!r}",
                why="Known are " + ", ".join(_KNOWN),
                fix="Options of a driver belong below [remotes." + name + ".options]",
                path=path,
            )
    url, options = value.get("url"), value.get("options", {})
    if not isinstance(url, str) or not url or not isinstance(options, Mapping):
        raise ConfigError(
            f"The section [remotes.{name}] in {path} has no valid url and options",
            fix='Write url = "s3://bucket/folder", and options as a section',
            path=path,
        )
    return NamedRemote(name, url, dict(options), name == default)


def _check_name(name: str, path: str) -> None:
    try:
        check_part(name, "remote's name")
    except InvalidTagError as error:
        raise ConfigError(f"{name!r} cannot be the name of a remote", why=error.why, path=path) from error
    if name == "default":
        raise ConfigError("A remote cannot be called 'default'", why="That setting names the default one", path=path)


def default_remote() -> str | None:
    """Return the name or URL of the default remote: $TIFFIN_REMOTE, else config.toml's, else its only one.

    Raises:
        ConfigError: the section `[remotes]` is not valid.
    """
    if chosen := os.environ.get(DEFAULT):
        return chosen
    remotes = named_remotes()
    for remote in remotes:
        if remote.default:
            return remote.name
    return remotes[0].name if len(remotes) == 1 else None


def add_remote(
    name: str,
    url: str,
    options: Mapping[str, Any] | None = None,
    *,
    default: bool = False,
    force: bool = False,
) -> NamedRemote:
    """Write a remote into config.toml; the rest of the file stays as it is, comments included.

    Args:
        name: what to call it; the rules are those of a model's name.
        url: its URL, or the path of a folder.
        options: options of its driver: strings, numbers, booleans. Credentials are better left to the driver's own places.
        default: whether it becomes the default.
        force: whether one of the name that has another URL or other options is replaced. One that has the same URL needs
            no force, and keeps its options where none are given.

    Raises:
        ConfigError: the name is not allowed or taken, the URL lacks its "//", or the file cannot be changed.
    """
    path = str(config_path())
    _check_name(name, path)
    if not url or url.startswith("://"):
        raise ConfigError(
            f"{redact(url)!r} is neither a URL nor the path of a folder",
            fix="Write s3://…, file:///…, or a path",
            path=path,
        )
    check_place(url)
    if not is_url(url):
        url = os.path.abspath(os.path.expanduser(url))
    with _changing():
        return _add(NamedRemote(name, url, dict(options or {}), default), path, force=force)


def _add(remote: NamedRemote, path: str, *, force: bool) -> NamedRemote:
    name, url = remote.name, remote.url
    old = next((known for known in named_remotes() if known.name == name), None)
    if old is not None and not force:
        if old.url != url or remote.options not in ({}, old.options):
            changed = "" if old.url != url else ", with other options"
            raise ConfigError(
                f"There is a remote {name!r} already: {redact(old.url)}{changed}",
                fix="Choose another name, or pass force=True (--force)",
                path=path,
            )
        remote = attrs.evolve(remote, options=old.options)
    content = _plain(read_config())
    section = content.setdefault("remotes", {})
    section[name] = {"url": url, **({"options": dict(remote.options)} if remote.options else {})}
    text = _without(_text(), name)
    if remote.default:
        section["default"] = name
        text = _with_default(text, name)
    lines = [f"[remotes.{name}]", f"url = {_toml(url)}"]
    if remote.options:
        lines += [
            "",
            f"[remotes.{name}.options]",
            *(f"{_key(key)} = {_toml(value)}" for key, value in remote.options.items()),
        ]
    _write(f"{text.rstrip()}\n\n".lstrip() + "\n".join(lines) + "\n", content)
    return remote


def remove_remote(name: str) -> None:
    """Remove a remote from config.toml; what is on the remote stays.

    Raises:
        ConfigError: there is no such remote, or the file cannot be changed.
    """
    with _changing():
        _remove(name)


def _remove(name: str) -> None:
    known = [remote.name for remote in named_remotes()]
    if name not in known:
        close = close_names(name, known, 1)
        raise ConfigError(
            f"There is no remote {name!r}",
            why=f"config.toml has {', '.join(known)}" if known else "config.toml has none",
            fix=f"Did you mean {close[0]!r}?" if close else "",
            path=str(config_path()),
        )
    content = _plain(read_config())
    del content["remotes"][name]
    text = _without(_text(), name)
    if content["remotes"].get("default") == name:
        del content["remotes"]["default"]
        text = _with_default(text, None)
    if not content["remotes"]:
        del content["remotes"]
        text = re.sub(r"(?m)^\[remotes\][ \t]*\n?", "", text)
    _write(text, content)


def unknown_remote(name: str, known: list[str]) -> ConfigError:
    """Return the error for a name that no remote has."""
    close = close_names(name, known, 1)
    if close:
        fix = f"Did you mean {close[0]!r}?"
    elif os.path.isdir(name):
        fix = f"If the folder of this name is meant, write ./{name}"
    else:
        fix = "Write a URL (s3://…, file:///…), or a path with a /"
        if offered := command("tiffin", "remotes", "add", name, "URL"):
            fix += f"; or name one: {offered}"
    return ConfigError(
        f"There is no remote {name!r}",
        why=f"config.toml has {', '.join(known)}" if known else "config.toml has none",
        fix=fix,
        path=str(config_path()),
    )


def check_place(text: str) -> None:
    """Refuse a URL that lacks its "//" or its scheme: it would be taken for a folder, and one of that name be made.

    Raises:
        ConfigError: it begins as a URL or HOST:PORT does, and no folder is called so.
    """
    first, _, rest = text.partition("/")
    if is_url(text) or ":" not in first or os.path.lexists(first):
        return
    scheme, _, after = first.partition(":")
    if after.isdigit():
        fix = f"If a container registry is meant, write oci://{text}"
    elif not after and scheme in {*_SCHEMES, *known("drivers"), *known("remotes")}:
        fix = f"Write {scheme}://{rest.lstrip('/')}"
    elif not after:  # as scp and rsync name a folder of a host
        fix = f"If a folder of a server is meant, write sftp://{scheme}/{rest}"
    else:
        fix = "Write a URL with ://, such as sftp://HOST/FOLDER or oci://HOST:PORT/NAMESPACE"
    raise ConfigError(
        f"{text!r} is neither a URL nor a folder",
        why="A URL has :// behind its scheme",
        fix=f"{fix}; for a new folder of this name, ./{text}",
        path=str(config_path()),
    )


def _text() -> str:
    try:
        return config_path().read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _without(text: str, name: str) -> str:
    """Return the file's text without the sections of a remote."""
    kept, inside = [], False
    quoted = re.escape(name)
    header = re.compile(rf"""\s*\[\s*remotes\s*\.\s*["']?{quoted}["']?\s*(\.[^\]]*)?\]""")
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            inside = header.match(line) is not None
        if not inside:
            kept.append(line)
    return "".join(kept)


def _with_default(text: str, name: str | None) -> str:
    """Return the file's text with another default remote, or none."""
    kept, inside, done = [], False, name is None
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            inside = re.match(r"\s*\[\s*remotes\s*\]", line) is not None
        if inside and re.match(r"""\s*["']?default["']?\s*=""", line):
            if name is not None:
                kept.append(f"default = {_toml(name)}\n")
                done = True
            continue
        kept.append(line)
        if inside and not done and line.lstrip().startswith("["):
            kept[-1] = line.rstrip("\n") + "\n"
            kept.append(f"default = {_toml(name)}\n")
            done = True
    text = "".join(kept)
    return text if done else f"{text.rstrip()}\n\n".lstrip() + f"[remotes]\ndefault = {_toml(name)}\n"


def _write(text: str, expected: dict[str, Any]) -> None:
    """Write config.toml whole, if it then says what is expected.

    Raises:
        ConfigError: the file is written in a way that this cannot change, or may not be written.
    """
    from tiffin.config import parse_config

    path = Path(os.path.realpath(config_path()))
    try:
        found = parse_config(text, path)
    except ConfigError:
        found = None
    if found != expected:
        raise ConfigError(
            f"{path} cannot be changed by this command: its section of remotes is written in another way",
            why="Nothing was changed",
            fix="Change it in an editor",
            path=str(path),
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Options may hold credentials: others need not read them. What the owner chose for an existing file stays.
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", path=str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _changing() -> Iterator[None]:
    """Let one program at a time read, change and write config.toml: of two, one's change would be lost."""
    folder = Path(os.path.realpath(config_path())).parent
    with contextlib.ExitStack() as stack:
        # Where the folder cannot be locked or made, writing says what is wrong, or there is nobody else.
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(below) if isinstance(below, Mapping) else below for key, below in value.items()}


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_toml(below)}" for key, below in value.items()) + "}"
    # A string of JSON is one of TOML, but for one character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
