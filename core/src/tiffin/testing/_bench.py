"""Bench: what all checks of one subject share; Trial: what one of them works with."""

from __future__ import annotations

import contextlib
import copy
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import attrs

from tiffin.exceptions import ConformanceError, NotKeptWarning, RemoteError, SignatureError
from tiffin.info import options_from
from tiffin.model import Model
from tiffin.models import save
from tiffin.plugins import Adapter, registry
from tiffin.runners import Runner
from tiffin.signatures import find_method
from tiffin.store import ModelStore
from tiffin.testing import _alone
from tiffin.testing._promise import NotApplicable, expect
from tiffin.testing._subject import Subject
from tiffin.values import find_kind


class Raised(NamedTuple):
    """What stands for an answer where a method raises."""

    kind: str
    text: str


def copied(value: Any) -> Any:
    """Return a copy of a value; of one that Python cannot copy, what its kind makes of what it sends."""
    try:
        return copy.deepcopy(value)
    except (TypeError, NotImplementedError):
        kind = find_kind(value)
        if kind is None:
            raise
        return kind.receive(copied(kind.send(value)))


class Bench:
    """A subject, and what is made of it once for all checks: a saved version, a runner, another program.

    Args:
        subject: the model and its inputs.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.lost: tuple[str, ...] = ()
        """What the last save said that the files do not keep."""
        self._stack = contextlib.ExitStack()
        made = tempfile.TemporaryDirectory(prefix="tiffin-check-", ignore_cleanup_errors=True)
        self.folder = Path(self._stack.enter_context(made))
        self._numbers = count()

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes and remove the folder."""
        self._stack.close()

    def trial(self) -> Trial:
        """Return what one check works with, in a folder of its own."""
        folder = self.folder / f"trial-{next(self._numbers)}"
        folder.mkdir()
        return Trial(self, folder)

    @cached_property
    def adapter(self) -> Adapter:
        """The adapter."""
        return registry().adapter(self.subject.framework)

    @property
    def saved(self) -> Model:
        """The model, saved once; not to be changed.

        Raises:
            ConformanceError: it cannot be made or saved; for each check in the same words.
        """
        if isinstance(self._saved, ConformanceError):
            raise self._saved
        return self._saved

    @cached_property
    def _saved(self) -> Model | ConformanceError:
        what = "made"
        try:
            model, what = self.subject.make(), "saved"
            return self.save(model, ModelStore(self.folder / "store"))
        # In whatever way it fails, no check can be tried.
        except Exception as error:  # noqa: BLE001
            made = ConformanceError(
                f"The model cannot be {what}: {type(error).__name__}: {str(error).rstrip('.')}",
                fix="Where it lacks a method, let 'signatures' of context_info be a function that is given the model"
                if isinstance(error, SignatureError)
                else "",
                check="",
            )
            made.__cause__ = error
            return made

    @cached_property
    def served(self) -> Model:
        """The saved model; where its signatures lack methods of the subject, another one that has them all."""
        signatures = self.saved.info.signatures
        missing = self.subject.inputs.keys() - signatures.keys()
        if not missing:
            return self.saved
        every = {**signatures, **{method: {"batchable": False} for method in missing}}
        return self.save(self.subject.make(), ModelStore(self.folder / "served"), signatures=every)

    @cached_property
    def runner(self) -> Runner:
        """A worker process that has the saved model, started once."""
        return self._stack.enter_context(self.served.to_runner(backend="process"))

    @cached_property
    def client(self) -> Any:
        """The same, as an attached program sees it."""
        address = self.runner.listen(self.folder / "socket" / "runner")
        return self._stack.enter_context(Runner.attach(address))

    @cached_property
    def program(self) -> Mapping[str, Any]:
        """What another program found, see `_alone`."""
        return _alone.ask(self.subject, self.adapter, self.saved, self.folder / "alone")

    @cached_property
    def expected(self) -> dict[str, Any]:
        """What each method of a model answers that nobody has saved."""
        return self.answers(self.subject.make())

    @cached_property
    def answered(self) -> dict[str, Any]:
        """What each method of the saved model answers once it is loaded: what all other ways to run it are held to."""
        return self.answers(self.saved.load())

    def save(self, model: Any, store: ModelStore, **changes: Any) -> Model:
        """Save a model as the subject says; what is lost is noted, and not warned of."""
        arguments = {**self.subject.options, **changes}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = save("subject", model, framework=self.subject.framework, store=store, **arguments)
        found = [warning.message for warning in caught if isinstance(warning.message, NotKeptWarning)]
        self.lost = tuple(phrase for warning in found for phrase in warning.lost)
        return made

    def prepared(self, model: Any) -> Any:
        """Return the object whose methods run; of a file that is a model, what is loaded of it."""
        if self.adapter.stores_file(model):
            model = self.saved.load()
        return self.adapter.prepare(model, options_from(self.adapter.info.options, self.saved.info.options), {}, None)

    def answers(self, model: Any) -> dict[str, Any]:
        """Return what each method answers, as it would run: of the object that the adapter prepares.

        Raises:
            NotApplicable: the subject names no method.
        """
        if not self.subject.inputs:
            raise NotApplicable("the subject has no inputs")
        ready = self.prepared(model)
        return {method: self.ask(find_method(ready, method), value) for method, value in self.subject.inputs.items()}

    def ask(self, function: Callable[..., Any], value: Any, **kwargs: Any) -> Any:
        """Return what a method answers to a copy of a value; of what it streams, all items."""

        def answer() -> Any:
            found = function(copied(value), **kwargs)
            return list(found) if isinstance(found, Iterator) else found

        if not self.subject.refuses:
            return answer()
        try:
            answer()
        except RemoteError as error:  # from a worker process, which names the class and does not send it
            return Raised(error.type_name.rpartition(".")[2], error.text.partition("\n")[0])
        # A model that is not fitted may refuse in any way; what counts is that it does so alike.
        except Exception as error:  # noqa: BLE001
            return Raised(type(error).__name__, str(error).partition("\n")[0])
        expect(
            False, f"A method answers {value!r:.100}, and the subject says that it refuses", "Leave out refuses=True"
        )
        return None


