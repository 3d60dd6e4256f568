"""Classes and functions: by value, by name, and what cannot be pickled at all."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import threading
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from tiffin import pickling
from tiffin.exceptions import PicklingError

SOURCE = Path(pickling.__file__).parents[2]


def run(code: str, *arguments: object, folder: Path | None = None) -> str:
    """Run a program that has Tiffin, and return what it prints."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n" + textwrap.dedent(code)]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOAD_AND_CALL = """
from tiffin import pickling
print(pickling.load(sys.argv[1])(20))
"""


def test_what_a_script_defines_loads_in_another_program(tmp_path: Path) -> None:
    """Instances of classes of `__main__`, with the functions that they use, need nothing of the script."""
    run(
        """
        import numpy
        from tiffin import pickling

        FACTOR = 2

        def double(x):
            return FACTOR * x

        class Model:
            def __init__(self):
                self.bias = numpy.full(1 << 18, 2)
            def __call__(self, x):
                return double(x) + int(self.bias[-1])

        pickling.dump(Model(), sys.argv[1])
        """,
        tmp_path,
    )
    assert run(LOAD_AND_CALL, tmp_path) == "42"


def test_what_a_spawned_process_defines_loads_in_another_program(tmp_path: Path) -> None:
    """In a process spawned by multiprocessing, the script's classes have a module name that no other program knows."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys; sys.path.insert(0, {str(SOURCE)!r})
            import multiprocessing
            from tiffin import pickling

            class Model:
                def __call__(self, x):
                    return x + 1

            def train(folder):
                pickling.dump(Model(), folder)

            if __name__ == "__main__":
                child = multiprocessing.get_context("spawn").Process(target=train, args=(sys.argv[1],))
                child.start()
                child.join()
            """
        )
    )
    folder = tmp_path / "model"
    folder.mkdir()
    subprocess.run([sys.executable, script, folder], check=True)
    assert run(LOAD_AND_CALL, folder) == "21"


def test_lambdas_closures_and_local_classes_load_in_another_program(tmp_path: Path) -> None:
    """What has no importable name goes into the pickle itself."""
    offset = 1

    class Local:
        def add(self, x: int) -> int:
            return x + offset

    local = Local()
    pickling.dump(partial(lambda f, x: f(x) * 2, local.add), tmp_path)
    assert run(LOAD_AND_CALL, tmp_path) == "42"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A module that only this process can import."""
    folder = tmp_path / "code"
    (folder / "kitchen").mkdir(parents=True)
    (folder / "kitchen" / "__init__.py").write_text("def cook(x):\n    return x * 2\n")
    (folder / "kitchen" / "oven.py").write_text("class Oven:\n    def __call__(self, x):\n        return x + 22\n")
    monkeypatch.syspath_prepend(str(folder))
    import kitchen  # type: ignore[import-not-found]
    import kitchen.oven  # type: ignore[import-not-found]

    yield kitchen
    for name in ("kitchen", "kitchen.oven"):
        del sys.modules[name]


@pytest.mark.parametrize("given", ["module", "name"])
def test_external_modules_travel_with_the_pickle(module: types.ModuleType, given: str, tmp_path: Path) -> None:
    """Within `by_value`, a module's functions and classes need not be importable where the pickle is loaded."""
    folder = tmp_path / "model"
    folder.mkdir()
    with pickling.by_value([module if given == "module" else "kitchen"]):
        pickling.dump(module.oven.Oven(), folder)
    assert run(LOAD_AND_CALL, folder) == "42"
    assert cloudpickle.list_registry_pickle_by_value() == set()


def test_a_missing_module_is_named_with_what_to_install(module: types.ModuleType, tmp_path: Path) -> None:
    """Without `by_value` the module is needed to load, and the error says which and what to do."""
    folder = tmp_path / "model"
    folder.mkdir()
    pickling.dump(module.oven.Oven(), folder)
    message = run(
        """
        from tiffin import pickling
        from tiffin.exceptions import PicklingError
        try:
            pickling.load(sys.argv[1])
        except PicklingError as error:
            print(error.module, type(error.__cause__).__name__, error)
        """,
        folder,
    )
    assert message.startswith("kitchen ModuleNotFoundError The pickle ")
    assert "needs the module 'kitchen', which is not installed. Install the package that provides 'kitchen'" in message


