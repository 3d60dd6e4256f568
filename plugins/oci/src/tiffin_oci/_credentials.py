"""Credentials as docker and podman keep them: their files, and the programs (credential helpers) that these name."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tiffin.exceptions import ConfigError

HELPER_TIMEOUT = 60
"""Seconds that a helper has: it may ask its user for a password."""
MAX_FILE = 1 << 20
_HELPER = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_TOKEN_USER = "<token>"
"""The user name with which a helper says that the secret is an identity token."""


class Credentials(NamedTuple):
    """Who asks. Either a user with a password, or an identity token (a refresh token of OAuth 2)."""

    user: str = ""
    password: str = ""
    identity_token: str = ""

    def __bool__(self) -> bool:
        return bool(self.user or self.identity_token)

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, …)"  # a secret in a traceback or log is a secret no more


def find_credentials(host: str, path: str, environ: Mapping[str, str] | None = None) -> Credentials:
    """Return what docker's or podman's configuration has for a registry; empty credentials if none has any.

    Args:
        host: the registry, with its port if it has one.
        path: the namespace: podman may keep credentials for a part of a registry.
        environ: the environment; `None` stands for this process's.

    Raises:
        ConfigError: a file is not valid, or the program that it names cannot be run.
    """
    environ = os.environ if environ is None else environ
    for file in _files(environ):
        found = _in_file(file, host, path, environ)
        if found:
            return found
    return Credentials()


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    if environ.get("REGISTRY_AUTH_FILE"):
        yield Path(environ["REGISTRY_AUTH_FILE"])
    yield Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if environ.get("XDG_RUNTIME_DIR"):
        yield Path(environ["XDG_RUNTIME_DIR"]) / "containers" / "auth.json"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"


def _in_file(file: Path, host: str, path: str, environ: Mapping[str, str]) -> Credentials:
    config = _read(file)
    helpers, auths = _table(config, "credHelpers", file), _table(config, "auths", file)
    keys = list(_keys(host, path))
    for key in keys:
        if isinstance(helpers.get(key), str) and helpers[key]:
            return _ask_helper(helpers[key], key, file, environ)
    store = config.get("credsStore")
    if isinstance(store, str) and store:
        for key in keys:
            if found := _ask_helper(store, key, file, environ):
                return found
    by_host = {_plain_key(key): entry for key, entry in auths.items()}
    for key in keys:
        entry = auths.get(key) or by_host.get(_plain_key(key))
        if isinstance(entry, Mapping) and (found := _entry(entry, key, file)):
            return found
    return Credentials()


def _keys(host: str, path: str) -> Iterator[str]:
    """Return the names under which credentials may be kept, the most particular first."""
    parts = path.split("/") if path else []
    for length in range(len(parts), 0, -1):
        yield "/".join((host, *parts[:length]))
    yield host
    if host in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        yield "https://index.docker.io/v1/"
        yield "docker.io"


def _plain_key(key: str) -> str:
    # Old entries are URLs with a version of the protocol.
    return re.sub(r"/v[12]/?\Z", "", re.sub(r"\Ahttps?://", "", key)).rstrip("/")


def _entry(entry: Mapping[str, Any], key: str, file: Path) -> Credentials:
    user, password = entry.get("username") or "", entry.get("password") or ""
    if entry.get("auth"):
        try:
            user, colon, password = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise ConfigError(
                f"The entry 'auth' of {key!r} in {file} is not valid",
                why="It has to be the base64 of user:password",
                fix=f"Try: docker login {key}",
                path=str(file),
            ) from None
        password = password.rstrip("\0")
    token = entry.get("identitytoken") or ""
    return Credentials(str(user), str(password), str(token))


def _ask_helper(name: str, key: str, file: Path, environ: Mapping[str, str]) -> Credentials:
    program = f"docker-credential-{name}"
    found = shutil.which(program, path=environ.get("PATH")) if _HELPER.fullmatch(name) else None
    if found is None:
        raise ConfigError(
            f"{file} names the credential helper {name!r} for {key}, and there is no program {program} on PATH",
            fix="Install it, or remove it from the file and log in anew",
            path=str(file),
        )
    try:
        answer = subprocess.run(
            [found, "get"],
            input=key.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=HELPER_TIMEOUT,
            check=False,
            env=dict(environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(
            f"The credential helper {program}, which {file} names for {key}, did not answer: {type(error).__name__}",
            fix=f"Try it: echo {key} | {program} get",
            path=str(file),
        ) from None  # the cause would show what it was given
    if answer.returncode:
        if b"not found" in answer.stdout.lower():
            return Credentials()
        raise ConfigError(
            f"The credential helper {program}, which {file} names for {key}, failed with exit code {answer.returncode}",
            fix=f"Try it: echo {key} | {program} get",
            path=str(file),
        )
    try:
        data = json.loads(answer.stdout)
        user, secret = str(data["Username"]), str(data["Secret"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"The credential helper {program}, which {file} names for {key}, gave no user and secret",
            fix=f"Try it: echo {key} | {program} get",
            path=str(file),
        ) from None
    return Credentials(identity_token=secret) if user == _TOKEN_USER else Credentials(user, secret)


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as source:
            text = source.read(MAX_FILE + 1)
        data = json.loads(text) if len(text) <= MAX_FILE else None
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(
            f"{file}, where credentials may be, cannot be read: {error.strerror}", path=str(file)
        ) from error
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ConfigError(
            f"{file}, where credentials may be, is not valid",
            why="It has to be a JSON object",
            fix="Repair or remove it, and log in anew",
            path=str(file),
        ) from None
    return data


def _table(config: Mapping[str, Any], key: str, file: Path) -> dict[str, Any]:
    table = config.get(key) or {}
    if not isinstance(table, dict):
        raise ConfigError(f"{key!r} in {file} is not valid: it has to be a JSON object", path=str(file))
    return table
