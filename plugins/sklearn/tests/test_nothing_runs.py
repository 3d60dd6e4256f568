"""No method of what a file holds runs while it is built: nothing is asked for its length, truth, equality or text."""

from __future__ import annotations

import pickle
import random
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import AffinityPropagation, Birch, BisectingKMeans
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MultiLabelBinarizer, OneHotEncoder, SplineTransformer
from sklearn.svm import SVC

from tiffin.building import Lists, build, core_lists
from tiffin.inspection import Tape, Unfollowable, parse_pickle
from tiffin.inspection.tape import BUILD, CALL, MAKE, NEW, SET_ITEMS, TUPLE, Node
from tiffin_sklearn import _CLASSES, checks, makers

CHANCE = np.random.RandomState(0)
X = np.abs(CHANCE.randn(40, 3)).round(2)
Y = np.arange(40) % 2
SEVERAL = np.c_[Y, 1 - Y]
MODELS: list[Any] = [
    IsolationForest(n_estimators=2).fit(X), GradientBoostingClassifier(n_estimators=2).fit(X, Y),
    HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(X.round(), Y),
    SVC().fit(X, Y), KNeighborsClassifier(algorithm="kd_tree").fit(X, Y), KNeighborsClassifier(algorithm="brute").fit(X, Y),
    OneHotEncoder(min_frequency=3).fit(X.round()), IsotonicRegression().fit(X[:, 0], Y), Birch(n_clusters=2).fit(X),
    BisectingKMeans(2).fit(X), AffinityPropagation().fit(X), SplineTransformer().fit(X),
    MultiLabelBinarizer().fit([("a",), ("b", "c")]), TfidfVectorizer().fit(["a bc", "bc d"]),
    SGDClassifier(random_state=np.random.RandomState(0)).fit(X, Y), LogisticRegression().fit(X, Y).sparsify(),
    OneVsRestClassifier(SVC()).fit(X, SEVERAL), CalibratedClassifierCV(LogisticRegression(), cv=2).fit(X, Y),
    {"generator": np.random.default_rng(0), "masked": np.ma.MaskedArray([1.0], [True]), "bytes": bytearray(b"ab")},
]  # fmt: skip
_ASKED = (
    "eq", "ne", "lt", "le", "gt", "ge", "len", "bool", "iter", "contains", "getitem", "index", "int", "float", "add", "radd",
    "sub", "rsub", "mul", "rmul", "neg", "array", "repr", "str", "call", "getattr", "format", "setitem", "hash", "next",
)  # fmt: skip
_TRIES = 40


class Spying:
    """A module that is not there, with a class that notes what is asked of its instances."""

    def __init__(self) -> None:
        self.asked: list[str] = []

        def method(name: str) -> Any:
            def asked(spy: Any, *_: Any) -> Any:
                self.asked.append(name)
                return {"__len__": 1, "__index__": 1, "__int__": 1, "__hash__": 1, "__float__": 1.0}.get(name, True)

            return asked

        methods = {f"__{name}__": method(f"__{name}__") for name in _ASKED}
        self.kind = type("Spy", (), {"__module__": "spying", **methods})


@pytest.fixture
def spying(monkeypatch: pytest.MonkeyPatch) -> Spying:
    """Put the module where names are looked up."""
    made = Spying()
    module = types.ModuleType("spying")
    module.Spy = made.kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spying", module)
    return made


@pytest.fixture
def lists() -> Lists:
    """Return the lists of core and of scikit-learn's adapter, and the spy's class."""
    found = core_lists()
    lines = _CLASSES.read_text(encoding="utf-8").splitlines()
    found.add(classes=["spying.Spy", *(line for line in lines if line[:1] not in ("", "#"))])
    found.add(makers=makers(), checks=checks())
    return found


def read(data: bytes) -> Tape:
    """Return a tape of a pickle."""
    tape = Tape()
    parse_pickle(tape, memoryview(data))
    return tape


def places(tape: Tape) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the places of operands: the event's, and the operand's within it, and within a constant tuple there."""
    for number, (event, node, operand) in enumerate(tape.events):
        items: Any = ()
        if event == BUILD:
            yield number, ()
            items = operand if type(operand) is tuple else ()
        elif event != MAKE:
            items = operand
        elif node.kind in (TUPLE, CALL, NEW) and type(node.content) is tuple:
            items = node.content
        for place, item in enumerate(items):
            if event == SET_ITEMS and place % 2 == 0:
                continue  # a key, which has to be plain
            yield number, (place,)
            if type(item) is tuple:
                yield from ((number, (place, inner)) for inner in range(len(item)))


def put(tape: Tape, number: int, place: tuple[int, ...]) -> None:
    """Put a spy in a place."""
    event, node, operand = tape.events[number]
    spy = Node(NEW, tape.name("spying", "Spy"), ())
    added: list[Any] = [(MAKE, spy, None)]

    def with_spy(items: Any, place: tuple[int, ...]) -> Any:
        if not place:
            return spy
        changed = list(items)
        changed[place[0]] = with_spy(changed[place[0]], place[1:])
        if type(items) is list:
            return changed
        made = Node(TUPLE, None, tuple(changed))
        added.append((MAKE, made, None))
        return made

    if event == MAKE:
        changed = with_spy(node.content, place)
        node.content = added.pop()[1].content if changed.__class__ is Node and changed is not spy else changed
    else:
        tape.events[number] = (event, node, with_spy(operand, place))
    tape.events[number:number] = added


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_nothing_that_a_file_holds_is_asked(model: Any, spying: Spying, lists: Lists) -> None:
    """Wherever an instance of a listed class stands, it is refused or kept, and none of its methods runs."""
    data = pickle.dumps(model, 4)
    found = list(places(read(data)))
    kept = 0
    for number, place in random.Random(9).sample(found, min(_TRIES, len(found))):
        tape = read(data)
        put(tape, number, place)
        try:
            build(tape, lists)
            kept += 1
        except Unfollowable:
            pass
        assert not spying.asked, (tape.events[number], place)
    assert kept < len(found)


def test_a_sparse_matrix_is_not_compared(lists: Lists) -> None:
    """Compared with 0, scipy makes a dense one of it: a terabyte, of four hundred bytes."""
    import scipy.sparse as sp

    vast = sp.csr_matrix((1, 1 << 40))
    function, _, state = np.zeros(0).__reduce__()

    class Forged:
        def __reduce__(self) -> Any:
            return function, (np.ndarray, (vast,), b"b"), state

    with pytest.raises(Unfollowable, match="it makes an array otherwise than numpy does"):
        build(read(pickle.dumps(Forged(), 4)), lists)
