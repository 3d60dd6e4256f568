"""Times in which nothing is answered: at the start, while an alias moves, after a process was killed."""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from measuring.workers import time_command

from serving_sections.bench import Bench, Question, Server
from serving_sections.findings import Finding

LOAD = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb')).predict([[0.0] * 4])"


def measure(bench: Bench) -> list[Finding]:
    """Return the figures, the best of few: other work on the machine makes them longer, and nothing makes them shorter."""
    return [*_first(bench), _moved(bench), *_killed(bench)]


def _first(bench: Bench) -> list[Finding]:
    load = [sys.executable, "-c", LOAD, str(bench.folder / "M1.pickle")]
    alone, bare, tiffin = [], [], []
    for _ in range(3):
        alone.append(time_command(load, bench.environment))
        for taken, make, subject in ((bare, bench.bare("M1"), "bare"), (tiffin, bench.tiffin("m1"), "tiffin")):
            with make as server:
                bench.ready(server, bench.question(subject, "M1"))
                taken.append(time.perf_counter() - server.began)
    note = f"of {min(tiffin):.2f} s; the bare server's {min(bare):.2f} s"
    return [Finding("first answer, beyond import and load", min(tiffin) - min(alone), "s", most=1.0, note=note)]


def _moved(bench: Bench) -> Finding:
    import tiffin

    os.environ.update(bench.environment)
    first = tiffin.get("m1")
    second = tiffin.save(
        "m1", first.load(), signatures={"predict": {"batchable": True}}, input_example=bench.rows["M1"][:2]
    )
    tiffin.models.set_alias(first.tag, "prod")
    taken = []
    with bench.tiffin("m1:prod", "--hosts", "--spares", "1") as server:
        bench.check(server, bench.question("tiffin", "M1"))
        for wanted in (second, first, second):
            server.settle("tiffin-serve spare", 1)
            began = time.perf_counter()
            tiffin.models.set_alias(wanted.tag, "prod")
            statuses = _ask_until(server, bench.question("tiffin", "M1"), str(wanted.tag))
            taken.append(time.perf_counter() - began)
    return Finding("a moved alias, with a spare", min(taken), "s", most=1.5, note=f"statuses meanwhile: {statuses}")


def _ask_until(server: Server, question: Question, tag: str) -> dict[int, int]:
    counts: dict[int, int] = {}
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    while True:
        connection.request("POST", question.path, question.body, dict(question.headers))
        answer = connection.getresponse()
        answer.read()
        counts[answer.status] = counts.get(answer.status, 0) + 1
        if answer.getheader("tiffin-model") == tag:
            connection.close()
            return counts
        time.sleep(0.005)


def _killed(bench: Bench) -> list[Finding]:
    found = []
    for title, word, options in (
        ("a model's worker, with a spare", "_worker_main", ["--backend", "process", "--spares", "1"]),
        ("a host, with a spare", "tiffin-serve host", ["--hosts", "--spares", "1"]),
    ):
        with bench.tiffin("m1", *options) as server:
            bench.check(server, bench.question("tiffin", "M1"))
            server.settle(word.rpartition(" ")[0] or word, 2)
            told = _gap(bench, server, lambda server=server, word=word: os.kill(server.named(word)[0], signal.SIGKILL))  # type: ignore[misc]
        note = f"statuses: {told['statuses']}"
        found.append(Finding(f"kill -9 of {title}: without an answer", told["longest"], "s", most=1.0, note=note))
    return found


def _gap(bench: Bench, server: Server, kill: Callable[[], None]) -> Any:
    timer = threading.Timer(0.5, kill)
    timer.start()
    try:
        return bench.client.ask("gaps", **bench.question("tiffin", "M1").at(server.port), seconds=3)
    finally:
        timer.join()
