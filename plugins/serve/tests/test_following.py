"""Aliases that move: the server goes along once the new version has proved itself, and loses nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin

ROWS = "[[1, 2, 3]]"
SUMS = "/models/sums/predict"
HOSTS = pytest.param(["--workers", "2", "--spares", "1"], marks=pytest.mark.slow)


def rollout(server: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask a server to move."""
    command = [sys.executable, "-m", "tiffin", "serve", "rollout", *arguments, "--port", str(server.port)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("options", [[], HOSTS])
def test_a_served_alias_that_moves_is_followed_and_no_request_is_lost(
    serving: Callable[..., Any], options: list[str]
) -> None:
    """While calls run, the alias goes to and fro; each is answered."""
    one = serving("sums:prod", "--follow", "0.05", *options)
    moves = 20 if options else 6
    with one.called(SUMS, ROWS) as calls:
        for number in range(moves):
            version = f"sums:{2 - number % 2}"
            tiffin.models.set_alias(version, "prod")
            while one.status()["targets"][0]["serves"] != version:
                calls.further(1)
            calls.further(10)
    assert calls.statuses == {200: calls.sent}
    assert one.process.poll() is None


@pytest.mark.parametrize("options", [[], HOSTS])
def test_a_version_that_does_not_do_is_not_served_and_the_server_says_why(
    serving: Callable[..., Any], options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers otherwise than when it was saved, or is not trusted: the old one goes on."""
    import served_models

    by_row = {"predict": {"batchable": True}}
    tiffin.save("sums:3", served_models.Drifting(), signatures=by_row, examples=np.ones((2, 3)))
    stranger = served_models.Sums()
    stranger.note = "from elsewhere"
    elsewhere = tiffin.ModelStore(tmp_path / "elsewhere")
    tiffin.save("sums:4", stranger, signatures=by_row, store=elsewhere)
    tiffin.models.export_model("sums:4", tmp_path / "sums.tiffin", store=elsewhere)
    tiffin.models.import_model(tmp_path / "sums.tiffin")
    monkeypatch.setenv("DRIFT", "1")
    one = serving("sums:prod", "--follow", "0.05", *options)
    for version, why in (("3", "otherwise than when it was saved"), ("4", "trust")):
        tiffin.models.set_alias(f"sums:{version}", "prod")
        with one.called(SUMS, ROWS) as calls:
            while why not in (told := one.status()["targets"][0])["trouble"]:
                calls.further(1)
        assert told["serves"] == "sums:1"
        assert calls.statuses == {200: calls.sent}
    asked = rollout(one, "sums:prod")
    assert asked.returncode == 1
    assert "trust" in asked.stderr
    tiffin.models.trust("sums:4")
    assert rollout(one, "sums:prod").stdout == "sums:prod serves sums:4\n"
    assert rollout(one, "sums:prod", "--to", "sums:2").stdout == "sums:prod serves sums:2\n"
    # What was moved by hand stays over many looks at the alias, until that moves.
    assert {one.status()["targets"][0]["serves"] for _ in range(5)} == {"sums:2"}
    tiffin.models.set_alias("sums:1", "prod")
    while one.status()["targets"][0]["serves"] != "sums:1":
        assert one.process.poll() is None
    assert "sums:prod stays sums:1: Model 'sums:3' answers" in one.ended()


def test_what_is_no_alias_stays_until_it_is_asked(serving: Callable[..., Any]) -> None:
    """A name alone means the newest version at the start; a later one is served when somebody says so."""
    import served_models

    one = serving("sums")
    assert one.status()["targets"][0]["serves"] == "sums:2"
    tiffin.save("sums:9", served_models.Sums(), signatures={"predict": {"batchable": True}})
    assert rollout(one, "words").returncode == 1
    assert rollout(one, "sums", "--to", "words").returncode == 1
    assert rollout(one, "sums").stdout == "sums serves sums:9\n"
    told = one.status()
    assert (told["targets"][0]["serves"], told["targets"][0]["follows"]) == ("sums:9", False)
