"""Peers in environments of their own, beside `tiffin serve`; one after the other, since they are large."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from measuring import environments

from serving_sections.bench import Bench, Question, Server, free_port
from serving_sections.findings import Finding

CONNECTIONS = 128
WARM, LONG = 5.0, 2.0
"""Seconds for which a peer is asked before it is measured, and in which it is: some answer a hundred at once, and seldom."""
LEAST = {("M1", True): 15.0, ("M1", False): 8.0, ("M2", True): 8.0, ("M2", False): 4.0}
"""(model, whether the peer is BentoML) → how many times as many answers there should be."""
BACKENDS = {"M1": "local", "M2": "process"}


@dataclass
class Peer:
    """A server of another project.

    Attributes:
        requirements: what is installed for it, besides scikit-learn.
        command: returns what starts it, of its Python, the port and a folder for its settings.
        path: of its endpoint.
        oip: whether it is asked by the Open Inference Protocol.
    """

    requirements: tuple[str, ...]
    command: Callable[[Path, int, Path], list[object]]
    path: str = "/predict"
    oip: bool = False


def _bentoml(python: Path, port: int, folder: Path) -> list[object]:
    service = "serving_sections.in_bentoml:Served"
    return [environments.command(python, "bentoml"), "serve", service, "--host", "127.0.0.1", "--port", port]


def _module(module: str, python: Path, port: int, folder: Path) -> list[object]:
    return [python, "-m", f"serving_sections.{module}", port]


def _mlserver(python: Path, port: int, folder: Path) -> list[object]:
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    (folder / "settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 1}))
    batches = {"max_batch_size": CONNECTIONS, "max_batch_time": 0.005}
    model = {"name": "served", "implementation": "serving_sections.in_mlserver.Served", **batches}
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [environments.command(python, "mlserver"), "start", folder]


PEERS = {
    "BentoML": Peer(("bentoml",), _bentoml),
    "LitServe": Peer(("litserve",), partial(_module, "in_litserve")),
    "MLServer": Peer(("mlserver",), _mlserver, "/v2/models/served/infer", oip=True),
    "Ray Serve": Peer(("ray[serve]",), partial(_module, "in_rayserve"), "/"),
}


def measure(bench: Bench) -> list[Finding]:
    """Return how many times as many answers `tiffin serve` gives."""
    found = []
    for name, peer in PEERS.items():
        environment = f"serving-{name.lower().replace(' ', '')}"
        try:
            python = environments.peer(environment, *peer.requirements, "scikit-learn")
        except subprocess.CalledProcessError as error:
            print(f"  {name} is left out: it cannot be installed here ({error})")
            continue
        for model in ("M1", "M2"):
            try:
                found.append(_beside(bench, name, peer, python, model))
            except RuntimeError as error:
                print(f"  {name} is left out with {model}: {error}")
    return found


def _beside(bench: Bench, name: str, peer: Peer, python: Path, model: str) -> Finding:
    folder = bench.folder / f"{peer.path.strip('/').replace('/', '-')}-{name}-{model}".replace(" ", "")
    folder.mkdir()
    port = free_port()
    variables = {"SERVED": model, "PYTHONPATH": str(environments.BENCHMARKS), "BENTOML_DO_NOT_TRACK": "True"}
    own, asked = bench.question("tiffin", model), _question(bench, peer, model)
    with (
        bench.tiffin(model.lower(), "--backend", BACKENDS[model]) as tiffin,
        bench.running(peer.command(python, port, folder), port, **variables) as server,
    ):
        bench.ready(server, asked)
        bench.closed(server, asked, CONNECTIONS, WARM)
        rounds = [(_rate(bench, tiffin, own), _rate(bench, server, asked)) for _ in range(bench.rounds)]
    times = statistics.median(mine / its for mine, its in rounds)
    mine, its = (statistics.median(column) for column in zip(*rounds, strict=True))
    note = f"tiffin {mine:6.0f}/s, {name} {its:5.0f}/s, c={CONNECTIONS}"
    return Finding(f"{model}, answers, of {name}'s", times, "x", least=LEAST[model, name == "BentoML"], note=note)


def _rate(bench: Bench, server: Server, question: Question) -> float:
    return float(bench.closed(server, question, CONNECTIONS, LONG)["rate"])


def _question(bench: Bench, peer: Peer, model: str) -> Question:
    own = bench.question("tiffin", model)
    if not peer.oip:
        answer = "0" if peer.path == "/predict" else "[0]"
        return Question(peer.path, own.body, answer=answer)
    row = bench.rows[model][:1]
    tensor = {"name": "inputs", "shape": list(row.shape), "datatype": "FP64", "data": row.ravel().tolist()}
    return Question(peer.path, json.dumps({"inputs": [tensor]}).encode(), answer='"data":[0]')
