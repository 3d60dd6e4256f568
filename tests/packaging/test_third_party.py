"""A third party's adapter: a package of its own, found where it is installed next to Tiffin's wheels."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from fresh import Environment, run
from workspace import ROOT

EXAMPLE = ROOT / "examples" / "adapter-polynomial"

USE = """
import sys, tiffin
from numpy.polynomial import Chebyshev, Polynomial

assert "tiffin_polynomial" not in sys.modules
curve = Chebyshev.fit([0, 1, 2, 3], [1, 3, 2, 5], deg=2)
saved = tiffin.save("growth:1", curve, labels={"unit": "cm"})
assert saved.framework == "polynomial", saved.framework
assert saved.info.signatures["__call__"].batchable
assert tiffin.load("growth") == curve
assert tiffin.polynomial.load_model("growth") == curve
assert tiffin.polynomial.save_model("line", Polynomial([1, 2])).load() == Polynomial([1, 2])
assert saved.to_runnable()()(1.5) == curve(1.5)
from tiffin.polynomial import get
assert get("growth") == saved
try:
    tiffin.polynomial.save_model("no", [1, 2])
except tiffin.exceptions.ModelTypeError as error:
    print(error.what)
"""


def test_the_adapter_is_short() -> None:
    """Fewer than 40 lines of code: what stands for itself after docstring and empty lines."""
    source = (EXAMPLE / "src" / "tiffin_polynomial.py").read_text(encoding="utf-8")
    assert len([line for line in source.splitlines() if line.strip()]) < 40
    imported = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
    assert imported == {"pathlib", "typing", "tiffin", "numpy"}


@pytest.mark.slow
@pytest.mark.xdist_group("packaging")
@pytest.mark.timeout(900)
def test_it_is_installed_found_used_and_listed(built: Path, wheelhouse: Path, tmp_path: Path) -> None:
    """`pip install` is all that it takes."""
    wheels = tmp_path / "wheels"
    run([sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", wheels, EXAMPLE], tmp_path)
    environment = Environment(tmp_path / "env", [built, wheelhouse, wheels])
    environment.install("tiffin-polynomial")
    assert {"tiffin", "tiffin-polynomial", "numpy"} <= environment.distributions()
    home = {"TIFFIN_HOME": str(tmp_path / "home")}
    said = environment.run("-c", USE, **home)
    assert said == "The adapter 'polynomial' does not store objects of type builtins.list\n"
    program = environment.folder / "bin" / "tiffin"
    [row] = json.loads(run([program, "plugins", "list", "-o", "json"], tmp_path, **home))
    assert (row["name"], row["distribution"], row["version"]) == ("polynomial", "tiffin-polynomial", "1.0")
    assert row["types"][0] == "numpy.polynomial.Polynomial"
    assert (row["state"], row["cause"]) == ("ok", "")
    assert "tiffin-polynomial" in run([program, "plugins", "list"], tmp_path, **home)
    assert "growth:1" in run([program, "models", "list", "-f", "polynomial"], tmp_path, **home)
