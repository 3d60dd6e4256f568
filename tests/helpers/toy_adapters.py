"""An adapter of the toy framework that keeps all promises, and for each check one that breaks just that."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

import tiffin
from tiffin.inspection import Inspection, Tape
from tiffin.values import ValueKind


class RowsKind(ValueKind):
    """The framework's values: arrays in a class of their own."""

    name = "toyframe.Rows"
    types = ("toyframe.Rows",)

    def count(self, value: Any, axis: int) -> int | None:
        return len(value.values)

    def key(self, value: Any, axis: int) -> Any:
        return value.dtype, value.shape[1:]

    def join(self, values: Sequence[Any], axis: int) -> Any:
        import numpy

        return type(values[0])(numpy.concatenate([value.values for value in values]))

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        return type(value)(value.values[start:stop])

    def send(self, value: Any) -> Any:
        return value.values

    def receive(self, parts: Any) -> Any:
        from toyframe import Rows

        return Rows(parts)

    def spec(self, value: Any, axis: int | None) -> dict[str, Any]:
        return {"type": "array", "dtype": str(value.dtype), "shape": [None]}


@attrs.frozen(kw_only=True)
class ScaleOptions(tiffin.ModelOptions):
    digits: int = 3
    codec: str = "json"


class ScaleAdapter:
    """Keeps all promises."""

    types: tuple[str, ...] = ("toyframe.Scale",)
    by_name: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ("attrs",)
    options: Any = ScaleOptions
    centre: bool = False
    more: dict[str, Any] = {}  # noqa: RUF012
    kind: type[RowsKind] = RowsKind

    @tiffin.hookimpl
    def context_info(self) -> dict[str, Any]:
        signatures = {"apply": {"batchable": True}, "centre": {"batchable": self.centre}, "wrap": {"batchable": True}}
        return {
            "types": self.types,
            "types_by_name": self.by_name,
            "distributions": self.distributions,
            "signatures": signatures,
            "options": self.options,
            "code_files": (),
            **self.more,
        }

    @tiffin.hookimpl
    def save(self, model: Any, path: Path, options: Any) -> Any:
        return self.write(model, path, options)

    @tiffin.hookimpl
    def load(self, path: Path, options: Any, trusted: bool) -> Any:
        return self.read(path, options, trusted)

    @tiffin.hookimpl
    def prepare(self, obj: Any, device: str | None) -> Any:
        return self.ready(obj, device)

    @tiffin.hookimpl
    def values(self) -> list[Any]:
        return [self.kind()]

    def write(self, model: Any, path: Path, options: Any) -> Any:
        text = json.dumps({"factor": model.factor, "unit": model.unit})
        (path / "scale.json").write_text(text, encoding="utf-8")

    def read(self, path: Path, options: Any, trusted: bool) -> Any:
        return self.made(**json.loads((path / "scale.json").read_text(encoding="utf-8")))

    def made(self, factor: float, unit: str = "cm") -> Any:
        from toyframe import Scale

        return Scale(factor, unit)

    def ready(self, obj: Any, device: str | None) -> Any:
        return obj


class TakesByNameOnly(ScaleAdapter):
    types = ()
    by_name = ScaleAdapter.types


class ClaimsDicts(ScaleAdapter):
    types = (*ScaleAdapter.types, "builtins.dict")


class OffersMore(ScaleAdapter):
    @tiffin.hookimpl
    def context_info(self) -> dict[str, Any]:
        info = super().context_info()
        return {**info, "signatures": {**info["signatures"], "describe": {"batchable": False}}}


class NamesWhatIsNotThere(ScaleAdapter):
    distributions = ("no-such-distribution",)


class ChangesTheModel(ScaleAdapter):
    def write(self, model: Any, path: Path, options: Any) -> Any:
        super().write(model, path, options)
        model.factor = 0.0


class AnswersOneMore(ScaleAdapter):
    def made(self, factor: float, unit: str = "cm") -> Any:
        from toyframe import Scale

        class OneMore(Scale):
            def apply(self, values: Any, offset: float = 0.0) -> Any:
                return super().apply(values, offset) + 1

        return OneMore(factor, unit)


class ForgetsTheUnit(ScaleAdapter):
    def made(self, factor: float, unit: str = "cm") -> Any:
        return super().made(factor)


class Keeps(ScaleAdapter):
    kept: dict[Path, Any] = {}  # noqa: RUF012

    def read(self, path: Path, options: Any, trusted: bool) -> Any:
        return self.kept.setdefault(path, super().read(path, options, trusted))


