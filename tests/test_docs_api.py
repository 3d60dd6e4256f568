"""The pages of the Python API have every public name."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import tiffin
from tiffin import (
    batching,
    building,
    exceptions,
    inspection,
    models,
    pickling,
    plugins,
    remotes,
    runners,
    signatures,
    testing,
    values,
)

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference" / "python"
TEXT = {page.stem: page.read_text(encoding="utf-8") for page in FOLDER.glob("*.md")}
ALL = "\n".join(TEXT.values())

ERRORS = [name for name, kind in vars(exceptions).items() if inspect.isclass(kind) and issubclass(kind, Exception)]

# What only core itself uses, or what the page of another module has.
LEFT_OUT = {
    "pickling": {"load_item", "map_buffers", "restore_memoryview"},
    "plugins": {"Adapter", "CodeReader", "ask_vouchers", "carried", "check_attestation", "check_plugin_name"}
    | {"find_reader", "has_vouchers"}
    | {"foreign_tools"}
    | {"hookimpl", "install_hint", "known_kinds", "proves", "register", "restore", "unregister", "waiting_packages"},
    "remotes": {"Pushed"},
    "signatures": {
        "BatchDim",
        "BatchDimLike",
        "InputBatchDim",
        "PartialKwargs",
        "SignatureLike",
        "Spec",
        "describe_spec",
    },
    "values": {"BatchContainer", "ContainerRegistry", "KindRegistry", "container_kind", "find_container", "is_called"}
    | {"loaded_class", "make_ready", "register_container", "registry"},
}


@pytest.mark.parametrize("name", [name for name in tiffin.__all__ if name != "__version__"])
def test_every_name_of_tiffin_is_on_a_page(name: str) -> None:
    """A reader finds whatever `tiffin.` completes to."""
    assert re.search(rf"\btiffin\.{name}\b", ALL)


@pytest.mark.parametrize("name", models.__all__)
def test_every_name_of_tiffin_models_is_on_a_page(name: str) -> None:
    """A reader finds whatever `tiffin.models.` completes to, there or under `tiffin`."""
    assert re.search(rf"\btiffin\.(models\.)?{name}\b", ALL)


@pytest.mark.parametrize(
    "module",
    [batching, building, inspection, pickling, plugins, remotes, runners, signatures, testing, values],
    ids=lambda module: module.__name__,
)
def test_every_name_of_a_module_is_on_its_page(module: object) -> None:
    """The pages of modules for authors leave nothing out but what is named in this test."""
    name = module.__name__.removeprefix("tiffin.")  # type: ignore[attr-defined]
    public = set(module.__all__) - LEFT_OUT.get(name, set())  # type: ignore[attr-defined]
    assert {word for word in public if not re.search(rf"\btiffin\.{name}\.{word}\b", TEXT[name])} == set()


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_on_the_page_of_errors(name: str) -> None:
    """Whoever meets an error or a warning of Tiffin's can look it up."""
    assert (
        f":: tiffin.exceptions.{name}\n" in TEXT["exceptions"] or f":: tiffin.exceptions.{name}()" in TEXT["exceptions"]
    )


def test_every_environment_variable_is_on_the_page_of_configuration() -> None:
    """What the source reads from the environment stands in the table."""
    page = (FOLDER.parent / "configuration.md").read_text(encoding="utf-8")
    source = Path(tiffin.__file__).parent
    read = set()
    for path in source.rglob("*.py"):
        read |= set(re.findall(r"\"(_?TIFFIN_[A-Z_]+|XDG_[A-Z_]+|NO_COLOR)\"", path.read_text(encoding="utf-8")))
    assert {name for name in read if f"| `{name}` |" not in page} == set()
