"""Arrow streams of strangers: what Tiffin does not write is refused before polars or pyarrow looks at it."""

from __future__ import annotations

import contextlib
import datetime
import random
import struct
import sys
from io import BytesIO
from typing import Any

import pytest

from inside.values import _arrow_stream
from tiffin.values import Unsendable, find_kind

polars = pytest.importorskip("polars")
arrow = pytest.importorskip("pyarrow")
KINDS = ["polars.DataFrame", "pyarrow.Table"]


def frame() -> Any:
    """Return a frame with columns of many types."""
    texts = ["u", "v", "u"]
    return polars.DataFrame(
        {
            "numbers": [1, 2, None],
            "texts": ["x", None, "z" * 80],
            "lists": [[1], [2, 3], None],
            "records": [{"a": 1, "b": "c"}] * 3,
            "categories": polars.Series(texts, dtype=polars.Categorical),
            "choices": polars.Series(texts, dtype=polars.Enum(["u", "v"])),
            "times": [datetime.datetime(2026, 1, 1)] * 3,
            "bytes": [b"1", b"2", None],
            "truths": [True, None, False],
            "nothing": [None] * 3,
            "pairs": polars.Series([[1, 2]] * 3, dtype=polars.Array(polars.Int8, 2)),
        }
    )


def stream_of(table: Any, **options: Any) -> bytes:
    """Return the stream that pyarrow writes of a table."""
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema, options=arrow.ipc.IpcWriteOptions(**options)) as writer:
        writer.write(table)
    return bytes(sink.getvalue())


def kind_of(value: Any) -> Any:
    """Return the kind of values that a value is of."""
    kind = find_kind(value)
    assert kind is not None
    return kind


def receive(name: str, stream: bytes) -> Any:
    """Return what a kind makes of a stream that came."""
    import numpy

    return kind_of(polars.DataFrame() if name.startswith("polars") else arrow.table({})).receive(
        stream if name.startswith("polars") else numpy.frombuffer(bytearray(stream), numpy.uint8)
    )


@pytest.mark.parametrize("rows", [3, 0])
def test_what_is_written_here_is_read(rows: int) -> None:
    """Columns of all plain types; tables of several batches, of thousands of columns, and of none."""
    many = frame().head(rows)
    wide = polars.DataFrame({f"c{number}": [number] for number in range(3000)}).head(rows)
    several = polars.concat([many, many], rechunk=False)
    for one in (many, wide, several, polars.DataFrame()):
        kind = kind_of(one)
        assert kind.receive(kind.send(one)).equals(one)
    for table in (many.to_arrow(), arrow.concat_tables([many.to_arrow()] * 2)):
        kind = kind_of(table)
        assert kind.receive(kind.send(table)).equals(table)
    nothing = polars.DataFrame({"nothing": polars.Series([None] * 100_000, dtype=polars.Null)})
    assert receive("polars.DataFrame", nothing.write_ipc_stream(None).getvalue()).height == 100_000


def extended(name: str, metadata: str) -> bytes:
    """Return a stream with a column of an extension type."""
    told = {"ARROW:extension:name": name, "ARROW:extension:metadata": metadata}
    field = arrow.field("a", arrow.binary(8), metadata=told)
    return stream_of(arrow.table([arrow.array([b"A" * 8], arrow.binary(8))], schema=arrow.schema([field])))


def shared(levels: int) -> bytes:
    """Return a stream whose schema has records of twice one record, and so on: 2 ** levels fields in few bytes."""
    kind = arrow.int8()
    for _ in range(levels):
        kind = arrow.struct([arrow.field("a", kind), arrow.field("b", arrow.int8())])
    stream = bytearray(stream_of(arrow.schema([arrow.field("a", kind)]).empty_table()))
    length = struct.unpack_from("<i", stream, 4)[0]
    view = memoryview(stream)[8 : 8 + length]
    table = _arrow_stream._Table(view, struct.unpack_from("<I", view)[0]).table(2).tables(1, 1)[0]  # type: ignore[union-attr]
    for _ in range(levels):
        place = table._place(5)
        assert place is not None
        second = place + struct.unpack_from("<I", view, place)[0] + 8
        first = second - 4 + struct.unpack_from("<I", view, second - 4)[0]
        struct.pack_into("<I", view, second, first - second)
        table = table.tables(5, 2)[0]
    return bytes(stream)


