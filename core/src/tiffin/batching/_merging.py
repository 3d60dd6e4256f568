"""How the calls of one method are taken apart into rows, merged, and their results cut apart again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from tiffin.batching._sameness import Incomparable, value_key
from tiffin.exceptions import BatchInputError, BatchRowsError, InseparableError
from tiffin.values import Inseparable, ValueKind, registry
from tiffin.values.kinds import could_be_outputs

InputAxes: TypeAlias = "int | Mapping[str, int | None]"
BatchDim: TypeAlias = "InputAxes | tuple[InputAxes, int]"
"""An axis for all, a pair (inputs, output), or a mapping from arguments' names to axes, where `None` is not batched."""


class BatchAxes(NamedTuple):
    """A parsed `batch_dim`.

    Attributes:
        inputs: one axis for every argument that is a batch, or the axis of each named argument. What a mapping does not
            name, or names with `None`, is not batched.
        output: the axis of the result.
    """

    inputs: InputAxes
    output: int

    @classmethod
    def parse(cls, batch_dim: BatchDim | Sequence[Any]) -> BatchAxes:
        """Return the axes that a `batch_dim` says.

        Args:
            batch_dim: a number, a pair (inputs, output), or a mapping from argument names to axes; the output's axis is
                the number, or the one axis that the mapping's arguments share.

        Raises:
            BatchInputError: it is none of these.
        """
        if isinstance(batch_dim, (list, tuple)) and len(batch_dim) == 2:
            inputs, output = batch_dim
        else:
            inputs, output = batch_dim, _shared_axis(batch_dim)
        if isinstance(inputs, Mapping):
            good = all(isinstance(name, str) and (axis is None or _is_axis(axis)) for name, axis in inputs.items())
        else:
            good = _is_axis(inputs)
        if not good or not _is_axis(output):
            raise BatchInputError(
                f"batch_dim is {batch_dim!r}",
                fix="Give an axis, a pair (inputs, output), or a mapping from argument names to axes or None; "
                "the pair, where the arguments' axes differ",
            )
        return cls(inputs, output)


def _shared_axis(batch_dim: Any) -> Any:
    if not isinstance(batch_dim, Mapping):
        return batch_dim
    used = {axis for axis in batch_dim.values() if axis is not None}
    return used.pop() if len(used) == 1 else None


