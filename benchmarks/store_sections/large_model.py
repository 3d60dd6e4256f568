"""A large model: a gigabyte in eight contiguous arrays, saved durably with digests, loaded, and shared by processes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from measuring.results import Figure
from measuring.workers import Worker, interleave

from store_sections.options import Options

TITLE = "A large model in eight contiguous arrays"
_MEMORY_MIB = 64


def measure(options: Options) -> list[Figure]:
    """Return the section's figures."""
    home = {"TIFFIN_HOME": str(options.folder / "large")}
    extra: dict[str, list[float]] = {}
    with Worker(options.tiffin, "store_sections.large_in_tiffin", home) as worker:
        worker.ask("prepare", mib=options.mib)

        def case(name: str, question: str, **arguments: bool) -> Callable[[], float]:
            def run() -> float:
                taken, above = worker.ask(question, **arguments)
                extra.setdefault(name, []).append(above)
                return float(taken)

            return run

        cases = {
            "plain": case("plain", "plain", late=False),
            "late": case("late", "plain", late=True),
            "without": case("without", "save", early=False),
            "save": case("save", "save", early=True),
        }
        times = interleave(options.rounds(5), cases, progress=f"{options.mib} MiB")
        loads = interleave(options.rounds(5), {"load": lambda: worker.ask("load", times=4)})["load"]
        base = min(times["plain"] + times["late"])
        figures = [
            Figure("write + fsync, file by file", times["plain"], "s"),
            Figure("write all, then fsync all", times["late"], "s"),
            Figure("tiffin.save", times["save"], "s"),
            Figure("  over the faster write + fsync", [min(times["save"]) / base], "x", limit=1.3),
            Figure("tiffin.save without sync_file_range", times["without"], "s"),
            Figure("  over the faster write + fsync", [min(times["without"]) / base], "x"),
            Figure("  peak memory above the model (worst)", [max(extra["save"])], "MiB", limit=_MEMORY_MIB),
            Figure("tiffin.load", loads, limit=5),
        ]
    return [*figures, _shared(options, home)]


def _shared(options: Options, home: dict[str, str]) -> Figure:
    held: dict[str, int] = {}
    for what in ("idle", "loaded"):
        with contextlib.ExitStack() as stack:
            workers = [
                stack.enter_context(Worker(options.tiffin, "store_sections.sharing_in_tiffin", home)) for _ in range(4)
            ]
            for worker in workers:
                # An idle one has loaded something small: the same is imported.
                worker.ask("load", tag="big:1" if what == "loaded" else "warm:latest")
            held[what] = sum(worker.ask("memory") for worker in workers)
    limit = round(1.1 * options.mib)
    return Figure(
        "memory of four processes that load and read it, above four idle", [held["loaded"] - held["idle"]], "MiB", limit
    )
