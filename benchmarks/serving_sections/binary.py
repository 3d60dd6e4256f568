"""A tensor of 1 MiB there and back, by the Open Inference Protocol, against a server that returns what it gets."""

from __future__ import annotations

import json
import os
import statistics

import numpy as np

from serving_sections.bench import Bench, Question
from serving_sections.findings import Finding

CONNECTIONS = 8


def measure(bench: Bench) -> list[Finding]:
    """Return the share of what the bare server echoes."""
    from sklearn.preprocessing import FunctionTransformer

    import tiffin

    values = np.zeros((1, 1 << 18), np.float32)
    model = FunctionTransformer().fit(values)  # it returns what it gets
    os.environ.update(bench.environment)
    tiffin.save("echo", model, signatures={"transform": {"batchable": True}}, input_example=values)
    tensor = {
        "name": "x",
        "shape": list(values.shape),
        "datatype": "FP32",
        "parameters": {"binary_data_size": values.nbytes},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    asked = Question("/v2/models/echo/infer", head + values.tobytes(), headers)
    echoed = Question("/echo", values.tobytes(), headers)
    with bench.bare() as bare, bench.tiffin("echo") as server:
        rounds = [
            (bench.closed(bare, echoed, CONNECTIONS), bench.closed(server, asked, CONNECTIONS))
            for _ in range(bench.rounds)
        ]
    share = statistics.median(its["rate"] / echo["rate"] for echo, its in rounds)
    echo, its = (statistics.median(one["worked"] for one in column) for column in zip(*rounds, strict=True))
    rate = statistics.median(its["rate"] for _, its in rounds)
    note = f"{rate:.0f}/s, processors {its * 1e6:.0f} µs, of the echo {echo * 1e6:.0f} µs"
    return [Finding(f"requests, of bare echoes, c={CONNECTIONS}", share, least=0.5, note=note)]
