"""The nodes of a file of skops, written on a tape, of which core builds what they say.

Each node says how it is made (`__loader__`), of what (`__module__`, `__class__`), and may say which it is (`__id__`), so that
another can stand for it. The nodes are those of skops 0.6 to 0.16.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

from tiffin.inspection import InertDtype, Node, Tape, Unfollowable, open_archive, read_npy
from tiffin.inspection.tape import CALL, DTYPE

_SCALAR = re.compile(r"bool_?|u?int\d{1,2}|float\d{2,3}|complex\d{2,3}|str_|bytes_|datetime64|timedelta64")
_INTEGER = re.compile(r"u?int(8|16|32|64)")
_KEYS = {"str": str, "int": int, "float": float}
_SPARSE = ("shape", "data", "indices", "indptr", "format")
"""Parts of a sparse matrix, as scipy writes it."""
MASKED = ("tiffin_sklearn", "masked_array")
"""The name by which a masked array is made of its parts; a maker of the adapter's, and no function that could be imported."""


class Nodes:
    """Writes nodes on a tape.

    Args:
        tape: written on.
        member: returns the content of a member of the archive.
        unpack: returns that of a member of another archive, which lies in this one; all that they return has one limit.
    """

    def __init__(
        self, tape: Tape, member: Callable[[str], memoryview], unpack: Callable[[Any, str], memoryview]
    ) -> None:
        self.tape = tape
        self.member = member
        self.unpack = unpack
        self.known: dict[Any, Any] = {}

    def write(self, node: Any) -> Any:
        """Write a node and what it holds, and return its operand.

        Raises:
            Unfollowable: skops does not write it so, or it stands for a call.
        """
        loader = node["__loader__"]
        identity = node.get("__id__")
        if type(identity) is int and identity in self.known:
            return self.known[identity]
        module, name = node["__module__"], node["__class__"]
        if not (type(module) is str and type(name) is str and type(loader) is str) or "." in name:
            raise Unfollowable("it has a node that does not say what it is")
        write = _WRITERS.get(loader)
        if write is None:
            self.tape.name(module, name)
            raise Unfollowable(f"it has a node of the kind {loader[:40]!r}, of which nothing is built")
        operand = write(self, node, module, name)
        if type(identity) is int:
            self.known[identity] = operand
        return operand

    def items(self, content: Any) -> list[Any]:
        """Return the operands of a list of nodes."""
        if type(content) is not list:
            raise Unfollowable("it has a list that is none")
        return [self.write(item) for item in content]

    # -- plain values --------------------------------------------------------------------------------------------------

    def json(self, node: Any, module: str, name: str) -> Any:
        value = json.loads(node["content"])
        if module != "builtins" or type(value) not in (type(None), bool, int, float, str):
            raise Unfollowable(f"it takes {module}.{name} for a plain value")
        return value

    def dict(self, node: Any, module: str, name: str) -> Any:
        kinds = [self.write(kind) for kind in node["key_types"]["content"]]
        content = node["content"]
        if type(content) is not dict or len(kinds) != len(content):
            raise Unfollowable("it has a dict that is none")
        pairs = [
            (self.key(kind, key), self.write(value)) for kind, (key, value) in zip(kinds, content.items(), strict=True)
        ]
        if (module, name) == ("builtins", "dict"):
            return self.tape.new_dict(pairs)
        if (module, name) == ("collections", "OrderedDict"):
            made = self.tape.call(module, name)
        else:
            made = self.tape.new(module, name)
        self.tape.set_items(made, pairs)
        return made

    def default_dict(self, node: Any, module: str, name: str) -> Any:
        content = node["content"]
        main = content["main"]
        made = self.tape.call("collections", "defaultdict", self.write(content["default_factory"]))
        kinds = [self.write(kind) for kind in main["key_types"]["content"]]
        pairs = zip(kinds, main["content"].items(), strict=True)
        self.tape.set_items(made, [(self.key(kind, key), self.write(value)) for kind, (key, value) in pairs])
        return made

    def list(self, node: Any, module: str, name: str) -> Any:
        _expect(module, name, "builtins.list")
        return self.tape.new_list(self.items(node["content"]))

    def tuple(self, node: Any, module: str, name: str) -> Any:
        _expect(module, name, "builtins.tuple")
        return self.tape.new_tuple(self.items(node["content"]))

    def set(self, node: Any, module: str, name: str) -> Any:
        _expect(module, name, "builtins.set")
        return self.tape.new_set(self.items(node["content"]))

    def slice(self, node: Any, module: str, name: str) -> Any:
        content = node["content"]
        return self.tape.call("builtins", "slice", *(_plain(content[part]) for part in ("start", "stop", "step")))

    def bytes(self, node: Any, module: str, name: str) -> Any:
        _expect(module, name, "builtins.bytes")
        return bytes(self.member(node["file"]))

    def bytearray(self, node: Any, module: str, name: str) -> Any:
        _expect(module, name, "builtins.bytearray")
        return bytearray(self.member(node["file"]))

    def named(self, node: Any, module: str, name: str) -> Any:
        content = node.get("content")
        if (
            type(content) is dict and {"module_path", "function"} <= content.keys()
        ):  # how skops wrote functions at first
            module, name = content["module_path"], content["function"]
            if not (type(module) is str and type(name) is str):
                raise Unfollowable("it has a node that does not say what it is")
        return self.tape.name(module, name)

    def key(self, kind: Any, key: str) -> Any:
        """Return a key of a dict, which JSON holds as a text."""
        if isinstance(kind, Node) and kind.of == "builtins" and kind.content in _KEYS:
            return _KEYS[kind.content](key)
        if not isinstance(kind, Node) or kind.of != "numpy" or not _INTEGER.fullmatch(kind.content):
            raise Unfollowable("it has a key of an unknown kind")
        width, signed = int(kind.content.lstrip("uint")) // 8, kind.content[0] == "i"
        dtype = self.tape.make(DTYPE, InertDtype.from_text(f"<{'i' if signed else 'u'}{width}"))
        return self.scalar(dtype, int(key).to_bytes(width, "little", signed=signed))

    def scalar(self, dtype: Node, content: Any) -> Node:
        return self.tape.call("numpy._core.multiarray", "scalar", dtype, content)

    # -- arrays --------------------------------------------------------------------------------------------------------

    def array(self, node: Any, module: str, name: str) -> Any:
        if node["type"] == "json":
            _expect(module, name, "numpy.ndarray")
            return self.objects(node)
        array = read_npy(self.tape, self.member(node["file"]))
        if (module, name) == ("numpy", "ndarray"):
            return array
        dtype, shape, *_ = array.content
        if module != "numpy" or not _SCALAR.fullmatch(name) or shape != ():
            self.tape.name(module, name)
            raise Unfollowable("it has an array of a class of its own")
        return self.scalar(dtype, bytes(array.of))

    def objects(self, node: Any) -> Any:
        shape = self.write(node["shape"])
        if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape) or not 0 < len(shape) <= 8:
            raise Unfollowable("it has an array without a shape")
        items = node["content"]
        for _ in shape[1:]:  # lists within lists, as deep as there are axes
            items = [item for part in items for item in part["content"]]
        made = self.tape.call("numpy._core.multiarray", "_reconstruct", self.tape.name("numpy", "ndarray"), (0,), b"b")
        values = self.tape.new_list(self.items(items))
        self.tape.build(made, self.tape.new_tuple((1, shape, self.object_dtype(), False, values)))
        return made

    def object_dtype(self) -> Node:
        return self.tape.make(DTYPE, InertDtype.of_objects())

    def dtype(self, node: Any, module: str, name: str) -> Any:
        content = node["content"]
        if content["type"] == "json":
            return self.object_dtype()
        return read_npy(self.tape, self.member(content["file"])).content[0]

    def masked(self, node: Any, module: str, name: str) -> Any:
        content = node["content"]
        return self.tape.call(*MASKED, self.write(content["data"]), self.write(content["mask"]))

    def sparse(self, node: Any, module: str, name: str) -> Any:
        with open_archive(io.BytesIO(self.member(node["file"])), 2 * len(_SPARSE)) as archive:
            names = archive.namelist()
            parts = {part: self.unpack(archive, f"{part}.npy") for part in _SPARSE}
        arrays = {part: read_npy(self.tape, parts[part]) for part in _SPARSE}
        kind = bytes(arrays["format"].of).decode("ascii", "replace")
        if kind not in ("csr", "csc"):
            raise Unfollowable("it has a sparse matrix that is stored neither by rows nor by columns")
        dtype, axes, *_ = arrays["shape"].content
        width = dtype.of.size
        sizes = bytes(arrays["shape"].of)
        if dtype.of.code != "i" or axes != (2,):
            raise Unfollowable("it has a sparse matrix without a shape")
        shape = tuple(int.from_bytes(sizes[n : n + width], "little", signed=True) for n in (0, width))
        made = self.tape.new(f"scipy.sparse._{kind}", f"{kind}_{'array' if '_is_array.npy' in names else 'matrix'}")
        state = {"_shape": shape, "maxprint": 50, **{part: arrays[part] for part in ("data", "indices", "indptr")}}
        self.tape.build(made, self.tape.new_dict(state.items()))
        return made

    def random_state(self, node: Any, module: str, name: str) -> Any:
        _expect(module, name, "numpy.random.mtrand.RandomState", "numpy.random.RandomState")
        made = self.tape.call("numpy.random._pickle", "__randomstate_ctor")
        self.tape.build(made, self.write(node["content"]))
        return made

    def random_generator(self, node: Any, module: str, name: str) -> Any:
        _expect(module, name, "numpy.random._generator.Generator", "numpy.random.Generator")
        content = node["content"]
        kind = json.loads(content["bit_generator"]["content"]["bit_generator"]["content"])
        seed = {key: self.write(value) for key, value in content["seed_seq"]["content"].items()}
        sequence = self.tape.call(
            "numpy.random.bit_generator",
            "__pyx_unpickle_SeedSequence",
            self.tape.name("numpy.random.bit_generator", "SeedSequence"),
            0,
            None,
        )
        parts = (seed["entropy"], seed["n_children_spawned"], None, seed["pool_size"], seed["spawn_key"])
        self.tape.build(sequence, self.tape.new_tuple(parts))
        made = self.tape.call("numpy.random._pickle", "__bit_generator_ctor", kind)
        self.tape.build(made, self.tape.new_tuple((self.write(content["bit_generator"]), sequence)))
        return self.tape.call("numpy.random._pickle", "__generator_ctor", made)

    # -- objects -------------------------------------------------------------------------------------------------------

    def object(self, node: Any, module: str, name: str) -> Any:
        made = self.tape.new(module, name)
        state = self.write(node["content"]) if node.get("content") is not None else None
        if state is not None:
            self.tape.build(made, state)
        return made

    def constructed(self, node: Any, module: str, name: str) -> Any:
        return self.tape.make(CALL, self.tape.name(module, name), self.write(node["content"]))

    def reduced(self, node: Any, module: str, name: str) -> Any:
        made = self.tape.make(CALL, self.tape.name(module, name), self.write(node["__reduce__"]["args"]))
        if node["content"].get("content"):  # an empty state is none
            self.tape.build(made, self.write(node["content"]))
        return made

    def tree(self, node: Any, module: str, name: str) -> Any:
        return self.reduced(node, "sklearn.tree._tree", "Tree")

    def partial(self, node: Any, module: str, name: str) -> Any:
        content = {part: self.write(node["content"][part]) for part in ("func", "args", "kwds", "namespace")}
        made = self.tape.call("functools", "partial", content["func"])
        self.tape.build(made, self.tape.new_tuple(content.values()))
        return made

    def cached(self, node: Any, module: str, name: str) -> Any:
        raise Unfollowable("it names something that it has not said")


