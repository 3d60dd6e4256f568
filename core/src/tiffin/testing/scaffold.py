"""A new adapter's package: installs, is found, and is held to the kit by its tests before a line of it is written."""

from __future__ import annotations

import keyword
from pathlib import Path

from tiffin.exceptions import PluginError
from tiffin.plugins import check_plugin_name
from tiffin.testing._promise import LEVEL
from tiffin.version import __version__

_FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tiffin-{dashed}"
version = "0.1.0"
description = "Tiffin's adapter for {type}"
readme = "README.md"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[project.optional-dependencies]
test = ["tiffin[testing]"]

[project.entry-points.tiffin]
{name} = "tiffin_{name}"

[tool.hatch.build.targets.wheel]
packages = ["src/tiffin_{name}"]
""",
    "README.md": """\
# tiffin-{dashed}

Tiffin's adapter for `{type}`.

    pip install tiffin-{dashed}

```python
import tiffin

tiffin.save("mine", model)
model = tiffin.load("mine")
```

`tiffin plugins check {name}` says whether it keeps what adapters promise.
""",
    ".gitignore": "__pycache__/\n.venv/\ndist/\n",
    ".github/workflows/test.yml": """\
name: test
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.11", "3.13"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: ${{{{ matrix.python }}}}
      - run: pip install -e '.[test]'
      - run: pytest
""",
    "src/tiffin_{name}/py.typed": "",
    "src/tiffin_{name}/__init__.py": '''\
"""Tiffin's adapter for {type}."""

from pathlib import Path
from typing import Any

from tiffin import hookimpl, pickling


@hookimpl
def context_info() -> dict[str, Any]:
    """Describe the adapter."""
    return {{
        "types": ["{type}"],
        "distributions": [{distributions}],
        "signatures": {{}},
        "code_files": pickling.CODE_FILES,
    }}


@hookimpl
def save(model: Any, path: Path) -> None:
    """Write the model's files."""
    pickling.dump(model, path)


@hookimpl
def load(path: Path) -> Any:
    """Read them back. Runs code that is stored in them."""
    return pickling.load(path)
''',
    "src/tiffin_{name}/conformance.py": '''\
"""What the conformance kit checks this adapter with: `tiffin plugins check {name}`."""

from typing import Any

from tiffin.testing import Subject


def make() -> Any:
    """Return a small model."""
    from {module} import {class_name}

    return {class_name}()


def subjects() -> list[Subject]:
    """Return the models, and what their methods are asked."""
    return [Subject(framework="{name}", make=make, inputs={{}})]
''',
    "tests/test_conformance.py": '''\
"""The adapter keeps what adapters promise."""

import pytest
from tiffin.testing import Subject
from tiffin.testing.suite import AdapterChecks

from tiffin_{name}.conformance import subjects


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "home"))


class TestConformance(AdapterChecks):
    level = "{level}"

    @pytest.fixture(params=subjects(), ids=lambda subject: subject.name)
    def subject(self, request) -> Subject:
        return request.param
''',
}


def new_adapter(name: str, folder: Path, *, type_name: str, distribution: str | None = None) -> Path:
    """Write the package of an adapter that stores objects of one class, as pickles at first.

    Args:
        name: the framework's name, as in `tiffin.<name>`.
        folder: where the package's folder, `tiffin-<name>`, is made.
        type_name: dotted name of the class, as "kvlib.Table".
        distribution: what brings it; by default what the class's package is called; none for what comes with Python.

    Returns:
        The package's folder.

    Raises:
        PluginError: the name cannot be an adapter's, the class's name is no dotted name, or the folder is there already.
    """
    check_plugin_name(name)
    module, _, class_name = type_name.rpartition(".")
    if not module or not all(part.isidentifier() and not keyword.iskeyword(part) for part in type_name.split(".")):
        raise PluginError(
            f"{type_name!r} is no dotted name of a class", fix="Write it as 'package.module.Class'", plugin=name
        )
    target = folder / f"tiffin-{name.replace('_', '-')}"
    if target.exists():
        raise PluginError(
            f"The folder {str(target)!r} is there already",
            why="Nothing in it is replaced",
            fix="Move it away, or give another --folder",
            plugin=name,
        )
    brings = _distribution(module.partition(".")[0]) if distribution is None else distribution
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "type": type_name,
        "module": module,
        "class_name": class_name,
        "distributions": f'"{brings}"' if brings else "",
        "dependencies": ", ".join(f'"{one}"' for one in (f"tiffin>={_minor()}", brings) if one),
        "level": LEVEL,
    }
    for path, text in _FILES.items():
        file = target / path.format(**words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(**words), encoding="utf-8")
    return target


def _minor() -> str:
    return ".".join(__version__.split(".")[:2])


def _distribution(package: str) -> str:
    """Return what brings a package: what is installed says it, else it is called as the package is."""
    import sys
    from importlib.metadata import packages_distributions

    if package in sys.stdlib_module_names:
        return ""
    return next(iter(packages_distributions().get(package, ())), package)
