"""What the fuzzers have in common: what they take and print, and children in which a mutant may do what it likes."""

from __future__ import annotations

import argparse
import collections
import os
import resource
import traceback
import warnings
from collections.abc import Callable


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of what every fuzzer takes; `doc` is its module's docstring."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60)
    return parser


def report(counts: collections.Counter[str], faults: collections.Counter[str]) -> int:
    """Print what happened and the most frequent faults; return the exit code."""
    print(dict(counts))
    for fault, number in faults.most_common(40):
        print(f"{number} times: {fault}")
    return 1 if faults else 0


def in_child(memory: int, work: Callable[[int], None]) -> tuple[bytes, int]:
    """Run work in a forked child, which may crash.

    Args:
        memory: bytes of address space that it gets.
        work: called there with a descriptor to write to; what it raises ends the child with 1.

    Returns:
        What was written, and how the child ended: 0, an exit code, or minus the number of a signal.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            warnings.simplefilter("ignore")
            work(writing)
            code = 0
        except Exception:  # noqa: BLE001 - it ends the child, and the code tells
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    said = b""
    while piece := os.read(reading, 1 << 16):
        said += piece
    os.close(reading)
    return said, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
