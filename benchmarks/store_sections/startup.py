"""Start: of `import tiffin`, and of the command line with an empty store and with thousands of models."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

from measuring import environments
from measuring.results import Figure
from measuring.workers import Worker, clean_environment, interleave, time_command

from store_sections.options import Options

TITLE = "Start: Python's own start included, but for imports"


def measure(options: Options) -> list[Figure]:
    """Return the section's figures."""
    return [*_imports(options), *_command_line(options)]


def _imports(options: Options) -> list[Figure]:
    python = str(options.tiffin)
    cases: dict[str, Callable[[], float | list[float]]] = {
        "bare": lambda: time_command([python, "-c", "pass"], {}),
        "tiffin": lambda: time_command([python, "-c", "import tiffin"], {}),
    }
    if options.bentoml:
        cases["bentoml"] = lambda: time_command([str(options.bentoml), "-c", "import bentoml"], {})
    times = interleave(options.rounds(20), cases, progress="import")
    bare = min(times["bare"])
    above = {name: [max(sample - bare, 0.0) for sample in samples] for name, samples in times.items()}
    code = "import sys, json, tiffin; print(json.dumps(sorted(sys.modules)))"
    text = subprocess.run([python, "-c", code], check=True, capture_output=True, env=clean_environment({})).stdout
    slow = [module for module in json.loads(text) if module in ("numpy", "pluggy", "attrs", "yaml", "rich", "sqlite3")]
    beside = ("BentoML", above["bentoml"]) if options.bentoml else None
    return [
        Figure("import tiffin, above bare Python", above["tiffin"], limit=40, beside=beside),
        Figure("slow modules that it imports" + "".join(f" {name}" for name in slow), [len(slow)], "", limit=0),
    ]


def _command_line(options: Options) -> list[Figure]:
    stores = {"no models": (0, 0), "5,000 names x 1 version": (5000, 1), "50 names x 100 versions": (50, 100)}
    python = str(options.tiffin)
    tool = environments.command(options.tiffin, "tiffin")
    cases: dict[str, Callable[[], float | list[float]]] = {"python": lambda: time_command([python, "-c", "pass"], {})}
    for number, (name, size) in enumerate(stores.items()):
        home = {"TIFFIN_HOME": str(options.folder / f"cli-{number}")}
        if size[0]:
            with Worker(options.tiffin, "store_sections.in_tiffin", home) as worker:
                worker.ask("fill", names=size[0], versions=size[1])
        cases[name] = lambda home=home: time_command([tool, "models", "list"], home)  # type: ignore[misc]
    home = {"TIFFIN_HOME": str(options.folder / "cli-history")}
    with Worker(options.tiffin, "store_sections.in_tiffin", home) as worker:
        worker.ask("note", name="iris", entries=10_000)
    cases["history"] = lambda home=home: time_command([tool, "models", "history", "iris"], home)  # type: ignore[misc]
    peers: dict[str, list[float]] = {}
    if options.bentoml:
        peers = _bentoml(options)
    times = interleave(options.rounds(15), cases, progress="tiffin models list")
    figures = [
        Figure("bare Python", times["python"]),
        Figure("tiffin models history, 10,000 entries", times["history"], limit=150),
    ]
    for number, name in enumerate(stores):
        peer = peers.get("empty" if number == 0 else "full")
        figures.append(
            Figure(
                f"tiffin models list, {name}",
                times[name],
                limit=120 if number == 0 else 400,
                beside=("BentoML", peer) if peer else None,
            )
        )
    return figures


def _bentoml(options: Options) -> dict[str, list[float]]:
    assert options.bentoml is not None
    tool = environments.command(options.bentoml, "bentoml")
    empty = {"BENTOML_HOME": str(options.folder / "bentoml-empty"), "BENTOML_DO_NOT_TRACK": "True"}
    full = {**empty, "BENTOML_HOME": str(options.folder / "bentoml-5000")}
    with Worker(options.bentoml, "store_sections.in_bentoml", full) as worker:
        worker.ask("prepare")
        worker.ask("fill", count=5000)
    return {
        "empty": [time_command([tool, "models", "list"], empty) for _ in range(3)],
        "full": [time_command([tool, "models", "list"], full)],
    }