def _expect(module: str, name: str, *dotted: str) -> None:
    if f"{module}.{name}" not in dotted:
        raise Unfollowable(f"it makes {module}.{name} otherwise than skops does")


def _plain(value: Any) -> Any:
    if type(value) not in (type(None), int, str):
        raise Unfollowable("it has a slice of no numbers")
    return value


_WRITERS: dict[str, Callable[[Nodes, Any, str, str], Any]] = {
    "JsonNode": Nodes.json, "DictNode": Nodes.dict, "DefaultDictNode": Nodes.default_dict, "ListNode": Nodes.list,
    "TupleNode": Nodes.tuple, "SetNode": Nodes.set, "SliceNode": Nodes.slice, "BytesNode": Nodes.bytes,
    "BytearrayNode": Nodes.bytearray, "TypeNode": Nodes.named, "FunctionNode": Nodes.named, "NdArrayNode": Nodes.array,
    "DTypeNode": Nodes.dtype, "MaskedArrayNode": Nodes.masked, "SparseMatrixNode": Nodes.sparse,
    "RandomStateNode": Nodes.random_state, "RandomGeneratorNode": Nodes.random_generator,
    "ObjectNode": Nodes.object, "ConstructorFromReduceNode": Nodes.constructed,
    "TreeNode": Nodes.tree, "LossNode": Nodes.reduced, "SGDNode": Nodes.reduced, "PartialNode": Nodes.partial,
    "CachedNode": Nodes.cached,
}  # fmt: skip
