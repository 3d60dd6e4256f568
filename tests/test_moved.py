"""Names of modules that have moved lead to where things are now: programs and pickles of earlier versions hold them."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import tiffin
from inside.moved import MOVED

NAMES = Path(__file__).parent / "data" / "names" / "names-before-the-rooms.pkl"


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_of_a_module_is_the_module_that_is_there_now(old: str) -> None:
    """Whoever imports it gets the same classes as everybody else, not copies."""
    pytest.importorskip(MOVED[old].partition(".")[0], reason="it is in a package of its own now")
    assert importlib.import_module(old) is importlib.import_module(MOVED[old])


def test_what_went_into_a_package_that_is_not_installed_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports the old name learns what to install."""
    monkeypatch.delitem(sys.modules, "tiffin.signing", raising=False)
    monkeypatch.setitem(sys.modules, "tiffin_signing", None)
    text = r"'tiffin\.signing' is in a package of its own now\. Try: pip install 'tiffin\[signing\]'"
    with pytest.raises(ModuleNotFoundError, match=text):
        importlib.import_module("tiffin.signing")


def test_moved_modules_are_attributes_of_tiffin_as_before() -> None:
    """`tiffin.transfer.Limits` and `from tiffin import transfer` work after nothing but `import tiffin`."""
    program = "import tiffin; assert tiffin.transfer.Limits is tiffin.archives.Limits; from tiffin import transfer"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_pickles_of_an_earlier_version_find_every_public_class_and_function() -> None:
    """163 public names, as the version before the modules moved pickled them by reference."""
    pytest.importorskip("tiffin_signing", reason="some of the names are in a package of its own now")
    found = pickle.loads(NAMES.read_bytes())
    assert len(found) == 163
    for name, thing in found.items():
        module, _, attribute = name.rpartition(".")
        assert getattr(importlib.import_module(module), attribute) is thing, name


@pytest.mark.parametrize("name", ["Model", "ModelOptions", "ModelSignature", "Runnable", "Tag"])
def test_classes_that_pickles_hold_are_called_by_their_public_names(name: str) -> None:
    """A module may move again: what is pickled from now on does not know in which file a class stands."""
    assert not any(part.startswith("_") for part in getattr(tiffin, name).__module__.split("."))