def test_a_class_that_is_gone_is_named(module: types.ModuleType, tmp_path: Path) -> None:
    """If the module is there but the class is not, the error says so and points to versions."""
    pickling.dump(module.oven.Oven(), tmp_path)
    del module.oven.Oven
    with pytest.raises(PicklingError, match=r"attribute 'Oven'.*versions that the model was saved with") as caught:
        pickling.load(tmp_path)
    assert isinstance(caught.value.__cause__, AttributeError)


def test_by_value_blocks_may_be_nested(module: types.ModuleType) -> None:
    """A module stays registered until the outermost block ends."""
    with pickling.by_value([module]):
        with pickling.by_value(["kitchen", module]):
            assert cloudpickle.list_registry_pickle_by_value() == {"kitchen"}
        assert cloudpickle.list_registry_pickle_by_value() == {"kitchen"}
    assert cloudpickle.list_registry_pickle_by_value() == set()


def test_by_value_leaves_registrations_of_others_alone(module: types.ModuleType) -> None:
    """What the user registered with cloudpickle stays registered after the block."""
    cloudpickle.register_pickle_by_value(module)
    try:
        with pickling.by_value([module]):
            pass
        assert cloudpickle.list_registry_pickle_by_value() == {"kitchen"}
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_by_value_blocks_of_several_threads_do_not_end_each_other(module: types.ModuleType) -> None:
    """While any thread is in a block, the module is registered; after the last one it is not."""
    barrier = threading.Barrier(4)

    def enter(_: int) -> bool:
        barrier.wait()
        kept = True
        for _ in range(200):
            with pickling.by_value([module]):
                kept = kept and "kitchen" in cloudpickle.list_registry_pickle_by_value()
        return kept

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(enter, range(4)))
    assert cloudpickle.list_registry_pickle_by_value() == set()


def test_by_value_is_undone_after_an_error(module: types.ModuleType) -> None:
    """An error within the block leaves nothing registered."""
    with pytest.raises(ZeroDivisionError), pickling.by_value([module]):
        raise ZeroDivisionError
    assert cloudpickle.list_registry_pickle_by_value() == set()


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (["json", "no_such_module"], "'no_such_module' cannot be pickled by value: it is not imported"),
        ([types.ModuleType("made_up")], "'made_up' cannot be pickled by value: it is not imported"),
        ([42], "42 cannot be pickled by value: it is a int, not a module"),
        ("json", "must come as a list"),
    ],
)
def test_by_value_refuses_what_is_no_imported_module(modules: Any, message: str) -> None:
    """A wrong name or object is an error, and nothing is registered."""
    with pytest.raises(PicklingError, match=message), pickling.by_value(modules):
        pass
    assert cloudpickle.list_registry_pickle_by_value() == set()


