"""Checking with other versions: an environment that is made for it, and of which nothing stays."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin.exceptions import FreshEnvironmentError
from tiffin.models import check


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store_home: Path) -> Path:
    """Return the folder in which temporary ones are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def saved() -> tiffin.Model:
    """Return a model with an example, whose class comes with it."""

    class Doubling:
        def double(self, rows: Any) -> Any:
            return rows * 2

    return tiffin.save("double:1", Doubling(), signatures={"double": {}}, examples=np.arange(3.0))


@pytest.mark.parametrize("requirement", ["--no-deps", "-e .", " "])
def test_what_pip_would_take_for_an_option_is_refused(saved: tiffin.Model, requirement: str, temporary: Path) -> None:
    """Before anything is made."""
    with pytest.raises(FreshEnvironmentError, match="is no requirement"):
        check(saved.tag, with_versions=[requirement])
    assert list(temporary.iterdir()) == []


def test_an_environment_that_cannot_be_made_is_told(saved: tiffin.Model, monkeypatch: Any, temporary: Path) -> None:
    """With the reason, and nothing of it stays."""

    def fails(*arguments: Any, **named: Any) -> None:
        raise OSError("there is no ensurepip")

    monkeypatch.setattr("venv.create", fails)
    with pytest.raises(FreshEnvironmentError, match=r"for cloudpickle==3 cannot be made: there is no ensurepip.*venv"):
        check(saved.tag, with_versions=["cloudpickle==3"])
    assert list(temporary.iterdir()) == []


def test_an_adapter_of_the_running_program_cannot_go_along(saved: tiffin.Model, monkeypatch: Any) -> None:
    """A fresh environment has only what can be installed."""
    monkeypatch.setattr(type(tiffin.plugins.registry()), "is_running", lambda self, name: name == "picklable")
    with pytest.raises(FreshEnvironmentError, match="'picklable' is an object of the running program"):
        check(saved.tag, with_versions=["cloudpickle==3"])


@pytest.mark.slow
def test_versions_that_pip_cannot_install_are_told_with_what_it_says(saved: tiffin.Model, temporary: Path) -> None:
    """And nothing of the environment stays."""
    with pytest.raises(FreshEnvironmentError, match=r"pip cannot install cloudpickle==0\.0\.0\.1.*(?i:error)"):
        check(saved.tag, with_versions=["cloudpickle==0.0.0.1"])
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_the_replay_has_the_versions_that_were_asked_for(saved: tiffin.Model, temporary: Path) -> None:
    """The report names them; the verdict is kept here; nothing of the environment stays."""
    report = check(saved.tag, with_versions=["cloudpickle==3.0.0"], keep=True)
    assert (report.verdict, report.versions_now["cloudpickle"]) == ("equal", "3.0.0")
    assert tiffin.get(saved.tag).labels == {"check": "equal"}
    assert list(temporary.iterdir()) == []
