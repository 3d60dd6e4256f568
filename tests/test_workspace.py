"""What holds for the whole workspace: one shape, no framework in core, no trace of anyone's machine."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
from typing import Any

import pytest
from packaging.requirements import Requirement

import packages as package_names
import test_alone
import test_pythons
from compat import adapters_of, report_of
from tiffin.testing import checks
from workspace import (
    LOCKS,
    ROOT,
    Package,
    entries,
    groups,
    heavy,
    lock_of,
    normalized,
    packages,
    read_toml,
    third_party,
    unlocked,
)

CORE, *PLUGINS = packages()

FRAMEWORKS = (
    "sklearn scikit skops xgboost lightgbm catboost torch pytorch torchvision torchscript fastai tensorflow keras "
    "jax jaxlib flax equinox onnx onnxruntime transformers diffusers huggingface tokenizers spacy nltk gensim "
    "detectron easyocr paddle paddlepaddle mxnet gluon statsmodels prophet pmml coreml openvino tensorrt "
    "ray dask pyspark h2o pycaret ultralytics"
)
TOOLS = (
    "bentoml mlflow sigstore openssf cosign wandb dvc clearml comet neptune zenml metaflow kubeflow kserve seldon cortex "
    "torchserve triton litserve mosec cog databricks sagemaker vertex modelscope ollama oras modelpack kitops docker"
)
NAMES_A_FRAMEWORK = re.compile(
    rf"(?<![a-z0-9])(?:{f'{FRAMEWORKS} {TOOLS}'.replace(' ', '|')})(?![a-z0-9])", re.IGNORECASE
)
PACKAGES = "core/src/tiffin/packages.json"
"""What hints to install may name: the one file of core with names of frameworks and tools."""
MACHINE_PATH = re.compile(r"/(?:root|work|Users|home)/\w|(?<!\w)[A-Z]:\\Users")


def tracked_files() -> list[str]:
    """Return the paths of the files that are, or are about to be, under version control."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(path for path in set(listed.split("\0")) if path and (ROOT / path).is_file())


def lines_that_match(pattern: re.Pattern[str], paths: list[str]) -> list[str]:
    """Return path, line number and line, where the pattern is found in a text file."""
    found = []
    for path in paths:
        content = (ROOT / path).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path}:{number}: {line.strip()}")
    return found


def test_core_names_no_framework_and_no_other_tool() -> None:
    """Neither core's code nor its comments do: what is particular to one is the business of its plugin."""
    sources = [path for path in tracked_files() if path.startswith("core/src/")]
    assert PACKAGES in sources
    assert lines_that_match(NAMES_A_FRAMEWORK, [path for path in sources if path != PACKAGES]) == []


def test_hints_to_install_come_from_one_place() -> None:
    """What pip is to install is looked up in the file of packages; but for a new package, whose name its author gives."""
    sources = [path for path in tracked_files() if path.startswith("core/src/") and path.endswith(".py")]
    found = lines_that_match(re.compile(r"pip install"), sources)
    modules = {"core/src/tiffin/hints.py", "core/src/tiffin/testing/scaffold.py"}
    assert {line.partition(":")[0] for line in found} == modules


def test_the_file_of_packages_is_what_the_packages_say() -> None:
    """Whoever adds a plugin, or what one brings, runs `python tools/packages.py`."""
    assert (ROOT / PACKAGES).read_text(encoding="utf-8") == package_names.text()


def answers(plugin: Package, hook: str) -> list[Any]:
    """Return what a plugin answers a hook without arguments; nothing where it does not have it."""
    module = pytest.importorskip(plugin.module, reason="it is not installed here")
    return list(getattr(module, hook, tuple)() or ())


@pytest.mark.parametrize(
    "plugin",
    [
        pytest.param(plugin, id=plugin.name, marks=pytest.mark.slow if plugin.folder.name in heavy() else ())
        for plugin in PLUGINS
    ],
)
def test_what_hints_are_given_for_is_what_the_plugin_brings(plugin: Package) -> None:
    """Its commands, schemes of URLs, and records of other tools stand in its pyproject.toml as its hooks give them."""
    said = plugin.pyproject.get("tool", {}).get("tiffin", {})
    assert said.get("commands", []) == sorted(answers(plugin, "commands"))
    assert set(said.get("remotes", [])) <= set(answers(plugin, "remotes"))
    assert bool(said.get("remotes")) == bool(answers(plugin, "remotes"))
    records = [tuple(line.split(": ")) for line in said.get("records", [])]
    assert [record for record, _ in records] == [tool.record for tool in answers(plugin, "foreign_models")]


def test_the_search_for_frameworks_finds_one() -> None:
    """The search above would see a framework's name within a dotted name and beside an underscore."""
    for line in ("import sklearn.base", "pip install tiffin-xgboost", "tiffin_torch", "Keras models"):
        assert NAMES_A_FRAMEWORK.search(line), line
    assert not NAMES_A_FRAMEWORK.search("an array of torches")


