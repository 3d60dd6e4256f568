"""Ask BentoML itself: which public names it has, and whether the tests that are written in its names hold for it, too.

Usage: python tools/bentoml_peer.py names | tests

`names` writes tests/data/names/bentoml.json: name → parameters, `null` for what is not called, of BentoML's modules of
models, frameworks, tags and runners, and of its commands. `tests` runs tests/integration/test_as_bentoml_*.py with `bentoml`
in place of the shim that leads its names to Tiffin. BentoML has an environment of its own, made below a temporary folder by
the Python that runs this, 3.11.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from make_foreign_samples import environment
from workspace import ROOT

TARGET = ROOT / "tests" / "data" / "names" / "bentoml.json"
TESTS = sorted((ROOT / "tests" / "integration").glob("test_as_bentoml_*.py"))

NAMES = """
import ast, inspect, json, pathlib, sys

import bentoml
import click
from bentoml._internal.models.model import ModelInfo, ModelSignature
from bentoml._internal.runner.runner import RunnerMethod
from bentoml_cli.models import model_command

found = {}


def parameters(thing):
    thing = inspect.unwrap(thing.__init__) if inspect.isclass(thing) else inspect.unwrap(thing)
    try:
        named = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    hidden = ("self", "cls", "model_aliases")  # the last is injected, as those with an underscore are
    return [one.name for one in named if one.name not in hidden and one.name[0] != "_" and one.kind not in (2, 4)]


def add_class(name, cls):
    made_by_users = ("Tag", "Runner", "ModelSignature", "ModelContext")
    found[name] = parameters(cls) if name.split(".")[-1] in made_by_users else None
    short = name.split(".")[-1]
    fields = [field.name for field in getattr(cls, "__attrs_attrs__", ())]
    for member in dict.fromkeys([*dir(cls), *fields, *getattr(cls, "__annotations__", {})]):
        if not member.startswith("_") and member != "bentoml_runnable_methods__" and member not in ("T", "t"):
            value = inspect.getattr_static(cls, member, None)
            function = getattr(value, "__func__", value)
            found[f"{short}.{member}"] = parameters(function) if inspect.isroutine(function) else None


for name in bentoml.models.__all__:
    thing = getattr(bentoml.models, name)
    if inspect.isclass(thing) and name not in ("BentoModel", "HuggingFaceModel"):
        add_class(f"bentoml.models.{name}", thing)
    else:
        found[f"bentoml.models.{name}"] = parameters(thing)
add_class("bentoml.models.ModelSignature", ModelSignature)
add_class("bentoml.models.ModelInfo", ModelInfo)
add_class("bentoml.Model", bentoml.Model)
add_class("bentoml.Tag", bentoml.Tag)
add_class("bentoml.Runner", bentoml.legacy.Runner)
# What marks the class as deprecated hides its arguments.
for node in ast.walk(ast.parse(inspect.getsource(sys.modules[RunnerMethod.__module__]))):
    if isinstance(node, ast.ClassDef) and node.name == "Runner":
        (init,) = [one for one in node.body if getattr(one, "name", "") == "__init__"]
        found["bentoml.Runner"] = [one.arg for one in [*init.args.args[1:], *init.args.kwonlyargs]]
add_class("bentoml.Runnable", bentoml.legacy.Runnable)
found["Runner.run"], found["Runner.async_run"] = ["args", "kwargs"], ["args", "kwargs"]
for member in ("run", "async_run", "async_stream"):
    found[f"RunnerMethod.{member}"] = []
found["bentoml.legacy.Strategy"] = found["bentoml.legacy.Resource"] = None

site = pathlib.Path(bentoml.__file__).parent.parent
folders = (site / "_bentoml_impl" / "frameworks", site / "bentoml" / "_internal" / "frameworks")
for file in sorted(file for folder in folders for file in folder.glob("*.py")):
    if file.stem not in bentoml.__all__:
        continue
    tree = ast.parse(file.read_text())
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):  # "import get as get" says that the name is public here, too
            for alias in node.names:
                if alias.asname == alias.name:
                    found[f"bentoml.{file.stem}.{alias.name}"] = parameters(getattr(bentoml.models, alias.name))
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            found[f"bentoml.{file.stem}.{node.name}"] = [one.arg for one in every if not one.arg.startswith("_")]

for name, command in model_command.commands.items():
    options = [option for one in command.params if isinstance(one, click.Option) for option in one.opts]
    found[f"bentoml models {name}"] = sorted(options)

lines = ",\\n".join(f"  {json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found))
text = f'{{"bentoml": "{bentoml.__version__}", "names": {{\\n{lines}\\n}}}}\\n'
pathlib.Path(sys.argv[1]).write_text(text)
"""

CONFTEST = """
import pytest

from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore


@pytest.fixture(autouse=True)
def _empty_store(tmp_path_factory):
    BentoMLContainer.model_store.set(ModelStore(tmp_path_factory.mktemp("models")))
"""


def main() -> int:
    """Do what the command line says."""
    task = sys.argv[1] if len(sys.argv) == 2 else ""
    if task not in ("names", "tests"):
        print(__doc__)
        return 2
    with environment("bentoml") as (python, variables), tempfile.TemporaryDirectory(prefix="bentoml-peer-") as work:
        if task == "names":
            command = [str(python), "-c", NAMES, str(TARGET)]
        else:
            Path(work, "bentoml_shim.py").write_text(
                "import bentoml, bentoml.types, sys\nsys.modules[__name__] = bentoml\n"
            )
            Path(work, "conftest.py").write_text(CONFTEST)
            for test in TESTS:
                Path(work, test.name).write_text(test.read_text(encoding="utf-8"), encoding="utf-8")
            command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", work]
        return subprocess.run(command, check=False, cwd=work, env=variables).returncode


if __name__ == "__main__":
    raise SystemExit(main())
