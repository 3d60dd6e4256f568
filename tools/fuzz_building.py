"""Mutate streams, and compare what core builds of them with what unpickling gives.

Run: python tools/fuzz_building.py [--seed 0] [--seconds 60] [--keep FOLDER]

The corpus lies in tests/data/building: small models as pickle (protocol 2), cloudpickle and joblib wrote them. Each
mutant is read, judged and built in a child with bounded memory. What was built is compared with what pickle or joblib makes
of the same bytes. Exits with 1 where something differs, where pickle or joblib refuse or crash on what core builds, where
anything but a refusal is raised, where a child dies, or where one mutant takes longer than ten seconds. Unix only.
"""

from __future__ import annotations

import collections
import io
import os
import pickle
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fuzzing import arguments, in_child, report
from same_object import difference
from tiffin.building import build, judge
from tiffin.inspection import Inspection, Unfollowable, inspect_file
from tiffin.trust import lists

CORPUS = Path(__file__).resolve().parent.parent / "tests/data/building"
_OPERATIONS = (
    b"\x94\x85\x86\x87\x52\x62\x81\x93\x4e\x4b\x5d\x7d\x28\x74\x75\x65\x68\x61\x73\x30\x31\x2e\x29\x88\x89\x8f"
)
_MEMORY = 4 << 30
_IN_A_CHILD = 200
_SECONDS = 10
_BUILT = "+"
"""What a child writes before it hands to pickle or joblib what core has built: if it dies, theirs is the fault."""


def main() -> int:
    """Fuzz for some time, and print what happened."""
    parser = arguments(__doc__)
    parser.add_argument("--keep", type=Path, help="a folder for the mutants that show a fault")
    options = parser.parse_args()
    return report(*run(options.seed, options.seconds, keep=options.keep))


def run(
    seed: int, seconds: float, most: int | None = None, keep: Path | None = None
) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Fuzz, and return how many mutants ended how, and the faults.

    Args:
        seed: of the mutations; the same seed makes the same mutants.
        seconds: when to stop.
        most: how many mutants to try, at most.
        keep: a folder for the mutants that show a fault.
    """
    counts: collections.Counter[str] = collections.Counter()
    faults: collections.Counter[str] = collections.Counter()
    for path in CORPUS.glob("*.*"):  # what they need is imported once, before any child is made
        tape = inspect_file(path, "joblib" if path.suffix == ".joblib" else "pickle").tape
        if tape is not None:
            build(tape, lists())
    end = time.monotonic() + seconds
    batch = 0
    while time.monotonic() < end and (most is None or counts["tried"] < most):
        batch += 1
        bad = _child(f"{seed} {batch}", counts, faults)
        if keep is not None and bad:
            keep.mkdir(parents=True, exist_ok=True)
            for number, (path, data) in enumerate(mutants(f"{seed} {batch}")):
                if number in bad:
                    (keep / f"{seed}-{batch}-{number}-{path.name}").write_bytes(data)
    return counts, faults


def mutants(seed: str) -> Iterator[tuple[Path, bytes]]:
    """Yield the mutants that one child tries, each with the file that it was made of."""
    chance = random.Random(seed)
    paths = sorted(CORPUS.glob("*.*"))
    for _ in range(_IN_A_CHILD):
        path = chance.choice(paths)
        yield path, mutate(chance, path.read_bytes())


def _child(seed: str, counts: collections.Counter[str], faults: collections.Counter[str]) -> list[int]:
    """Try the mutants of a seed in a child; return the numbers of those that show a fault."""

    def work(writing: int) -> None:
        for path, data in mutants(seed):
            signal.alarm(_SECONDS)
            os.write(writing, f"{_one(path, data, writing)[:400]}\n".encode())

    said, code = in_child(_MEMORY, work)
    bad = []
    lines = said.decode("utf-8", "replace").split("\n")
    for number, line in enumerate(lines[:-1]):
        kind, _, what = line.lstrip(_BUILT).partition(": ")
        counts["tried"] += 1
        counts[kind] += 1
        if kind in ("differs", "raised", "refused by its reader"):
            faults[what] += 1
            bad.append(number)
    if code:
        where = "in its reader, of what was built" if lines[-1] == _BUILT else "in core"
        faults[f"a child ended with {code} {where}, in mutant {len(lines) - 1} of seed {seed!r}"] += 1
        bad.append(len(lines) - 1)
    return bad


def _one(path: Path, data: bytes, writing: int) -> str:
    reader = "joblib" if path.suffix == ".joblib" else "pickle"
    try:
        found: Inspection = inspect_file(path, reader, view=memoryview(bytearray(data)))  # type: ignore[arg-type]
        if found.tape is None:
            return "not followed"
        if any(judge(found.tape, lists())):
            return "not allowed"
        built = build(found.tape, lists())
    except Unfollowable:
        return "not built"
    except Exception as error:  # noqa: BLE001 - the very thing that is looked for
        return f"raised: {type(error).__name__}: {error} ({path.name})"
    os.write(writing, _BUILT.encode())
    try:
        if reader == "joblib":
            import joblib

            other = joblib.load(io.BytesIO(data))
        else:
            other = pickle.loads(data)  # noqa: S301 - of our own corpus, and allowed; in a child
    except Exception as error:  # noqa: BLE001 - whatever a reader says of what it does not take
        return f"refused by its reader: {type(error).__name__}: {error} ({path.name})"
    try:
        found_difference = difference(built, other)
    except Exception as error:  # noqa: BLE001 - what cannot be walked
        return f"built, not comparable: {type(error).__name__}"
    return f"differs: {found_difference} ({path.name})" if found_difference else "built, and equal"


def mutate(chance: random.Random, data: bytes) -> bytes:
    """Return a stream with some bytes changed, cut out, doubled or made operations."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if not changed:
            break
        at, kind = chance.randrange(len(changed)), chance.random()
        if kind < 0.3:
            changed[at] = chance.randrange(256)
        elif kind < 0.5:
            changed[at] = chance.choice(_OPERATIONS)
        elif kind < 0.6:
            changed.insert(at, chance.choice(_OPERATIONS))
        elif kind < 0.7:
            del changed[at]
        elif kind < 0.85:
            changed[at] = (changed[at] + chance.choice((1, -1))) & 255
        else:
            start, length = chance.randrange(len(changed)), chance.randrange(1, 40)
            changed[at : at + length] = changed[start : start + length]
    return bytes(changed)


if __name__ == "__main__":
    sys.exit(main())
