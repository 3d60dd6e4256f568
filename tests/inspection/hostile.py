"""Hostile pickles, written by hand: each would make the file named by $TIFFIN_TEST_CANARY if it were loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

COMMAND = 'touch "$TIFFIN_TEST_CANARY"'
CODE = "import os; open(os.environ['TIFFIN_TEST_CANARY'], 'w').close()"


class Sample(NamedTuple):
    """One hostile file.

    Attributes:
        name: what it tries.
        data: the file.
        imports: a name that must be found; empty where the file must be refused for what it does.
        says: what one of the problems must say, where `imports` is empty.
    """

    name: str
    data: bytes
    imports: str = ""
    says: str = ""


def text(value: str) -> bytes:
    """Return the operations that push a text."""
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data if len(data) < 256 else b"X" + struct.pack("<I", len(data)) + data


def named(module: str, name: str) -> bytes:
    """Return the operations that push a global, of protocol 4."""
    return text(module) + text(name) + b"\x93"


def call(module: str, name: str, *arguments: str) -> bytes:
    """Return the operations that call a global with texts."""
    return named(module, name) + b"(" + b"".join(map(text, arguments)) + b"tR"


def whole(operations: bytes, protocol: int = 4) -> bytes:
    """Return a pickle of these operations."""
    return b"\x80" + bytes([protocol]) + operations + b"."


SYSTEM = call("posix", "system", COMMAND)
HARMLESS = pickle.dumps({"a": [1, 2, 3]}, 4)
BUFFER = text("f8")


def direct() -> Iterator[Sample]:
    """Yield pickles that call something at once."""
    yield Sample("os.system", whole(SYSTEM), "posix.system")
    yield Sample("exec", whole(call("builtins", "exec", CODE)), "builtins.exec")
    yield Sample("eval", whole(call("builtins", "eval", "__import__('os').system('" + COMMAND + "')")), "builtins.eval")
    yield Sample(
        "pydoc.locate", whole(call("pydoc", "locate", "os.system") + b"(" + text(COMMAND) + b"tR"), "pydoc.locate"
    )
    yield Sample("timeit", whole(call("timeit", "timeit", CODE)), "timeit.timeit")
    yield Sample("timeit.main", whole(call("timeit", "main", CODE)), "timeit.main")
    yield Sample("runpy", whole(call("runpy", "run_path", "/tmp/x.py")), "runpy.run_path")
    yield Sample("runpy private", whole(call("runpy", "_run_code", CODE)), "runpy._run_code")
    yield Sample("subprocess", whole(call("subprocess", "getoutput", COMMAND)), "subprocess.getoutput")
    yield Sample("importlib", whole(call("importlib", "import_module", "antigravity")), "importlib.import_module")
    yield Sample("nested pickle", whole(named("_pickle", "loads") + b"(C\x04I1\n.tR"), "_pickle.loads")
    yield Sample(
        "cloudpickle",
        whole(call("cloudpickle.cloudpickle", "_make_function", CODE)),
        "cloudpickle.cloudpickle._make_function",
    )
    yield Sample(
        "code by value",
        whole(call("tiffin.pickling.rebuild", "code", CODE)),
        "tiffin.pickling.rebuild.code",
    )
    yield Sample(
        "a process runner of a framework's tests",
        whole(call("sklearn.utils._testing", "assert_run_python_script_without_output", CODE)),
        "sklearn.utils._testing.assert_run_python_script_without_output",
    )
    yield Sample("memmap overwrites a file", whole(call("numpy", "memmap", "/tmp/x", "u1", "w+")), "numpy.memmap")
    yield Sample(
        "attribute of a module",
        whole(named("sklearn", "os.system") + b"(" + text(COMMAND) + b"tR"),
        "sklearn:os.system",
    )
    yield Sample(
        "an allowed name, split elsewhere",
        whole(named("numpy", "core.multiarray._reconstruct") + b")R"),
        "numpy:core.multiarray._reconstruct",
    )
    yield Sample("GLOBAL", b"cposix\nsystem\n(S'" + COMMAND.encode() + b"'\ntR.", "posix.system")
    yield Sample("a name of Python 2", b"c__builtin__\nexecfile\n(S'x'\ntR.", "builtins.execfile")
    yield Sample(
        "a module of Python 2", b"ccommands\ngetoutput\n(S'" + COMMAND.encode() + b"'\ntR.", "subprocess.getoutput"
    )
    yield Sample("INST", b"(S'" + COMMAND.encode() + b"'\niposix\nsystem\n.", "posix.system")
    yield Sample("OBJ", b"(cposix\nsystem\nS'" + COMMAND.encode() + b"'\no.", "posix.system")
    yield Sample("NEWOBJ", whole(named("subprocess", "Popen") + b"(" + text(COMMAND) + b"t\x81"), "subprocess.Popen")
    yield Sample(
        "NEWOBJ_EX", whole(named("subprocess", "Popen") + b"(" + text(COMMAND) + b"t}\x92"), "subprocess.Popen"
    )
    yield Sample("BUILD", whole(named("posix", "system") + b"}" + text("a") + text("b") + b"sb"), "posix.system")
    yield Sample("an import alone", whole(named("antigravity", "x")), "antigravity.x")
    for protocol in range(6):
        yield Sample(f"by pickle, protocol {protocol}", pickle.dumps(_Runs(), protocol), "posix.system")
        yield Sample(f"nested, protocol {protocol}", pickle.dumps({"a": [1, (_Runs(),)]}, protocol), "posix.system")


class _Runs:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        import os

        return os.system, (COMMAND,)


def hidden() -> Iterator[Sample]:
    """Yield pickles that hide what they call."""
    yield Sample("second pickle in the stream", HARMLESS + whole(SYSTEM), "posix.system")
    yield Sample("broken tail", b"\x80\x04" + SYSTEM + b"\xff\xff\xff", "posix.system")
    yield Sample("cut off behind the call", b"\x80\x04" + SYSTEM, "posix.system")
    yield Sample("behind a popped value", whole(b"N0" + SYSTEM + b"0N"), "posix.system")
    yield Sample("in a group that is dropped", whole(b"(" + SYSTEM + b"1N"), "posix.system")
    yield Sample(
        "names through the memo",
        whole(text("posix") + b"\x940" + text("system") + b"\x940h\x00h\x01\x93(" + text(COMMAND) + b"tR"),
        "posix.system",
    )
    yield Sample(
        "names through an overwritten memo",
        whole(
            text("math")
            + b"q\x050"
            + text("posix")
            + b"q\x050h\x05"
            + text("system")
            + b"\x93("
            + text(COMMAND)
            + b"tR"
        ),
        "posix.system",
    )
    # MEMOIZE counts the indexes that are taken: one that is taken out of order moves the next.
    yield Sample(
        "names through a memo with gaps",
        whole(
            b"Nq\x02"
            + text("posix")
            + b"\x94"
            + text("math")
            + b"\x940h\x01"
            + text("system")
            + b"\x93("
            + text(COMMAND)
            + b"tR"
        ),
        "posix.system",
    )
    yield Sample(
        "names by DUP", whole(text("posix") + b"2" + text("system") + b"\x93(" + text(COMMAND) + b"tR"), "posix.system"
    )
    yield Sample(
        "in a frame's tail",
        b"\x80\x04\x95" + struct.pack("<Q", 2 + len(SYSTEM) + 1) + b"N." + SYSTEM + b".",
        "",
        "frame",
    )
    yield Sample("behind a frame", b"\x80\x04\x95" + struct.pack("<Q", 1) + b"N" + SYSTEM + b".", "posix.system")
    yield Sample(
        "computed name",
        whole(call("builtins", "str", "posix") + text("system") + b"\x93(" + text(COMMAND) + b"tR"),
        "",
        "computes the name",
    )
    yield Sample(
        "calls what it made",
        whole(call("builtins", "getattr", "a", "b") + b"(" + text(COMMAND) + b"tR"),
        "",
        "calls what it made",
    )
    yield Sample("extension code", whole(b"\x82\x01"), "", "copyreg extension")
    yield Sample("persistent id", b"Px\n.", "", "persistent id")
    yield Sample("persistent id of protocol 1", b"NQ.", "", "persistent id")
    yield Sample(
        "changes a class",
        whole(named("collections", "OrderedDict") + b"N}" + text("get") + named("builtins", "list") + b"s\x86b"),
        "",
        "did not make",
    )
    yield Sample("sets items of a class", whole(named("collections", "OrderedDict") + b"NNs"), "", "did not make")
    yield Sample("unknown protocol", b"\x80\x63N.", "", "protocol")
    yield Sample("not a pickle", b"#!/bin/sh\ntouch x\n", "", "cannot be followed")
    yield Sample("empty", b"", "", "empty")


def bombs() -> Iterator[Sample]:
    """Yield files that are meant to exhaust memory or time."""
    yield Sample("BYTEARRAY8 of an exabyte", whole(b"\x96" + struct.pack("<Q", 1 << 60), 5), "", "cut off")
    yield Sample("BINBYTES8 of an exabyte", whole(b"\x8e" + struct.pack("<Q", 1 << 60)), "", "cut off")
    yield Sample("BINUNICODE8 of an exabyte", whole(b"\x8d" + struct.pack("<Q", 1 << 60)), "", "cut off")
    yield Sample("LONG4 of 2 GiB", whole(b"\x8b\xff\xff\xff\x7f"), "", "cut off")
    yield Sample("huge frame", b"\x80\x04\x95" + b"\xff" * 8 + b"N.", "", "frame")
    yield Sample("deep nesting", whole(b"(" * 200_000), "", "nests too deeply")
    yield Sample("deep tuples, which are fine", whole(b")" + b"\x85" * 300_000))
    yield Sample("a full stack", whole(b"N" * 1_200_000), "", "objects at once")
    yield Sample(
        "billion laughs", whole(text("lol") + b"".join(b"2222222222(" + b"2" * 9 + b"l" for _ in range(100))), "", ""
    )
    yield Sample(
        "billion laughs by the memo",
        whole(
            b"]\x940"
            + b"".join(b"](" + b"h" + bytes([i]) * 1 + (b"h" + bytes([i])) * 9 + b"e\x940" for i in range(200))
            + b"N"
        ),
    )
    yield Sample(
        "a memo full of gaps",
        whole(b"N" + b"".join(b"r" + struct.pack("<I", 7 * i + 5) for i in range(1_010_000))),
        "",
        "objects at once",
    )
    yield Sample("long line", b"I" + b"1" * 20_000_000 + b"\n.")


def of_numpy() -> Iterator[Sample]:
    """Yield pickles that use allowed names only, and would make numpy read memory."""
    dtype = named("numpy", "dtype")
    of_objects = dtype + text("O8") + b"\x89\x88\x87R"
    void = dtype + text("V8") + b"\x89\x88\x87R"
    minus = b"J\xff\xff\xff\xff"
    lie = b"(K\x03" + text("|") + b"NNN" + minus * 2 + b"K\x00t"
    yield Sample("a dtype of objects that says it has none", whole(of_objects + lie + b"b"), "", "says it holds none")
    fields = b"}" + text("a") + of_objects + b"K\x00\x86s"
    state = b"(K\x03" + text("|") + b"N" + text("a") + b"\x85" + fields + b"K\x08K\x01K\x00t"
    yield Sample("a record of objects that says it has none", whole(void + state + b"b"), "", "says it holds none")
    outside = b"}" + text("a") + dtype + text("f8") + b"\x89\x88\x87RM\xe8\x03\x86s"
    state = b"(K\x03" + text("|") + b"N" + text("a") + b"\x85" + outside + b"K\x08K\x01K\x00t"
    yield Sample("a field outside of its record", whole(void + state + b"b"), "", "reach outside")
    good = b"(K\x03" + text("|") + b"NNNK\x08K\x01K\x00t"
    yield Sample(
        "a dtype that changes in use", whole(void + b"\x94\x850h\x00" + good + b"b"), "", "changes it afterwards"
    )
    yield Sample("a dtype that changes twice", whole(void + good + b"b" + good + b"b"), "", "changes it afterwards")
    yield Sample(
        "an array over the file's bytes",
        whole(named("numpy", "ndarray") + b"(K\x01\x85" + of_objects + b"C\x08AAAAAAAAtR"),
        "",
        "numpy.ndarray",
    )
    yield Sample("the same by NEWOBJ", whole(named("numpy", "ndarray") + b"(K\x01\x85t\x81"), "", "numpy.ndarray")
    yield Sample(
        "numpy.ndarray as a function to call later",
        whole(b"}" + text("func") + named("numpy", "ndarray") + b"s"),
        "",
        "numpy.ndarray",
    )
    yield Sample(
        "numpy.ndarray in a tuple in a list", whole(b"]" + named("numpy", "ndarray") + b"\x85a"), "", "numpy.ndarray"
    )
    yield Sample("numpy.dtype as a function to call later", whole(b"]" + dtype + b"a"), "", "numpy.dtype")
    yield Sample("a dtype by another way", whole(dtype + text("O8") + b"\x85\x81"), "", "otherwise than numpy")
    made = named("collections", "OrderedDict") + b")R"
    yield Sample(
        "memory as an array", whole(made + b"}" + text("__array_interface__") + b"Nsb"), "", "__array_interface__"
    )
    computed = call("builtins", "str", "__array_", "interface__")
    yield Sample("the same, with a computed name", whole(made + b"}" + computed + b"Nsb"), "", "computes the names")


def of_joblib() -> Iterator[Sample]:
    """Yield joblib's files with something hostile in them."""
    import joblib
    import numpy as np

    def dumped(value: object, compress: object = 0) -> bytes:
        stream = io.BytesIO()
        joblib.dump(value, stream, compress=compress)
        return stream.getvalue()

    yield Sample("after an array in a joblib file", dumped([np.arange(1000.0), _Runs()]), "posix.system")
    yield Sample(
        "in an array of objects in a joblib file", dumped([np.array([_Runs(), None], dtype=object)]), "posix.system"
    )
    for method in ("zlib", "gzip", "bz2", "lzma", "xz"):
        packed = dumped([np.arange(1000.0), _Runs()], (method, 3))
        yield Sample(f"in a joblib file compressed by {method}", packed, "posix.system")
        yield Sample(f"behind what {method} compressed", packed + whole(SYSTEM), "", "goes on behind")
        yield Sample(f"cut off, compressed by {method}", packed[:-30], "", "cannot be followed")
    # What joblib takes for the numbers of an array is code to any other reader.
    wrapper = dumped(np.zeros(400, "u1")).replace(b"K\x10ub", b"N\x94ub")  # not aligned, so the numbers follow at once
    head = wrapper[: wrapper.index(b"N\x94ub") + 4]
    smuggled = head + (SYSTEM + b".").ljust(400, b"\0") + b"."
    yield Sample("in the numbers of an array", smuggled, "posix.system")
    yield Sample(
        "an array of an impossible size",
        dumped(np.zeros(3)).replace(b"K\x03\x85", b"\x8b\x08\0\0\0" + b"\xff" * 7 + b"\x7f\x85"),
        "",
        "size",
    )


