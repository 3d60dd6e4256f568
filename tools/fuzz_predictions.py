"""Change what estimators hold, build them as a stranger's, let them answer, and see whether one crashes.

Run: python tools/fuzz_predictions.py [--seed 0] [--seconds 60] [--only NAME …]

Fitted estimators are pickled and read onto tapes. On a tape numbers, arrays, texts, lists and attributes are changed,
exchanged and cut, which reaches what compiled code trusts far more often than changed bytes do. What core builds of it all
the same is asked for its answers, in a child with bounded memory. Exits with 1 where a child dies of a signal. That a
prediction takes long, takes all memory that it may, or raises, is no fault: the promise is for loading, and crashes are what
checks prevent. Unix only.
"""

from __future__ import annotations

import collections
import os
import pickle
import random
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fuzzing import arguments, in_child, report
from tiffin.building import build, judge
from tiffin.inspection import Tape, Unfollowable, parse_pickle
from tiffin.inspection.tape import BUILD, EXTEND, MAKE, SET_ITEMS, TUPLE, Node
from tiffin.trust import lists

_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Threads that the parent had would be missing in its children."""
METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples", "kneighbors", "apply")
_MEMORY = 6 << 30
_IN_A_CHILD = 60
_SECONDS = 5
_NUMBERS = (0, 1, 2, -1, -2, 3, 7, 255, 1 << 15, (1 << 31) - 1, -(1 << 31), 1 << 40, -(1 << 40), (1 << 62))
_OTHERS = (None, True, False, 0.0, -1.0, 1e308, float("nan"), "", "precomputed", "zero", "auto", "predict", (), b"")


def main() -> int:
    """Fuzz for some time, and print what happened."""
    parser = arguments(__doc__)
    parser.add_argument("--only", action="append", help="part of an estimator's name; may be given again")
    options = parser.parse_args()
    return report(*run(everything(options.only), options.seed, options.seconds))


def everything(only: list[str] | None) -> Iterator[tuple[str, Any, Any]]:
    """Yield the estimators of scikit-learn, and richer models, each with its name and inputs."""
    from building_coverage import fitted
    from rich_models import models

    names: Sequence[str | None] = only or [None]
    for name in names:
        yield from fitted(name)
        yield from models(name)


def run(
    models: Iterable[tuple[str, Any, Any]], seed: int, seconds: float, most: int | None = None
) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Fuzz, and return how many mutants ended how, and the crashes.

    Args:
        models: name, fitted estimator, inputs.
        seed: of the changes; the same seed makes the same mutants.
        seconds: when to stop.
        most: how many mutants to try, at most.
    """
    counts: collections.Counter[str] = collections.Counter()
    crashes: collections.Counter[str] = collections.Counter()
    corpus = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, estimator, inputs in models:
            data = pickle.dumps(estimator, 4)
            build(_tape(data), lists())  # what it needs is imported once, before any child is made
            corpus.append((name, data, inputs))
    end = time.monotonic() + seconds
    batch = 0
    while time.monotonic() < end and (most is None or counts["tried"] < most):
        batch += 1
        name, data, inputs = random.Random(f"{seed} {batch}").choice(corpus)
        said, code = _child(f"{seed} {batch}", data, inputs)
        for mark, word in {"t": "tried", "b": "built", "a": "answered", "s": "slow"}.items():
            counts[word] += said.count(mark)
        if code == -signal.SIGALRM:
            counts["slow"] += 1
        elif code:
            crashes[f"{name}: ended with {code} in mutant {said.count('t')} of seed '{seed} {batch}'"] += 1
    return counts, crashes


def _tape(data: bytes) -> Tape:
    tape = Tape()
    parse_pickle(tape, memoryview(bytearray(data)))
    return tape


def _child(seed: str, data: bytes, inputs: Any) -> tuple[str, int]:
    def work(writing: int) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        chance = random.Random(seed)
        for _ in range(_IN_A_CHILD):
            os.write(writing, b"t")
            signal.alarm(2 * _SECONDS)
            built = mutant(chance, data)
            if built is not None:
                os.write(writing, b"b")
                signal.alarm(_SECONDS)
                answers(built, inputs)
                os.write(writing, b"a")

    said, code = in_child(_MEMORY, work)
    return said.decode(), code


