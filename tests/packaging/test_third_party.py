"""A third party's adapter and kind of values: packages of their own, found where they are installed beside Tiffin."""

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


VALUES = ROOT / "examples" / "values-tokens"

USE_VALUES = """
import asyncio, sys
import tiffin

class Lengths(tiffin.Runnable):
    @tiffin.Runnable.method(batchable=True)
    def widths(self, tokens):
        return [tokens.ids.shape[1]] * len(tokens.ids)

    @tiffin.Runnable.method(batchable=True)
    def same(self, tokens):
        return tokens

async def ask(handle):
    return await asyncio.gather(*(handle.async_run(Tokens(ids)) for ids in ([[1, 2]], [[1, 2, 3], [4, 5, 6]])))

if __name__ == "__main__":
    from tiffin_tokens import Tokens

    for backend in ("local", "process"):
        with tiffin.Runner(Lengths, backend=backend) as runner:
            widths = asyncio.run(ask(runner.widths))
            assert [len(rows) for rows in widths] == [1, 2], widths
            assert asyncio.run(ask(runner.same))[1].ids.tolist() == [[1, 2, 3], [4, 5, 6]]
"""


def test_the_kind_of_values_is_short() -> None:
    """At most 30 lines of code, without docstrings and empty lines."""
    source = (VALUES / "src" / "tiffin_tokens.py").read_text(encoding="utf-8")
    assert len([line for line in source.splitlines() if line.strip() and not line.strip().startswith('"""')]) <= 30
    imported = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
    assert imported == {"tiffin", "tiffin.values"}


@pytest.mark.slow
@pytest.mark.xdist_group("packaging")
@pytest.mark.timeout(900)
def test_a_kind_of_values_is_installed_and_known_to_workers(built: Path, wheelhouse: Path, tmp_path: Path) -> None:
    """`pip install` is all that it takes: callers and worker processes find it by its entry point."""
    wheels = tmp_path / "wheels"
    run([sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", wheels, VALUES], tmp_path)
    environment = Environment(tmp_path / "env", [built, wheelhouse, wheels])
    environment.install("tiffin-tokens")
    program = environment.folder / "use_values.py"
    program.write_text(USE_VALUES, encoding="utf-8")
    home = {"TIFFIN_HOME": str(tmp_path / "home")}
    environment.run(str(program), **home)
    listed = run([environment.folder / "bin" / "tiffin", "plugins", "list"], tmp_path, **home)
    assert "tiffin-tokens" in listed
