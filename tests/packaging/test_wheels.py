"""Each package builds on its own, and what is built does the main job in a fresh environment outside the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from fresh import Environment, run
from workspace import Package, packages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("packaging")]

ALL = packages()
CORE, *PLUGINS = ALL
MAIN_JOB = """
import sys, tiffin
from pathlib import Path
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

assert Path(tiffin.__file__).is_relative_to(sys.prefix), tiffin.__file__
iris = load_iris()
fitted = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)
saved = tiffin.save("iris", fitted, labels={"stage": "test"})
loaded = tiffin.load("iris:latest")
assert (loaded.predict(iris.data) == fitted.predict(iris.data)).all()
[listed] = tiffin.models.list()
assert listed.tag == saved.tag
print(saved.tag)
"""


@pytest.mark.parametrize("package", ALL, ids=lambda package: package.name)
def test_the_wheel_holds_its_own_package_and_nothing_else(package: Package, built: Path) -> None:
    """A wheel brings its package with types and licence, and overwrites nothing of another."""
    [wheel] = built.glob(f"{package.module}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        said = archive.read(metadata).decode("utf-8")
    assert f"{package.module}/__init__.py" in names
    assert f"{package.module}/py.typed" in names
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    assert {name.partition("/")[0] for name in names} == {package.module, metadata.partition("/")[0]}
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]
    assert "License-Expression: Apache-2.0" in said
    assert f"# {package.name}\n" in said.replace("\r\n", "\n")


@pytest.mark.parametrize("package", ALL, ids=lambda package: package.name)
def test_the_sdist_holds_source_and_licence(package: Package, built: Path) -> None:
    """An sdist is enough to build the wheel, and has the licence; a plugin's has its tests too."""
    [sdist] = built.glob(f"{package.module}-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", f"src/{package.module}/py.typed"} <= names
    assert {name.partition("/")[0] for name in names} - {"tests", ".gitignore"} == {
        "pyproject.toml", "README.md", "LICENSE", "PKG-INFO", "src"
    }  # fmt: skip
    assert package is CORE or any(name.startswith("tests/test_") for name in names)


def test_tiffin_alone_brings_no_framework_and_few_distributions(built: Path, wheelhouse: Path, tmp_path: Path) -> None:
    """`pip install tiffin` is 16 distributions at most, and runs."""
    environment = Environment(tmp_path / "env", [built, wheelhouse])
    environment.install("tiffin")
    installed = environment.distributions()
    assert "tiffin" in installed
    assert installed & {"scikit-learn", "scipy", "pandas", *(plugin.name for plugin in PLUGINS)} == set()
    assert len(installed) <= 16, sorted(installed)
    version = environment.run("-c", "import tiffin; print(tiffin.__version__)").strip()
    assert version in next(built.glob("tiffin-*.whl")).name
    run([environment.folder / "bin" / "tiffin", "models", "list"], tmp_path, TIFFIN_HOME=str(tmp_path / "home"))


def test_an_adapter_brings_tiffin_and_does_the_main_job(built: Path, wheelhouse: Path, tmp_path: Path) -> None:
    """`pip install tiffin-sklearn` is all that it takes to save, load and list, from Python and in the shell."""
    environment = Environment(tmp_path / "env", [built, wheelhouse])
    environment.install("tiffin-sklearn")
    assert {"tiffin", "tiffin-sklearn", "scikit-learn"} <= environment.distributions()
    home = {"TIFFIN_HOME": str(tmp_path / "home")}
    tag = environment.run("-c", MAIN_JOB, **home).strip()
    program = environment.folder / "bin" / "tiffin"
    assert tag in run([program, "models", "list"], tmp_path, **home)
    assert json.loads(run([program, "models", "get", "iris", "-o", "json"], tmp_path, **home))["version"] in tag
    assert "sklearn" in run([program, "plugins", "list"], tmp_path, **home)


def test_types_of_the_installed_packages_are_seen(built: Path, wheelhouse: Path, tmp_path: Path) -> None:
    """A type checker takes the annotations of the wheel, and finds an error in a program that goes against them."""
    environment = Environment(tmp_path / "env", [built, wheelhouse])
    environment.install("tiffin")
    (tmp_path / "program.py").write_text("import tiffin\ntiffin.save(name=1, obj=None)\n", encoding="utf-8")
    python = f"--python-executable={environment.folder / 'bin' / 'python'}"
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", python, "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "arg-type" in checked.stdout, checked.stdout
    assert "import-untyped" not in checked.stdout