def changed(old: tuple[int, ...], new: tuple[int, ...]) -> bytes:
    """Return the stream of three numbers, with some 64-bit numbers of its batch exchanged."""
    stream = stream_of(arrow.table({"a": arrow.array([1, 2, 3], arrow.int64())}))
    form = f"<{len(old)}q"
    assert stream.count(struct.pack(form, *old)) == 1
    return stream.replace(struct.pack(form, *old), struct.pack(form, *new))


def test_streams_that_are_not_written_here_are_refused() -> None:
    """Each would have a library follow an address, call a class, unpack without end, or ask for memory without end."""
    plain = stream_of(arrow.table({"a": [1.5] * 1000}))
    streams = {
        "an address of polars's": extended("POLARS_EXTENSION_TYPE", "1;281474976710656"),
        "a pickle of pyarrow's": extended("arrow.py_extension_type", "cos\nsystem\n."),
        "packed": stream_of(arrow.table({"a": [1.5] * 1000}), compression="lz4"),
        "a schema that shares": shared(40),
        "rows without bytes": changed((3, 2 << 32), (1 << 40, 2 << 32)),
        "a node of more rows": changed((1 << 32, 3, 0), (1 << 32, 1 << 40, 0)),
        "a buffer outside": changed((0, 0, 0, 24), (0, 0, 0, 1 << 40)),
        "a buffer before": changed((0, 0, 0, 24), (0, 0, -8, 24)),
        "no schema": plain[8 + struct.unpack_from("<i", plain, 4)[0] :],
        "two schemas": plain[: 8 + struct.unpack_from("<i", plain, 4)[0]] * 2,
        "cut off": plain[:-100],
        "longer": plain + b"\0",
        "nothing": b"",
        "no mark": plain[4:],
    }
    for name, stream in streams.items():
        for kind in KINDS:
            with pytest.raises(ValueError, match="an Arrow stream"):
                assert receive(kind, stream) is None, name


def test_extension_types_are_not_sent() -> None:
    """The refusal is at the sender's, and says what to do."""
    table = arrow.table({"a": arrow.array([b"A" * 16], arrow.uuid())})
    with pytest.raises(Unsendable, match="a column of an extension type"):
        kind_of(table).send(table)


def test_a_panic_of_polars_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no Exception to Python, and would end the thread that listens to all clients; an interrupt goes on."""
    stream = frame().write_ipc_stream(None).getvalue()
    panic = type("PanicException", (BaseException,), {})
    for raised, seen in ((panic, ValueError), (KeyboardInterrupt, KeyboardInterrupt)):

        def fail(file: Any, raised: type[BaseException] = raised) -> Any:
            raise raised("an index is out of bounds")

        monkeypatch.setattr(sys.modules["polars"], "read_ipc_stream", fail)
        with pytest.raises(seen):
            receive("polars.DataFrame", stream)


def test_whatever_bytes_come_nothing_but_an_error_is_raised() -> None:
    """Mutants are refused, or read by the libraries without an end of the program."""
    chance = random.Random(9)
    whole = frame()
    streams = [whole.select(name).write_ipc_stream(None).getvalue() for name in whole.columns]
    outcomes: dict[str, int] = {"refused": 0, "passed": 0}
    for _ in range(2000):
        stream = bytearray(chance.choice(streams))
        for _ in range(chance.choice((1, 1, 2, 4))):
            place = chance.randrange(len(stream))
            if chance.random() < 0.4:
                stream[place] = chance.randrange(256)
            else:
                number = chance.choice((0, 1, -1, 1 << 31, 1 << 40, 1 << 62, 8, 100))
                struct.pack_into("<q", stream, min(place & ~7, len(stream) - 8), number)
        try:
            _arrow_stream.check_stream(bytes(stream))
        except ValueError:
            outcomes["refused"] += 1
            continue
        outcomes["passed"] += 1
        for kind in KINDS:
            with contextlib.suppress(Exception):  # whatever the library says
                receive(kind, bytes(stream))
    assert min(outcomes.values()) > 200
    assert polars.read_ipc_stream(BytesIO(streams[0])).height == 3
