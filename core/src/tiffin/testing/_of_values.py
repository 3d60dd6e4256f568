"""Checks of batches, and of the values that go in and come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs

from tiffin.signatures import check_spec, find_method
from tiffin.testing._bench import Trial, copied
from tiffin.testing._equality import close, equal
from tiffin.testing._promise import NotApplicable, check, expect
from tiffin.values import find_kind
from tiffin.wire import Agreement, decode_value, encode_value

_COARSE = 1e-4
"""How far floats may be apart where an input has half its precision, or less."""


@check("2026.11")
def a_batch_equals_its_rows(trial: Trial) -> None:
    """Each batchable method answers a batch as it answers its rows one by one, each a batch of one."""
    model = trial.bench.prepared(trial.saved.load())
    for method, value, before, after in trial.batches():
        kind = find_kind(value)
        rows = kind.count(value, before) if kind else None
        expect(
            kind is not None and rows is not None and rows > 1,
            f"The input of {method!r} is no batch of two or more rows: {value!r:.200}",
            "Give the Subject a batch as the input of a batchable method",
        )
        _expect_rows(trial, find_method(model, method), method, value, before, after, _closeness(trial, close))


@check("2026.11")
def other_dtypes_are_batched_alike(trial: Trial) -> None:
    """A batch of another number type, where the method takes it, is answered as its rows are."""
    model = trial.bench.prepared(trial.saved.load())
    tried = False
    for method, value, before, after in trial.batches():
        function = find_method(model, method)
        for other in _other_dtypes(value):
            try:
                function(copied(other))
            # A method may refuse a type in any way; then it is not batched either.
            except Exception:  # noqa: BLE001
                continue
            tried = True
            near = _closeness(trial, partial(close, relative=_COARSE))
            _expect_rows(trial, function, method, other, before, after, near)
    if not tried:
        raise NotApplicable("no input is an array of numbers that could be of another type")


def _closeness(trial: Trial, default: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return trial.subject.close or (default if trial.subject.same is equal else trial.subject.same)


def _expect_rows(
    trial: Trial,
    function: Callable[..., Any],
    method: str,
    value: Any,
    before: int,
    after: int,
    same: Callable[[Any, Any], bool],
) -> None:
    kind = find_kind(value)
    assert kind is not None
    rows = kind.count(value, before) or 0
    whole = function(copied(value))
    one_by_one = [function(kind.cut(copied(value), row, row + 1, before)) for row in range(rows)]
    answered = find_kind(whole)
    expect(
        answered is not None
        and answered.count(whole, after) == rows
        and [answered.count(one, after) for one in one_by_one] == [1] * rows
        and same(whole, answered.join(one_by_one, after)),
        f"The method {method!r} answers a batch otherwise than its rows: {whole!r:.200} in place of {one_by_one!r:.200}",
        "Declare it as not batchable, or with the batch_dim that it has",
    )


def _other_dtypes(value: Any) -> Iterator[Any]:
    import numpy

    kind = find_kind(value)
    try:
        array = numpy.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return
    if kind is None or isinstance(value, (list, tuple)) or array.dtype.kind not in "fiu":
        return
    for name in ("float64", "float32", "int64", "int32"):
        if array.dtype != name:
            try:
                yield kind.from_numpy(array.astype(name), {"type": "array", "dtype": name, "shape": list(array.shape)})
            except LookupError:
                return


@check("2026.11")
def no_rows_have_no_answers(trial: Trial) -> None:
    """A batchable method that is given a batch of no rows answers with no rows, or refuses."""
    model = trial.bench.prepared(trial.saved.load())
    for method, value, before, after in trial.batches():
        kind = find_kind(value)
        if kind is None:
            continue
        empty = kind.cut(value, 0, 0, before)
        try:
            answer = find_method(model, method)(empty)
        # It may refuse in any way.
        except Exception:  # noqa: BLE001
            continue
        answered = find_kind(answer)
        expect(
            answered is not None and answered.count(answer, after) == 0,
            f"The method {method!r} answers a batch of no rows with {answer!r:.200}",
            "Answer with no rows, or raise",
        )


@check("2026.11")
def split_then_join_is_the_identity(trial: Trial) -> None:
    """Inputs and answers of batchable methods, cut apart in any way and joined, are what they were, dtype and all."""
    for method, value, before, after in trial.batches():
        for what, whole, axis in (("input", value, before), ("answer", trial.bench.answered[method], after)):
            kind = find_kind(whole)
            rows = kind.count(whole, axis) if kind else None
            if kind is None or not rows:
                continue
            for counts in ([1, rows - 1], [0, rows], [rows, 0], [1] * rows):
                parts = kind.split(copied(whole), counts, axis)
                expect(
                    [kind.count(part, axis) for part in parts] == counts
                    and len({kind.key(part, axis) for part in parts if kind.count(part, axis)}) == 1
                    and trial.subject.same(whole, kind.join(parts, axis)),
                    f"The {what} of {method!r}, split into {counts} rows and joined, is another: {parts!r:.200}",
                    f"Mend split, cut, key or join of the kind {kind.name!r}",
                )


@check("2026.11")
def values_cross_as_they_are(trial: Trial) -> None:
    """Inputs and answers are equal in type, dtype and device after the way to another process."""
    here, there = Agreement(), Agreement()
    for method, value in trial.offered().items():
        answer = trial.bench.answered[method]
        for what, sent in (("input", value), ("answer", answer)):
            there.hear(here.greeting())
            here.hear(there.greeting())
            encoded = encode_value(sent, peer=here)
            here.say(there.hear)
            header, buffers = encoded
            got = decode_value(header, [memoryview(bytearray(buffer)) for buffer in buffers], kinds=there.receives)
            expect(
                type(got) is type(sent) and _device(got) == _device(sent) and trial.subject.same(sent, got),
                f"The {what} of {method!r} comes as another to a worker process: {got!r:.200} in place of {sent!r:.200}",
                "Mend send and receive of its kind of values",
            )


def _device(value: Any) -> str:
    return str(getattr(value, "device", ""))


@check("2026.11")
def specs_accept_their_example(trial: Trial) -> None:
    """What is inferred from an input, and what the adapter says by itself, fits the input and its answer."""
    for method, value in trial.offered().items():
        said = trial.bench.served.info.signatures[method]
        plain = attrs.evolve(said, input_spec=None, output_spec=None)
        made = trial.subject.make()
        inferred = trial.save(made, signatures={method: plain}, input_example=value).info.signatures[method]
        for signature in (said, inferred):
            answer = trial.bench.expected[method]
            for spec, real, where in (
                (signature.input_spec, value, "input"),
                (signature.output_spec, answer, "output"),
            ):
                if spec is not None and not (where == "output" and signature.stream):
                    check_spec(spec, real, where=where, method=method)