def _is_axis(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class Slot(NamedTuple):
    """One batched argument: its place (position, or name of a keyword), axis and kind of values."""

    place: int | str
    axis: int
    kind: ValueKind


class Layout:
    """How calls of one kind are merged; all calls of a kind share it.

    A call's payload is what varies between calls of a kind: its batched arguments, as a tuple, or the one argument
    itself if there is just one. The rest is the template, taken from any one of the calls.
    """

    __slots__ = ("args", "kwargs", "method", "output_axis", "slots")

    def __init__(
        self, method: str, slots: tuple[Slot, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any], output_axis: int
    ) -> None:
        self.method = method
        self.slots = slots
        self.args = args
        self.kwargs = kwargs
        self.output_axis = output_axis

    def merge(self, payloads: Sequence[Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Return the arguments of one call that stands for all of these, in order. A single one is not copied."""
        slots = self.slots
        if len(slots) == 1:
            place, axis, kind = slots[0]
            merged = payloads[0] if len(payloads) == 1 else kind.join(payloads, axis)
            if place == 0 and len(self.args) == 1 and not self.kwargs:
                return (merged,), self.kwargs
            return self._fill((merged,))
        if len(payloads) == 1:
            return self._fill(payloads[0])
        columns = zip(*payloads, strict=True)
        return self._fill(tuple(slot.kind.join(column, slot.axis) for slot, column in zip(slots, columns, strict=True)))

    def may_have_changed(self, payloads: Sequence[Any], key: Hashable) -> bool:
        """Return whether a run of the merged calls, in this process, could have changed what another run would get.

        Args:
            payloads: what each call brought.
            key: the calls' key, made before the run.
        """
        for payload in payloads:
            values = (payload,) if len(self.slots) == 1 else payload
            if any(slot.kind.shares(value) for slot, value in zip(self.slots, values, strict=True)):
                return True
        batched = {slot.place for slot in self.slots}
        others = [
            (place, value) for place, value in [*enumerate(self.args), *self.kwargs.items()] if place not in batched
        ]
        try:
            return not all((place, value_key(value)) in key for place, value in others)  # type: ignore[operator]
        except Incomparable:
            return True

    def _fill(self, values: tuple[Any, ...]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        args, kwargs = list(self.args), dict(self.kwargs)
        for slot, value in zip(self.slots, values, strict=True):
            if isinstance(slot.place, int):
                args[slot.place] = value
            else:
                kwargs[slot.place] = value
        return tuple(args), kwargs

    def slice_payload(self, payload: Any, start: int, stop: int) -> Any:
        """Return the payload of the rows from `start` up to `stop`."""
        if len(self.slots) == 1:
            slot = self.slots[0]
            return slot.kind.cut(payload, start, stop, slot.axis)
        return tuple(
            slot.kind.cut(value, start, stop, slot.axis) for slot, value in zip(self.slots, payload, strict=True)
        )

    def split_result(
        self, result: Any, counts: Sequence[int], rows: int, payloads: Sequence[Any], *, by_order: bool = False
    ) -> list[Any]:
        """Return each caller's part of a result.

        Args:
            result: what the method returned for the merged call.
            counts: how many rows each call brought, in order.
            rows: their sum.
            payloads: what each call brought.
            by_order: whether the rows are known to be in the order of the calls, so that nothing else is looked at.

        Raises:
            InseparableError: several calls brought the rows, and whose are whose cannot be told.
            BatchRowsError: the result is no batch, or has another number of rows.
        """
        kind = registry.find(type(result))
        received = None
        if kind is not None:
            result = kind.settle(result)
            try:
                received = kind.count(result, self.output_axis)
            except ValueError:
                received = None  # no such axis, or values with different numbers of rows: told as what is no batch
        if kind is None or received != rows:
            wrong = self._rows_error(result, rows, received)
            if len(counts) > 1 and any(slot.kind.table for slot in self.slots):
                raise self._inseparable(wrong.what, rows, received)
            raise wrong
        if by_order or len(counts) == 1 or type(kind).separate is ValueKind.separate:
            return kind.split(result, counts, self.output_axis)
        brought = [payloads] if len(self.slots) == 1 else list(zip(*payloads, strict=True))
        try:
            return kind.separate(result, counts, self.output_axis, brought)
        except Inseparable as error:
            what = f"{self.method!r} returned a {type(result).__name__} for {len(counts)} calls together"
            raise self._inseparable(
                f"{what}, and whose rows are whose is not clear. {error}", rows, received
            ) from error

    def _inseparable(self, what: str, rows: int, received: int | None) -> InseparableError:
        return InseparableError(
            what,
            why="Each caller gets exactly its own rows, as if the others had not been there",
            fix="Return one row for each row, in the same order: an array, or a frame with a default index; several "
            "outputs as a tuple or dict. Or declare the method with batchable=False",
            method=self.method,
            expected=rows,
            received=received,
        )

    def _rows_error(self, result: Any, rows: int, received: int | None) -> BatchRowsError:
        kind = type(result).__name__
        if received is None:
            what = f"{self.method!r} returned a {kind} that is no batch of rows along axis {self.output_axis}"
        else:
            what = f"{self.method!r} was given {rows} rows and returned a {kind} of {received}"
        return BatchRowsError(
            f"{what} (rows given: {rows})",
            why="A batchable method answers with one row for each row it is given; anything else cannot be told apart "
            "between callers",
            fix="Declare it with batchable=False or another batch_dim, or register a kind of values for the result's class",
            method=self.method,
            expected=rows,
            received=received,
        )

    def join_results(self, results: Sequence[Any], *, by_order: bool = False) -> Any:
        """Return the results of the parts of one call as one; `by_order` as for `split_result`."""
        kind = registry.find(type(results[0]))
        try:
            if kind is None or any(type(result) is not type(results[0]) for result in results):
                raise ValueError("classes differ")
            if type(results[0]) is list and not by_order and all(map(could_be_outputs, results)):
                raise ValueError("they may be lists of several outputs, as well as of rows")
            return kind.join(results, self.output_axis)
        except (ValueError, LookupError) as error:
            raise BatchRowsError(
                f"{self.method!r} returned results for the parts of one large call that do not fit together",
                why=str(error),
                fix="Raise max_batch_size, so that the call is not split",
                method=self.method,
                expected=0,
                received=None,
            ) from error


class Prepared(NamedTuple):
    """One call, ready to be queued.

    Attributes:
        key: calls with equal keys may be merged; `None` means with no other.
        rows: how many rows it has; 1 if it is not batched.
        payload: what varies, see `Layout`. The pair (args, kwargs) if `layout` is `None`.
        layout: how to merge it and split the result; `None` for a call that runs as it is, its result unchecked.
    """

    key: Hashable
    rows: int
    payload: Any
    layout: Layout | None


def prepare(
    method: str, axes: BatchAxes, parameters: Sequence[str] | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Prepared:
    """Return a call of a batchable method, taken apart.

    Args:
        method: the method's name.
        axes: which arguments are batched, and along which axis.
        parameters: names of the method's positional parameters in order, if known; only a mapping of axes needs them.
        args: the call's positional arguments.
        kwargs: its keyword arguments.

    Raises:
        BatchInputError: arguments differ in their numbers of rows, lack the axis, or are no batches though they are
            declared as such.
    """
    slots: list[Slot] = []
    payload: list[Any] = []
    key: list[Hashable] = [len(args)]
    common: int | None = None
    first: int | str = 0
    alone = False
    places: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
    for place, value in places:
        axis = _axis_of(method, axes.inputs, parameters, place)
        kind = None if axis is None else registry.find(type(value))
        rows = None
        if kind is not None and axis is not None:
            try:
                rows = kind.count(value, axis)
            except ValueError as error:
                raise _input_error(method, f"argument {place!r} of {method!r}: {error}") from error
        if kind is None or axis is None or rows is None:
            if axis is not None and not isinstance(axes.inputs, int):
                raise _input_error(
                    method, f"argument {place!r} of {method!r} is declared as a batch, and is a {type(value).__name__}"
                )
            if not alone:
                try:
                    key.append((place, value_key(value)))
                except Incomparable:
                    alone = True
            continue
        if common is not None and rows != common:
            raise _input_error(
                method, f"argument {first!r} of {method!r} has {common} rows, and argument {place!r} has {rows}"
            )
        if common is None:
            common, first = rows, place
        slots.append(Slot(place, axis, kind))
        payload.append(value)
        compatibility = kind.key(value, axis)
        if compatibility is None:
            alone = True
        key.append((place, type(value), compatibility))
    if not common:
        # No batch among the arguments, or one without rows: what it means is for the method to say.
        return Prepared(None, 1, (args, kwargs), None)
    # The template must not keep the first call's rows alive.
    batched = {slot.place for slot in slots}
    template = tuple(None if place in batched else value for place, value in enumerate(args))
    keywords = {name: None if name in batched else value for name, value in kwargs.items()}
    layout = Layout(method, tuple(slots), template, keywords, axes.output)
    hashable: Hashable = None if alone else (method, *key)
    return Prepared(hashable, common, payload[0] if len(payload) == 1 else tuple(payload), layout)


def _axis_of(method: str, inputs: InputAxes, parameters: Sequence[str] | None, place: int | str) -> int | None:
    if isinstance(inputs, int):
        return inputs
    if isinstance(place, str):
        return inputs.get(place)
    if parameters is None or place >= len(parameters):
        raise _input_error(
            method,
            f"the name of positional argument {place} of {method!r} is not known, and its batch_dim goes by names",
            fix="Pass it by name",
        )
    return inputs.get(parameters[place])


def _input_error(method: str, what: str, fix: str = "") -> BatchInputError:
    return BatchInputError(
        what,
        why="Every argument that is a batch brings the same number of rows, along the axis that batch_dim says",
        fix=fix or "Say which arguments are batched: batch_dim={'name': axis, 'other': None}",
        method=method,
    )
