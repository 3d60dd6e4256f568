"""A plugin's back end, shown whole: a place to run of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import pytest

import tiffin
from inside.runners import backends
from tiffin import hookimpl
from tiffin.exceptions import RunnerError
from tiffin.runners import Backend, Runnable, Runner, Worker, WorkerSpec


class NotingWorker:
    """One runnable, called in the thread that asks; notes what it is told to do. Not derived from any class of Tiffin."""

    def __init__(self, spec: WorkerSpec, notes: list[str]) -> None:
        self.name = f"noting {spec.name}"
        self._spec, self._notes = spec, notes
        self._runnable: Any = None

    def start(self, timeout: float | None = None) -> None:
        self._notes.append(f"start {self._spec.name}")
        self._runnable = self._spec.runnable_class(**self._spec.init_params)

    def run(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        timeout: float | None = None,
        slot: int = 0,
    ) -> Any:
        self._notes.append(f"run {method} of {len(args[0])} rows")
        return getattr(self._runnable, method)(*args, **kwargs)

    def stream(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        timeout: float | None = None,
        slot: int = 0,
    ) -> Iterator[Any]:
        yield from getattr(self._runnable, method)(*args, **kwargs)

    @property
    def healthy(self) -> bool:
        return self._runnable is not None

    def close(self, timeout: float | None = None) -> None:
        if self._runnable is not None:
            self._notes.append(f"close {self._spec.name}")
        self._runnable = None

    def kill(self) -> None:
        self._runnable = None


class NotingBackend:
    """A place to run of one's own."""

    inline = False
    takes_ahead = False

    def __init__(self) -> None:
        self.notes: list[str] = []

    def create_worker(self, spec: WorkerSpec) -> Worker:
        return NotingWorker(spec, self.notes)


class Doubling(Runnable):
    """Doubles numbers, at once or one by one."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    @Runnable.method(batchable=True)
    def scale(self, numbers: list[int]) -> list[int]:
        return [number * self.factor for number in numbers]

    @Runnable.method
    def each(self, numbers: list[int]) -> Iterator[int]:
        for number in numbers:
            yield number * self.factor


@pytest.fixture
def noting_plugin() -> Iterator[list[NotingBackend]]:
    """Register a plugin with a back end, and return the back ends that runners have had made."""
    made: list[NotingBackend] = []

    class Plugin:
        @hookimpl
        def runner_backends(self) -> Mapping[str, Any]:
            def make() -> Backend:
                made.append(NotingBackend())
                return made[-1]

            return {"noting": make}

    tiffin.register(Plugin(), name="noting_backend")
    yield made
    tiffin.unregister("noting_backend")
    backends.pop("noting", None)


def test_a_back_end_that_comes_through_the_hook_runs_everything(noting_plugin: list[NotingBackend]) -> None:
    """A plugin adds a place to run; batching, splitting and streams are as everywhere."""
    with Runner(Doubling, name="d", backend="noting", max_batch_size=4, runnable_init_params={"factor": 2}) as runner:
        assert runner.scale.run([1, 2, 3]) == [2, 4, 6]
        assert runner.scale.run(list(range(10))) == list(range(0, 20, 2))
        assert list(runner.each.run([5, 6])) == [10, 12]
    (backend,) = noting_plugin
    runs = [f"run scale of {rows} rows" for rows in (3, 4, 4, 2)]
    assert backend.notes == ["start d-0", *runs, "close d-0"]


def test_each_runner_has_a_back_end_of_its_own(noting_plugin: list[NotingBackend]) -> None:
    """The hook's function is called for each runner, so that nothing is shared that should not be."""
    for _ in range(2):
        with Runner(Doubling, backend="noting", workers=2, runnable_init_params={"factor": 3}) as runner:
            assert runner.scale.run([1]) == [3]
    assert [sum(note.startswith("start") for note in backend.notes) for backend in noting_plugin] == [2, 2]


def test_a_back_end_whose_plugin_is_not_there_is_not_known() -> None:
    """The error names the back ends that there are."""
    with pytest.raises(RunnerError, match="There is no runner back end 'noting'") as error:
        Runner(Doubling, backend="noting")
    assert "noting" not in error.value.why


@pytest.mark.skipif(find_spec("tiffin_ray") is not None, reason="the package is installed here")
def test_a_back_end_of_a_package_that_is_not_installed_says_what_to_install() -> None:
    """Only for names of packages of Tiffin's own."""
    with pytest.raises(RunnerError, match=r"no runner back end 'ray'.*Try: pip install tiffin-ray"):
        Runner(Doubling, backend="ray")