def test_no_file_names_a_path_of_someones_machine() -> None:
    """A path of a home or work folder helps nobody else, and tells of whoever wrote it."""
    assert lines_that_match(MACHINE_PATH, tracked_files()) == []


def test_no_file_names_the_host_of_a_package_index() -> None:
    """Where packages come from is a setting of the machine, never of the project."""
    assert lines_that_match(re.compile(r"pypi[.]org|pythonhosted[.]org|index-url\s*="), tracked_files()) == []


def test_the_contract_of_core_forbids_every_plugin() -> None:
    """The contract that core imports no plugin lists plugins by name, and this says which is missing."""
    contracts = read_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]["contracts"]
    [forbidden] = [contract["forbidden_modules"] for contract in contracts if contract["type"] == "forbidden"]
    assert {plugin.module for plugin in PLUGINS} <= set(forbidden)


REQUIREMENTS = {package.folder.name: third_party([package]) for package in (CORE, *PLUGINS)} | groups()
"""What each lock is made of."""


def test_each_package_and_each_group_has_a_lock_and_nothing_else_has() -> None:
    """`make lock` brings locks/ up to date; a group that had a package's name would share its lock."""
    assert {path.name for path in LOCKS.iterdir()} == {lock_of(name).name for name in REQUIREMENTS}
    assert not {package.folder.name for package in (CORE, *PLUGINS)} & set(groups())


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_a_lock_names_no_index(name: str) -> None:
    """A lock holds names, versions and hashes; where packages come from is the reader's own setting."""
    content = lock_of(name).read_text(encoding="utf-8")
    options = set(re.findall(r"(?<!\S)(--?[a-z-]+)", re.sub(r"^#.*", "", content, flags=re.MULTILINE)))
    assert options <= {"--hash"}
    assert "://" not in content


def versions(name: str) -> dict[str, set[str]]:
    """Return the versions of each distribution that is in the lock of `name`, or in that of core."""
    found: dict[str, set[str]] = {}
    for entry in entries(lock_of("core").read_text(encoding="utf-8") + lock_of(name).read_text(encoding="utf-8")):
        distribution, _, version = entry.split()[0].partition("==")
        found.setdefault(distribution, set()).add(version)
    return found


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_a_lock_has_every_requirement_at_versions_that_fit(name: str) -> None:
    """What a package or a group needs is in its lock; `make lock` brings it up to date."""
    without = {normalized(line) for line in unlocked()}
    for requirement in map(Requirement, REQUIREMENTS[name]):
        if normalized(requirement.name) not in without:
            found = versions(name).get(normalized(requirement.name))
            assert found, f"{requirement.name} is not in the lock of {name}: run `make lock`"
            assert all(requirement.specifier.contains(version) for version in found), f"{requirement} against {found}"


def test_all_locks_are_of_one_resolution() -> None:
    """Any two locks can be installed together: whatever two of them name has the same versions in both."""
    together: dict[str, set[str]] = {}
    for name in REQUIREMENTS:
        for distribution, found in versions(name).items():
            assert together.setdefault(distribution, found) == found, distribution


def test_locks_leave_out_what_not_everyone_would_install() -> None:
    """Frameworks of many builds and gigabytes are no part of what is set up for the tests that take seconds."""
    for name in REQUIREMENTS:
        if name.removesuffix("-test") not in heavy():
            assert not {"torch", "tensorflow", "jax"} & set(versions(name)), name


@pytest.mark.parametrize("name", [*test_pythons.LEFT_OUT, *test_alone.NOT_ALONE])
def test_what_the_other_runs_leave_out_is_there(name: str) -> None:
    """A folder that was renamed would be run again where its tests say nothing, or cannot run."""
    assert (ROOT / "tests" / name.removeprefix("tests/")).is_dir()


def test_what_is_heavy_is_a_plugin_or_a_group() -> None:
    """A name that is misspelt among the heavy ones would make `make test` install gigabytes."""
    assert set(heavy()) <= {plugin.folder.name for plugin in PLUGINS} | set(groups())


def test_every_package_has_one_version_and_plugins_take_this_core() -> None:
    """The packages are released together, and a plugin's floor for core is not above the core beside it."""
    version = re.search(r'__version__ = "(.+)"', (CORE.folder / "src/tiffin/version.py").read_text(encoding="utf-8"))
    assert version
    for plugin in PLUGINS:
        assert plugin.pyproject["project"]["version"] == version[1], plugin.name
        [core] = [Requirement(line) for line in plugin.dependencies if Requirement(line).name == "tiffin"]
        assert core.specifier.contains(version[1]), f"{plugin.name} needs {core}"