class Holder:
    """An object with whatever attributes are given."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("part",)

    def __init__(self, part: Any) -> None:
        self.part = part


def numbers() -> Iterator[int]:
    yield 1


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("obj", "where", "type_name"),
    [
        (LOCK, "model", "_thread.lock"),
        (Holder(lock=LOCK), "model.lock", "_thread.lock"),
        (Holder(weights=np.zeros(1 << 20), parts=[1, {"a": (LOCK,)}]), "model.parts[1]['a'][0]", "_thread.lock"),
        (Slotted(numbers()), "model.part", "generator"),
        ([Holder(source=numbers())], "model[0].source", "generator"),
        (Holder(connection=socket.socket()), "model.connection", "socket.socket"),
        (partial(print, LOCK), "model.args[0]", "_thread.lock"),
        (Holder(check=lambda: LOCK), "model.check global 'LOCK'", "_thread.lock"),
        (Holder(call=(lambda inner: lambda: inner)(LOCK)), "model.call variable 'inner'", "_thread.lock"),
        (memoryview(np.zeros(2, [("a", "i4"), ("b", "f8")])), "model", "memoryview"),
    ],
)
def test_what_cannot_be_pickled_is_named_with_the_way_to_it(
    obj: Any, where: str, type_name: str, tmp_path: Path
) -> None:
    """The error names the culprit's type and how to reach it from the model; no file is left."""
    with pytest.raises(PicklingError) as caught:
        pickling.dump(obj, tmp_path)
    error: Any = caught.value
    assert (error.where, error.type_name) == (where, type_name)
    assert type_name in str(error)
    assert where in str(error) or where == "model"
    assert "__getstate__" in error.fix
    assert isinstance(error.__cause__, TypeError)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_of_a_memoryview_may_be_part_of_a_cycle(tmp_path: Path) -> None:
    """CPython before 3.13 crashes when the collector frees a memoryview in use; nothing of ours keeps one so."""
    code = """
    import gc, threading
    from tiffin import pickling
    from tiffin.exceptions import PicklingError

    def fail():
        model = [memoryview(bytes(5000)), memoryview(bytearray(2 << 20)), threading.Lock()]
        try:
            pickling.dump(model, sys.argv[1])
        except PicklingError as error:
            kept = [error]
            kept.append(kept)

    fail()
    gc.collect()
    print("alive")
    """
    assert run(code, tmp_path) == "alive"


class Stubborn:
    def __reduce__(self) -> Any:
        raise ZeroDivisionError("never")


def test_an_error_of_an_objects_own_code_is_explained(tmp_path: Path) -> None:
    """What an object's `__reduce__` raises is chained, and the object is named."""
    with pytest.raises(PicklingError, match=r"model\.inner is a .*Stubborn\. ZeroDivisionError: never") as caught:
        pickling.dump(Holder(inner=Stubborn()), tmp_path)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_object_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    """A chain longer than the recursion limit is an error that says so."""
    chain: list[Any] = []
    for _ in range(100_000):
        chain = [chain]
    with pytest.raises(PicklingError, match="A list cannot be pickled: it is nested too deeply"):
        pickling.dump(chain, tmp_path)
    while chain:  # level by level: freeing it at once may be too deep as well
        chain = chain[0]


class FailsToLoad:
    def __reduce__(self) -> Any:
        return int, ("not a number",)


def test_an_error_while_an_object_is_rebuilt_is_chained(tmp_path: Path) -> None:
    """What the code in a pickle raises is reported with the file's name, and chained."""
    pickling.dump(FailsToLoad(), tmp_path)
    with pytest.raises(PicklingError, match=r"model\.pkl' cannot be loaded \(ValueError: invalid literal") as caught:
        pickling.load(tmp_path)
    assert isinstance(caught.value.__cause__, ValueError)


def test_importing_and_loading_import_neither_numpy_nor_cloudpickle(tmp_path: Path) -> None:
    """Programs that load plain objects pay for nothing else."""
    pickling.dump({"a": [1, 2.5, "x"]}, tmp_path)
    code = """
    import tiffin.pickling
    assert tiffin.pickling.load(sys.argv[1]) == {"a": [1, 2.5, "x"]}
    print([name for name in ("numpy", "cloudpickle", "json", "ctypes") if name in sys.modules])
    """
    assert run(code, tmp_path) == "[]"


def test_saving_plain_objects_does_not_import_numpy(tmp_path: Path) -> None:
    """A model without arrays is saved without numpy."""
    code = """
    from tiffin import pickling
    pickling.dump({"a": memoryview(b"x")}, sys.argv[1])
    print("numpy" in sys.modules)
    """
    assert run(code, tmp_path) == "False"


def test_a_pickled_memoryview_names_a_function_that_stays(tmp_path: Path) -> None:
    """Stored models hold this name, and trust lists compare it exactly."""
    pickling.dump(memoryview(b"x"), tmp_path)
    content = (tmp_path / "model.pkl").read_bytes()
    assert b"tiffin.pickling\x94" in content
    assert b"restore_memoryview\x94" in content
