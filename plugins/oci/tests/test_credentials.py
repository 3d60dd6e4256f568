"""Docker's and podman's files of credentials, and the programs that they name."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tiffin.exceptions import ConfigError
from tiffin_oci._credentials import Credentials, find_credentials

ANN = Credentials("ann", "a:b")


def auth(credentials: Credentials = ANN) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment whose home is empty."""
    (tmp_path / "bin").mkdir()
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}


def write(environ: dict[str, str], path: str, config: Any) -> None:
    file = Path(environ["HOME"], path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")


def helper(environ: dict[str, str], name: str, script: str) -> None:
    file = Path(environ["HOME"], "bin", f"docker-credential-{name}")
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


@pytest.mark.parametrize("path", [".docker/config.json", ".config/containers/auth.json"])
def test_docker_and_podman_are_asked(environ: dict[str, str], path: str) -> None:
    """What `docker login` or `podman login` wrote is found in the home folder."""
    write(environ, path, {"auths": {"ghcr.io": auth()}})
    assert find_credentials("ghcr.io", "team", environ) == ANN
    assert not find_credentials("quay.io", "team", environ)


@pytest.mark.parametrize(
    ("variable", "value", "file"),
    [
        ("DOCKER_CONFIG", "elsewhere", "elsewhere/config.json"),
        ("REGISTRY_AUTH_FILE", "some.json", "some.json"),
        ("XDG_RUNTIME_DIR", "run", "run/containers/auth.json"),
        ("XDG_CONFIG_HOME", "conf", "conf/containers/auth.json"),
    ],
)
def test_variables_say_where_the_files_are(environ: dict[str, str], variable: str, value: str, file: str) -> None:
    """The variables of docker and podman are honoured."""
    environ[variable] = str(Path(environ["HOME"], value))
    write(environ, file, {"auths": {"ghcr.io": auth()}})
    assert find_credentials("ghcr.io", "", environ) == ANN


@pytest.mark.parametrize("key", ["https://ghcr.io", "https://ghcr.io/v2/", "http://ghcr.io/v1", "ghcr.io/"])
def test_old_forms_of_a_key_are_known(environ: dict[str, str], key: str) -> None:
    """Older versions wrote URLs."""
    write(environ, ".docker/config.json", {"auths": {key: auth()}})
    assert find_credentials("ghcr.io", "", environ) == ANN


def test_docker_hub_has_a_key_of_its_own(environ: dict[str, str]) -> None:
    """Docker keeps its own registry's login under a URL that nobody else uses."""
    write(environ, ".docker/config.json", {"auths": {"https://index.docker.io/v1/": auth()}})
    assert find_credentials("docker.io", "someone", environ) == ANN


def test_the_most_particular_entry_wins(environ: dict[str, str]) -> None:
    """Podman may keep a login for a part of a registry."""
    bob = Credentials("bob", "x")
    write(environ, ".docker/config.json", {"auths": {"ghcr.io": auth(), "ghcr.io/team/models": auth(bob)}})
    assert find_credentials("ghcr.io", "team/models", environ) == bob
    assert find_credentials("ghcr.io", "team", environ) == ANN


def test_a_helper_is_asked(environ: dict[str, str]) -> None:
    """A helper of the host comes before the store for all; its answer is user and secret."""
    helper(environ, "own", """[ "$1" = get ] && host=$(cat) && printf '{"Username": "ann", "Secret": "%s"}' "$host" """)
    helper(environ, "all", """echo '{"Username": "other", "Secret": "x"}'""")
    write(environ, ".docker/config.json", {"credHelpers": {"ghcr.io": "own"}, "credsStore": "all"})
    assert find_credentials("ghcr.io", "", environ) == Credentials("ann", "ghcr.io")
    assert find_credentials("quay.io", "", environ) == Credentials("other", "x")


def test_a_helper_may_give_an_identity_token(environ: dict[str, str]) -> None:
    """A user called <token> says that the secret is a refresh token."""
    helper(environ, "own", """echo '{"Username": "<token>", "Secret": "refresh"}'""")
    write(environ, ".docker/config.json", {"credsStore": "own"})
    assert find_credentials("ghcr.io", "", environ) == Credentials(identity_token="refresh")


def test_a_helper_that_has_nothing_leaves_the_files(environ: dict[str, str]) -> None:
    """No entry in the store is no error: what stands in the file counts then."""
    helper(environ, "own", "echo credentials not found in native keychain; exit 1")
    write(environ, ".docker/config.json", {"credsStore": "own", "auths": {"ghcr.io": auth(), "quay.io": {}}})
    assert find_credentials("ghcr.io", "", environ) == ANN
    assert not find_credentials("quay.io", "", environ)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo the secret is broken; exit 3", "failed with exit code 3"),
        ("echo secret", "gave no user and secret"),
        ("""echo '{"Username": "ann"}'""", "gave no user and secret"),
    ],
)
def test_a_helper_that_fails_is_named(environ: dict[str, str], script: str, text: str) -> None:
    """The error names the program and how to try it, and shows nothing of what it said."""
    helper(environ, "own", script)
    write(environ, ".docker/config.json", {"credsStore": "own"})
    with pytest.raises(ConfigError, match=f"docker-credential-own.*{text}") as caught:
        find_credentials("ghcr.io", "", environ)
    assert "secret is" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "../evil", "a b"])
def test_a_helper_that_is_not_there_is_named(environ: dict[str, str], name: str) -> None:
    """A helper is a program on PATH, never a path; without it the error says what is missing."""
    write(environ, ".docker/config.json", {"credHelpers": {"ghcr.io": name}})
    with pytest.raises(ConfigError, match="there is no program"):
        find_credentials("ghcr.io", "", environ)
    assert not find_credentials("quay.io", "", environ)


def test_a_helper_is_never_a_path(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the current folder is not run, whatever the file calls it."""
    helper(environ, "x", "touch ran")
    (tmp_path / "docker-credential-a").mkdir()
    (tmp_path / "bin" / "docker-credential-x").rename(tmp_path / "docker-credential-a" / "b")
    monkeypatch.chdir(tmp_path)
    write(environ, ".docker/config.json", {"credsStore": "a/b"})
    with pytest.raises(ConfigError, match="there is no program"):
        find_credentials("ghcr.io", "", environ)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"auths": 5}', '{"auths": {"ghcr.io": {"auth": "%%%"}}}', "[" * 99999]
)
def test_a_file_that_is_not_valid_is_named(environ: dict[str, str], content: str) -> None:
    """The error names the file, and shows nothing of it."""
    write(environ, ".docker/config.json", content)
    with pytest.raises(ConfigError, match=r"config\.json.* is not valid"):
        find_credentials("ghcr.io", "", environ)


def test_a_secret_is_not_in_the_repr() -> None:
    """What a log or a debugger shows of credentials is the user's name."""
    assert "a:b" not in repr(ANN)