@pytest.mark.parametrize("package", [CORE, *PLUGINS], ids=lambda package: package.name)
def test_every_package_says_the_same_of_licence_python_and_build(package: Package) -> None:
    """What a reader of the index sees of a package is filled in, and is the same for all."""
    project, core = package.pyproject["project"], CORE.pyproject["project"]
    for key in ("requires-python", "license", "license-files", "authors", "readme"):
        assert project[key] == core[key], key
    assert project["description"]
    assert package.pyproject["build-system"] == CORE.pyproject["build-system"]
    assert (package.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (package.folder / "README.md").read_text(encoding="utf-8").startswith(f"# {package.name}\n")
    assert (package.folder / "src" / package.module / "py.typed").read_bytes() == b""


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_every_plugin_has_the_same_shape(plugin: Package) -> None:
    """Whoever knows one plugin's folder finds their way in any other."""
    assert plugin.name == f"tiffin-{plugin.folder.name}"
    targets = plugin.pyproject["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["packages"] == [f"src/{plugin.module}"]
    assert targets["sdist"]["include"] == ["src", "tests", "README.md", "LICENSE"]
    assert (plugin.folder / "src" / plugin.module / "__init__.py").is_file()
    assert list((plugin.folder / "tests").glob("test_*.py"))
    assert {entry.name for entry in plugin.folder.iterdir()} - {"__pycache__", "dist"} == {
        "pyproject.toml", "README.md", "LICENSE", "src", "tests"
    }  # fmt: skip
    groups = plugin.pyproject["project"]["entry-points"]
    assert set(groups) <= {"tiffin", "tiffin.plugins"}
    for points in groups.values():
        assert all(value.partition(":")[0].partition(".")[0] == plugin.module for value in points.values())


REPORTS = [
    (package, adapter)
    for package in PLUGINS
    if (package.folder / "src" / package.module / "conformance.py").exists()
    for adapter in adapters_of(package)
    # Of what is heavy not everybody can make one; where there is one, it is held to the same.
    if package.folder.name not in heavy() or report_of(package, adapter).exists()
]


@pytest.mark.parametrize(("package", "adapter"), REPORTS, ids=lambda value: getattr(value, "name", value))
def test_every_adapter_ships_the_kit_s_report(package: Package, adapter: str) -> None:
    """Of its own version, with a level and checks that there are, on models that it names; how it ended may have changed."""
    said = json.loads(report_of(package, adapter).read_text(encoding="utf-8"))
    assert (said["adapter"], said["distribution"]) == (adapter, package.name), "python tools/compat.py writes it"
    assert said["version"] == package.pyproject["project"]["version"]
    known = {check.name for check in checks(said["level"])}
    verdicts = said["verdicts"]
    assert {verdict["check"] for verdict in verdicts} <= known
    assert said["passed"] is True
    assert {verdict["state"] for verdict in verdicts} <= {"passed", "off", "not applicable"}
    assert all(verdict["text"] for verdict in verdicts if verdict["state"] != "passed")


def test_the_readme_lists_every_package() -> None:
    """What is not on the list is found by nobody."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lacking = [
        package.name for package in packages() if f"[{package.name}]({package.folder.relative_to(ROOT)}/" not in text
    ]
    assert lacking == []


def test_no_source_file_is_longer_than_500_lines() -> None:
    """One idea per file: past 500 lines there is more than one."""
    paths = [path for path in tracked_files() if path.endswith(".py") and "/src/" in path]
    lengths = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {path: length for path, length in lengths.items() if length > 500} == {}


SECTION = re.compile(r"^(?:Args|Attributes|Raises|Returns|Yields|Warns):$")
ENTRY = re.compile(r"^    [*`\w][\w*`, .\[\]]*?: (?P<first>[A-Z][\w'-]*)")
PROPER = {"None", "True", "False", "Tiffin's", "Python's"}


def entries_with_a_capital(text: str) -> list[str]:
    """Return what begins the entries of a docstring's sections with a capital letter, and is no name or abbreviation."""
    found, inside = [], False
    for line in inspect.cleandoc(text).splitlines():
        inside = SECTION.match(line) is not None or (inside and (not line or line.startswith(" ")))
        entry = ENTRY.match(line) if inside else None
        if entry and entry["first"] not in PROPER and not entry["first"].isupper():
            found.append(line.strip())
    return found


def test_entries_of_docstrings_begin_alike() -> None:
    """What stands behind an argument's name is no sentence of its own: it begins small, everywhere."""
    assert entries_with_a_capital("Do.\n\nArgs:\n    x: Rows.\n    y: rows.\n    z: JSON.") == ["x: Rows."]
    found = {
        f"{file.relative_to(ROOT)}: {entry}"
        for package in packages()
        for file in package.folder.glob("src/**/*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        for entry in entries_with_a_capital(ast.get_docstring(node) or "")
    }
    assert not found