def of_archives() -> Iterator[Sample]:
    """Yield archives of pickles, and compressed ones."""
    evil = whole(SYSTEM)
    for name, packed in (
        ("zlib", zlib.compress(evil)), ("gzip", gzip.compress(evil)), ("bz2", bz2.compress(evil)),
        ("xz", lzma.compress(evil)), ("lzma", lzma.compress(evil, lzma.FORMAT_ALONE)),
    ):  # fmt: skip
        yield Sample(f"compressed by {name}", packed, "posix.system")
    yield Sample("compressed twice", gzip.compress(gzip.compress(evil)), "posix.system")
    yield Sample("compressed ten times", _times(gzip.compress, evil, 10), "", "levels deep")
    yield Sample(
        "a zip as torch writes it", _zip({"archive/data.pkl": evil, "archive/data/0": bytes(100)}), "posix.system"
    )
    yield Sample(
        "a member of an old protocol without an ending", _zip({"data": b"cposix\nsystem\n(S'x'\ntR."}), "posix.system"
    )
    yield Sample("a zip in a zip", _zip({"a.zip": _zip({"data.pkl": evil})}), "", "archive within")
    yield Sample("npz of objects", _zip({"a.npy": _npy(evil)}), "posix.system")
    yield Sample("npy of objects", _npy(evil), "posix.system")
    yield Sample("npy of records with objects", _npy(evil, "[('a', [('b', '|O')])]"), "posix.system")
    yield Sample("npy in disguise", _npy(evil, "'O'", quotes='"'), "posix.system")
    yield Sample("something behind an npy", _npy(b"\0" * 8, "'<f8'") + evil, "", "goes on behind")
    whole_zip = bytearray(_zip({"archive/data.pkl": evil}))
    encrypted = bytearray(whole_zip)
    encrypted[6] |= 1
    encrypted[encrypted.rindex(b"PK\x01\x02") + 8] |= 1
    yield Sample("a zip that says it is encrypted", bytes(encrypted), "", "cannot be read")
    wrong = bytearray(whole_zip)
    wrong[14] ^= 0xFF
    wrong[wrong.rindex(b"PK\x01\x02") + 16] ^= 0xFF
    yield Sample("a zip with a wrong checksum", bytes(wrong), "", "cannot be read")
    renamed = bytes(whole_zip).replace(b"data.pkl", b"data.txt", 1)
    yield Sample("a zip with two names for one member", renamed, "", "cannot be read")
    method = bytearray(whole_zip)
    method[8] = 97
    method[method.rindex(b"PK\x01\x02") + 10] = 97
    yield Sample("a zip of an unknown method", bytes(method), "", "cannot be read")
    yield Sample("a pickle before a zip", HARMLESS + bytes(whole_zip), "", "cannot be followed")
    yield Sample("a cut zip", bytes(whole_zip[:-10]), "", "cannot be read")


def _times(pack: Callable[[bytes], bytes], data: bytes, count: int) -> bytes:
    for _ in range(count):
        data = pack(data)
    return data


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _npy(data: bytes, description: str = "'|O'", quotes: str = "'") -> bytes:
    header = f"{{'descr': {description}, 'fortran_order': False, 'shape': (1,), }}".replace("'", quotes)
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def plain() -> list[Sample]:
    """Return samples that a plain unpickler reads."""
    return [*direct(), *hidden(), *of_numpy()]
