"""Serving over HTTP: `tiffin serve` against the bare server, granian with a 40-line batcher and nothing else.

    python benchmarks/serving.py [--rounds 5] [--seconds 1.5] [--connections 1,32,128] [--only M1,M2]

Runs in the environment of the checkout (`make setup`). M1 is a logistic regression on iris, M2 a random forest on digits; a
request is one row of JSON. The servers stand side by side and are asked in turns by one client, a process of its own that
keeps so many connections busy. What is printed is the median of all rounds: answers in a second, the ratio to the bare server
in the same round, and microseconds of CPU time that the server and its workers took for an answer. The client has its share
of the same processors, so look at ratios only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import batching

SUBJECTS = {
    "bare": "the bare server",
    "local": "tiffin serve",
    "process": "tiffin serve --backend process",
    "uvicorn": "tiffin serve --server uvicorn",
}


class Caller(asyncio.Protocol):
    """One connection that sends the next request as soon as it has an answer."""

    def __init__(self, request, counts):
        self.request, self.counts = request, counts
        self.rest = b""

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data):
        self.rest += data
        head, found, body = self.rest.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.rest = b""
        self.counts[head[9:12]] = self.counts.get(head[9:12], 0) + 1
        self.transport.write(self.request)


async def load(port, path, body, connections, seconds):
    """Return answers in a second, and all answers; nothing but 200 may come."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    counts = {}
    loop = asyncio.get_running_loop()
    callers = [
        await loop.create_connection(lambda: Caller(head.encode() + body, counts), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.sleep(0.2)
    before, began = counts.get(b"200", 0), time.perf_counter()
    await asyncio.sleep(seconds)
    answered = (counts.get(b"200", 0) - before) / (time.perf_counter() - began)
    for transport, _ in callers:
        transport.abort()
    assert set(counts) == {b"200"}, counts
    return answered, counts[b"200"]


def client():
    """Do what lines of JSON say, and print what comes of it."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps(runner.run(load(body=asked.pop("body").encode(), **asked))), flush=True)


def bare():
    """Serve both models with as little as can be."""
    import numpy
    import orjson
    import uvloop
    from granian.constants import Interfaces
    from granian.server.embed import Server

    headers = [("content-type", "application/json")]
    batchers = {f"/{name}": batching.FortyLines(function, 100) for name, function, _ in batching.models()}

    async def application(scope, protocol):
        asked = orjson.loads(await protocol())
        result = await batchers[scope.path](numpy.array(asked["inputs"]))
        protocol.response_bytes(200, headers, orjson.dumps({"outputs": result}, option=orjson.OPT_SERIALIZE_NUMPY))

    async def serve():
        port = int(sys.argv[2])
        server = Server(
            application, port=port, interface=Interfaces.RSGI, websockets=False, backlog=1024, log_enabled=False
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
        await server.serve()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def save_models():
    """Store both models, and return a request's body for each."""
    import tiffin

    bodies = {}
    for name, predict, rows in batching.models():
        tiffin.save(name.lower(), predict.__self__, signatures={"predict": {"batchable": True}}, input_example=rows[:2])
        bodies[name] = json.dumps({"inputs": rows[:1].tolist()})
    return bodies


def start(subject, port):
    """Start a server, and return it once it takes connections."""
    if subject == "bare":
        command = [sys.executable, __file__, "--bare", str(port)]
    else:
        options = {"local": [], "process": ["--backend", "process"], "uvicorn": ["--server", "uvicorn"]}[subject]
        command = [sys.executable, "-m", "tiffin", "serve", "m1", "m2", "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return process
    raise SystemExit(f"{SUBJECTS[subject]} ended at its start")


def free_port():
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def cpu_seconds(pid):
    """Return the CPU time of a process and its children so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu_seconds, map(int, children)))


def measure(arguments, bodies, ports, pids, caller):
    """Print a line for each model and number of connections."""

    def ask(subject, model, connections):
        before = cpu_seconds(pids[subject])
        path = f"/{model}" if subject == "bare" else f"/models/{model.lower()}/predict"
        asked = {"port": ports[subject], "path": path, "body": bodies[model], "connections": connections}
        print(json.dumps({**asked, "seconds": arguments.seconds}), file=caller.stdin, flush=True)
        answers, count = json.loads(caller.stdout.readline())
        return answers, (cpu_seconds(pids[subject]) - before) / count * 1e6

    for model in arguments.only:
        for connections in arguments.connections:
            rounds = [{subject: ask(subject, model, connections) for subject in ports} for _ in range(arguments.rounds)]
            told = []
            for subject in ports:
                answers, cpu = (statistics.median(each[subject][place] for each in rounds) for place in (0, 1))
                ratio = statistics.median(each[subject][0] / each["bare"][0] for each in rounds)
                told.append(f"{subject} {answers:7.0f}/s {ratio:5.2f} {cpu:6.0f} us")
            print(f"{model} c={connections:<4} " + "   ".join(told), flush=True)


def main():
    """Start everything, measure, and end everything."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--connections", type=lambda text: [int(one) for one in text.split(",")], default=[1, 32, 128])
    parser.add_argument("--only", type=lambda text: text.split(","), default=["M1", "M2"])
    parser.add_argument("--subjects", type=lambda text: text.split(","), default=["local", "process"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"TIFFIN_HOME": str(Path(home) / "home"), "OMP_NUM_THREADS": "1"}
        bodies = save_models()
        ports = {subject: free_port() for subject in ["bare", *arguments.subjects]}
        processes = []
        try:
            for subject, port in ports.items():
                processes.append(start(subject, port))
            pids = {subject: process.pid for subject, process in zip(ports, processes, strict=True)}
            command = [sys.executable, __file__, "--client"]
            caller = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            processes.append(caller)
            measure(arguments, bodies, ports, pids, caller)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


if __name__ == "__main__":
    {"--client": client, "--bare": bare}.get(" ".join(sys.argv[1:2]), main)()