class Touches(ScaleAdapter):
    def read(self, path: Path, options: Any, trusted: bool) -> Any:
        os.utime(path / "scale.json")
        return super().read(path, options, trusted)


class HidesAPickle(ScaleAdapter):
    def write(self, model: Any, path: Path, options: Any) -> Any:
        super().write(model, path, options)
        (path / "more").write_bytes(pickle.dumps(model.unit))


def store_of(path: Path) -> str:
    return str(next(folder for folder in path.parents if (folder / "format").exists()))


class KnowsItsStore(ScaleAdapter):
    def write(self, model: Any, path: Path, options: Any) -> Any:
        super().write(model, path, options)
        (path / "place").write_text(store_of(path), encoding="utf-8")

    def read(self, path: Path, options: Any, trusted: bool) -> Any:
        there = Path((path / "place").read_text(encoding="utf-8")).exists()
        return super().read(path, options, trusted) if there else self.made(0.0)


class HidesItInTheTime(ScaleAdapter):
    def write(self, model: Any, path: Path, options: Any) -> Any:
        super().write(model, path, options)
        os.utime(path / "scale.json", (1000, 1000))

    def read(self, path: Path, options: Any, trusted: bool) -> Any:
        kept = (path / "scale.json").stat().st_mtime == 1000
        return super().read(path, options, trusted) if kept else self.made(0.0)


class DropsOptions(ScaleAdapter):
    def write(self, model: Any, path: Path, options: Any) -> Any:
        super().write(model, path, options)
        return attrs.evolve(options, digits=3)


@attrs.frozen(kw_only=True)
class AnyOptions(ScaleOptions):
    digits: Any = 3


class TakesAnyOption(ScaleAdapter):
    options = AnyOptions


class ImportsWhatOptionsName(ScaleAdapter):
    def read(self, path: Path, options: Any, trusted: bool) -> Any:
        importlib.import_module(options.codec)
        return super().read(path, options, trusted)


class ImportsAtOnce(ScaleAdapter):
    @tiffin.hookimpl
    def context_info(self) -> dict[str, Any]:
        import toyframe  # noqa: F401

        return super().context_info()


class GoesOnWithout(ScaleAdapter):
    def made(self, factor: float, unit: str = "cm") -> Any:
        try:
            import toyframe as framework
        except ImportError:
            framework = None  # type: ignore[assignment]
        return framework.Scale(factor, unit)


class Litters(ScaleAdapter):
    def write(self, model: Any, path: Path, options: Any) -> Any:
        Path("scale.log").write_text("saved", encoding="utf-8")
        super().write(model, path, options)


