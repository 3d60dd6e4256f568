"""A small model: scikit-learn's LogisticRegression on iris, saved durably and loaded."""

from __future__ import annotations

import contextlib
import time

from measuring.results import Figure
from measuring.workers import Worker, interleave

from store_sections.options import Options

TITLE = "A small model (LogisticRegression on iris); only BentoML's save is not durable"
_TIMES = 5


def measure(options: Options) -> list[Figure]:
    """Return the section's figures."""
    with contextlib.ExitStack() as stack:
        home = {"TIFFIN_HOME": str(options.folder / "small")}
        ours = stack.enter_context(Worker(options.tiffin, "store_sections.in_tiffin", home))
        ours.ask("prepare")
        saves = {
            "tiffin": lambda: ours.ask("save", times=_TIMES),
            "pickle": lambda: ours.ask("pickle_save", times=_TIMES),
        }
        loads = {
            "pickle": lambda: ours.ask("pickle_load", times=_TIMES),
            "tiffin": lambda: ours.ask("load", times=_TIMES),
        }
        if options.bentoml:
            their_home = {"BENTOML_HOME": str(options.folder / "small-bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
            theirs = stack.enter_context(Worker(options.bentoml, "store_sections.in_bentoml", their_home))
            theirs.ask("prepare")
            saves["bentoml"] = lambda: theirs.ask("save", times=_TIMES)
            loads["bentoml"] = lambda: theirs.ask("load", times=_TIMES)
        rounds = options.rounds(30)
        saved = interleave(rounds, saves, progress="save")
        fresh = interleave(2, {"tiffin": loads["tiffin"]})["tiffin"]
        time.sleep(1.2)  # from then on the catalog relies on the folders' times
        loaded = interleave(rounds, loads, progress="load")
    peers = ("BentoML", "bentoml") if options.bentoml else ("pickle", "pickle")
    return [
        Figure("durable save", saved["tiffin"], limit=3, beside=(peers[0], saved[peers[1]])),
        Figure("  pickle, fsync, rename, fsync of the folder", saved["pickle"]),
        Figure('load("iris:latest")', loaded["tiffin"], limit=0.7, beside=(peers[0], loaded[peers[1]])),
        Figure('load("iris:latest") within a second of a save', fresh),
        Figure("  pickle.load", loaded["pickle"]),
    ]