@attrs.frozen
class Trial:
    """What one check works with.

    Attributes:
        bench: what all checks of the subject share.
        folder: an empty folder of this check's own.
    """

    bench: Bench
    folder: Path

    @property
    def subject(self) -> Subject:
        """The subject."""
        return self.bench.subject

    @property
    def adapter(self) -> Adapter:
        """The adapter."""
        return self.bench.adapter

    @property
    def saved(self) -> Model:
        """The model, saved once for all checks."""
        return self.bench.saved

    def save(self, model: Any, **changes: Any) -> Model:
        """Save a model as the subject says, in a store of this check's own."""
        _ = self.saved  # where that cannot be, it is said in the words that all checks share
        return self.bench.save(model, ModelStore(self.folder / "store"), **changes)

    def offered(self) -> dict[str, Any]:
        """Return the inputs of the methods that answer a call.

        Raises:
            NotApplicable: there are none.
        """
        if self.subject.refuses:
            raise NotApplicable("the subject's methods refuse to answer")
        if not self.subject.inputs:
            raise NotApplicable("the subject has no inputs")
        return dict(self.subject.inputs)

    def batches(self) -> Iterator[tuple[str, Any, int, int]]:
        """Yield method, input, and the axes of input and output, of each method that is batchable along one axis.

        Raises:
            NotApplicable: there are none.
        """
        found = False
        for method, value in self.offered().items():
            signature = self.bench.served.info.signatures[method]
            before, after = signature.batch_dim
            if signature.batchable and isinstance(before, int):
                found = True
                yield method, value, before, after
        if not found:
            raise NotApplicable("no method is batchable along one axis")

    def expect_same(self, answers: Mapping[str, Any], expected: Mapping[str, Any], where: str, fix: str) -> None:
        """Compare answers with those that are expected.

        Args:
            answers: by method.
            expected: by method; those of further methods do not count.
            where: whose answers the first are, for the error.
            fix: what to do if they differ.

        Raises:
            ConformanceError: a method answers otherwise.
        """
        for method, answer in answers.items():
            wanted = expected[method]
            same = answer == wanted if isinstance(wanted, Raised) else self.subject.same(wanted, answer)
            expect(
                same,
                f"The method {method!r} answers otherwise {where}: {answer!r:.200} in place of {wanted!r:.200}",
                fix,
            )

    def stranger(self, **replaced: bytes) -> Model:
        """Return the saved model as a stranger gives it: in a store that does not know where it is from.

        Args:
            **replaced: file → the content in its place.
        """
        folder = self.folder / f"stranger-{len(list(self.folder.iterdir()))}"
        shutil.copytree(self.saved.path.parents[2], folder)
        shutil.rmtree(folder / "origins")
        model = ModelStore(folder).get(self.saved.tag)
        for name, content in replaced.items():
            file = model.path / name
            file.parent.chmod(0o700)
            file.unlink()
            file.write_bytes(content)
        return model