class WorksElsewhere(ScaleAdapter):
    def write(self, model: Any, path: Path, options: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            super().write(model, Path(folder), options)
            shutil.copy(Path(folder, "scale.json"), path)


class WritesMoreAtFirst(ScaleAdapter):
    """Keeps all promises, and writes some files once in each process."""

    first = True

    def write(self, model: Any, path: Path, options: Any) -> Any:
        for name in ("cache-a", "cache-b", "cache-c") if self.first else ():
            (path / name).write_text("", encoding="utf-8")
            (path / name).unlink()
        self.first = False
        super().write(model, path, options)


class TakesFiles(ScaleAdapter):
    """Keeps all promises, of files."""

    more = {"paths": True}  # noqa: RUF012

    def write(self, model: Any, path: Path, options: Any) -> Any:
        shutil.copy(model, path / "scale.json")


class KnowsItsProcess(ScaleAdapter):
    here = True

    def write(self, model: Any, path: Path, options: Any) -> Any:
        super().write(model, path, options)
        (path / "process").write_text(str(os.getpid()), encoding="utf-8")

    def read(self, path: Path, options: Any, trusted: bool) -> Any:
        self.here = (path / "process").read_text(encoding="utf-8") == str(os.getpid())
        return super().read(path, options, trusted)

    def ready(self, obj: Any, device: str | None) -> Any:
        return obj if self.here else self.made(0.0)


class RunsOnlyElsewhere(KnowsItsProcess):
    def ready(self, obj: Any, device: str | None) -> Any:
        return obj if device is None or not self.here else self.made(0.0)


class IsBoundToAThread(ScaleAdapter):
    more = {"cpu_multi_threading": True}  # noqa: RUF012

    def made(self, factor: float, unit: str = "cm") -> Any:
        from toyframe import Scale

        class Bound(Scale):
            thread = None

            def apply(self, values: Any, offset: float = 0.0) -> Any:
                self.thread = self.thread or threading.get_ident()
                return super().apply(values, offset) if self.thread == threading.get_ident() else None

        return Bound(factor, unit)


class DropsPartialKwargs(ScaleAdapter):
    def write(self, model: Any, path: Path, options: Any) -> Any:
        super().write(model, path, options)
        return attrs.evolve(options, partial_kwargs={})


def read_scale(path: Path) -> Inspection:
    tape = Tape()
    tape.result = 2.5
    return Inspection("scale", tape.dotted(), (), tape)


class BuildsAnother(ScaleAdapter):
    more = {"code_files": ["*.json"], "code_readers": {"*.json": read_scale}}  # noqa: RUF012

    def read(self, path: Path, options: Any, trusted: bool) -> Any:
        return super().read(path, options, trusted) if trusted else self.made(0.0)


class FallsBackOnPickle(ScaleAdapter):
    def read(self, path: Path, options: Any, trusted: bool) -> Any:
        try:
            return super().read(path, options, trusted)
        except ValueError:
            return pickle.loads((path / "scale.json").read_bytes())


class MergesWhatDoesNotMerge(ScaleAdapter):
    centre = True

    def made(self, factor: float, unit: str = "cm") -> Any:
        from toyframe import Scale

        class Centred(Scale):
            def centre(self, values: Any) -> Any:
                return super().centre(values) if len(values) and values.dtype == "float64" else values

        return Centred(factor, unit)


class Halves(ScaleAdapter):
    """Centres what has half the precision."""

    def made(self, factor: float, unit: str = "cm") -> Any:
        from toyframe import Scale

        class Halved(Scale):
            def apply(self, values: Any, offset: float = 0.0) -> Any:
                answer = super().apply(values, offset)
                return answer - answer.mean() if values.dtype == "float32" else answer

        return Halved(factor, unit)


class AnswersNobody(ScaleAdapter):
    def made(self, factor: float, unit: str = "cm") -> Any:
        from toyframe import Scale

        class Talkative(Scale):
            def apply(self, values: Any, offset: float = 0.0) -> Any:
                import numpy

                return super().apply(values if len(values) else numpy.ones(1), offset)

        return Talkative(factor, unit)


class SplitsBackwards(RowsKind):
    def split(self, value: Any, counts: Sequence[int], axis: int) -> list[Any]:
        parts = super().split(value, counts, axis)
        return parts[::-1] if 1 in counts else parts


class Splits(ScaleAdapter):
    kind = SplitsBackwards


class Widens(RowsKind):
    def send(self, value: Any) -> Any:
        return value.values.astype("float64")


class Crosses(ScaleAdapter):
    kind = Widens


class SaysTwoAxes(RowsKind):
    def spec(self, value: Any, axis: int | None) -> dict[str, Any]:
        return {"type": "array", "dtype": str(value.dtype), "shape": [None, None]}


class Specs(ScaleAdapter):
    kind = SaysTwoAxes


WRONG: dict[str, type[ScaleAdapter]] = {
    "claims_its_models": TakesByNameOnly,
    "claims_no_others": ClaimsDicts,
    "every_method_has_an_input": OffersMore,
    "records_versions": NamesWhatIsNotThere,
    "saving_changes_nothing": ChangesTheModel,
    "load_gives_equal_answers": AnswersOneMore,
    "losses_are_reported": ForgetsTheUnit,
    "load_returns_a_new_object": Keeps,
    "load_writes_nothing": Touches,
    "pickles_are_declared": HidesAPickle,
    "loads_from_a_moved_store": KnowsItsStore,
    "loads_after_a_move": HidesItInTheTime,
    "options_are_kept": DropsOptions,
    "wrong_options_are_refused": TakesAnyOption,
    "options_run_nothing": ImportsWhatOptionsName,
    "discovery_imports_no_framework": ImportsAtOnce,
    "a_missing_framework_is_a_clear_error": GoesOnWithout,
    "save_writes_below_its_path": Litters,
    "a_killed_save_leaves_nothing": WorksElsewhere,
    "answers_alike_in_a_runner": RunsOnlyElsewhere,
    "answers_alike_in_another_process": KnowsItsProcess,
    "answers_alike_from_several_threads": IsBoundToAThread,
    "partial_kwargs_reach_the_method": DropsPartialKwargs,
    "strangers_models_are_built_or_refused": BuildsAnother,
    "hostile_files_run_nothing": FallsBackOnPickle,
    "a_batch_equals_its_rows": MergesWhatDoesNotMerge,
    "other_dtypes_are_batched_alike": Halves,
    "no_rows_have_no_answers": AnswersNobody,
    "split_then_join_is_the_identity": Splits,
    "values_cross_as_they_are": Crosses,
    "specs_accept_their_example": Specs,
}
"""Each check, and an adapter that only it catches."""