def mutant(chance: random.Random, data: bytes) -> Any:
    """Return what is built of a changed tape, `None` where it is refused."""
    tape = _tape(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        change(chance, tape)
    try:
        return None if any(judge(tape, lists())) else build(tape, lists())
    except Unfollowable:
        return None


def answers(built: Any, inputs: Any) -> None:
    """Call what predicts; whatever it raises is an answer."""
    for method in METHODS:
        try:
            getattr(built, method)(inputs)
        except Exception:  # noqa: BLE001 - any error is better than a crash
            continue


def change(chance: random.Random, tape: Tape) -> None:
    """Change one thing on a tape."""
    number = chance.randrange(len(tape.events))
    kind, node, operand = tape.events[number]
    if kind == SET_ITEMS and operand:
        at = chance.randrange(len(operand) // 2) * 2 + 1
        operand[at] = _instead(chance, tape, operand[at])
    elif kind == EXTEND and operand:
        operand[:] = _items(chance, tape, operand)
    elif kind == BUILD:
        tape.events[number] = (kind, node, _instead(chance, tape, operand))
    elif (kind == MAKE and node.kind == TUPLE) or (kind == MAKE and type(node.content) is tuple and node.content):
        node.content = tuple(_items(chance, tape, list(node.content)))


def _items(chance: random.Random, tape: Tape, items: list[Any]) -> list[Any]:
    if not items:
        return items
    at = chance.randrange(len(items))
    what = chance.random()
    if what < 0.15:
        return items[:at]
    if what < 0.25:
        return items + items[at:]
    if what < 0.3:
        return [*items[:at], *items[at + 1 :]]
    items[at] = _instead(chance, tape, items[at])
    return items


def _instead(chance: random.Random, tape: Tape, old: Any) -> Any:
    """Return what to put in the place of an operand: another of its kind mostly, or one from elsewhere on the tape."""
    if chance.random() < 0.15:
        return _from_elsewhere(chance, tape)
    if type(old) is bool:
        return not old
    if type(old) is int:
        return chance.choice((old + 1, old - 1, old * 2, *_NUMBERS))
    if type(old) is bytes and old:
        return _bytes(chance, old)
    if type(old) is tuple and old:
        return tuple(_items(chance, tape, list(old)))
    if old.__class__ is Node and old.kind == TUPLE and old.content:
        old.content = _array(chance, old.content)
        return old
    return chance.choice((*_NUMBERS, *_OTHERS)) if chance.random() < 0.5 else _from_elsewhere(chance, tape)


def _from_elsewhere(chance: random.Random, tape: Tape) -> Any:
    for _ in range(20):
        kind, node, operand = chance.choice(tape.events)
        if kind == SET_ITEMS and operand:
            return operand[chance.randrange(len(operand) // 2) * 2 + 1]
        if kind == MAKE and chance.random() < 0.2:
            return node
    return None


def _array(chance: random.Random, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the state of an array with fewer, more or other elements that fit its shape; of what is no array, as it is."""
    if len(state) != 5 or type(state[1]) is not tuple or type(state[4]) is not bytes or not state[1] or not state[4]:
        return state
    if not all(type(length) is int and length > 0 for length in state[1]):
        return state
    shape, content = list(state[1]), state[4]
    what = chance.random()
    if what < 0.5:
        return (*state[:4], _bytes(chance, content))
    rows = shape[0]
    each = len(content) // rows
    if what < 0.7:
        shape[0] = chance.randrange(rows + 1)
    elif what < 0.85:
        shape[0] = rows * chance.choice((2, 3, 50))
    elif len(shape) == 2 and shape[1]:
        shape[0], shape[1] = 1, rows * shape[1]
        each *= rows
    else:
        shape = [1, rows]
        each *= rows
    return (state[0], tuple(shape), *state[2:4], (content * 50)[: shape[0] * each])


def _bytes(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    width = chance.choice((1, 4, 8, 8))
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(changed)) // width * width
        number = chance.choice((*_NUMBERS, chance.randrange(1 << 16))) & ((1 << 8 * width) - 1)
        changed[at : at + width] = number.to_bytes(width, "little")[: len(changed) - at]
    return bytes(changed)


if __name__ == "__main__":
    if not _THREADS.items() <= os.environ.items():  # they count when numpy is imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **_THREADS})
    sys.exit(main())
