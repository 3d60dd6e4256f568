"""The examples run, as a user would run them."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent


def test_the_demonstration_does_the_main_job(tmp_path: Path) -> None:
    """`make demo` saves, lists, aliases, loads, predicts, verifies, shows the store's folder, serves, and leaves nothing."""
    command = [sys.executable, str(EXAMPLES / "demo.py")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("saved digits:") == 2
    assert "digits:prod is a Pipeline" in result.stdout
    assert "digits:latest is a RandomForestClassifier" in result.stdout
    assert "150 calls of one row each ran as 3 batches:" in result.stdout
    assert "model.yaml  (" in result.stdout
    served = result.stdout.partition("$ tiffin serve iris:prod --port 0 --follow 0.1 &\n")[2]
    url = re.match(r"Serving on (http://127\.0\.0\.1:\d+)\n", served)
    assert url is not None
    rows = "[[5.1, 3.5, 1.4, 0.2], [5.0, 2.0, 3.5, 1.0], [6.9, 3.2, 5.7, 2.3]]"
    assert f"$ curl -d '{rows}' {url[1]}/models/iris/predict\n[0, 1, 2]\n" in served
    counts = r"(\d+) calls were answered meanwhile \((\d+) by iris:\S+, (\d+) by iris:\S+\), 0 failed\n"
    moved = re.search(counts, served)
    assert moved is not None
    assert int(moved[1]) == int(moved[2]) + int(moved[3])
    assert served.endswith("Stopped\n")
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def run(name: str, folder: Path) -> str:
    command = [sys.executable, str(EXAMPLES / name)]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_iris_runner_merges_two_hundred_calls(tmp_path: Path) -> None:
    """Calls of one tick become full batches, and each caller gets its own row."""
    output = run("iris_runner.py", tmp_path)
    assert "200 calls, 19" in output
    assert "in 2 batches" in output
    assert "batch 1: 100 calls, 100 rows" in output


def test_the_custom_runner_answers_all_but_the_bad_call(tmp_path: Path) -> None:
    """One caller's bad word fails that caller only; streams and arguments of a call's own work."""
    lines = run("custom_runner.py", tmp_path).splitlines()
    assert lines[:4] == ["[3.0]", "[5.0]", "RemoteError: KeyError: 'coffee'.", "[6.0]"]
    assert lines[-1] == "t-i-f-f-i-n"


@pytest.mark.slow
def test_four_processes_share_one_runner(tmp_path: Path) -> None:
    """All calls of all processes are answered, in far fewer batches than calls."""
    output = run("shared_runner.py", tmp_path)
    found = re.search(r"640 calls of 4 processes in (\d+) batches", output)
    assert found is not None
    assert int(found[1]) <= 100


def test_a_call_with_a_trace_parent_gets_a_span_under_it(tmp_path: Path) -> None:
    """The plugin makes a span of the run, in the caller's trace, with the request's id."""
    pytest.importorskip("opentelemetry.sdk")
    output = run("otel_spans.py", tmp_path)
    span, _, answer = output.rpartition("}")
    told = json.loads(span + "}")
    assert answer.split() == ["[[2.", "2.]]"]
    assert told["name"] == "doubler.predict"
    assert told["context"]["trace_id"] == "0x" + "ab" * 16
    assert told["parent_id"] == "0x" + "cd" * 8
    assert told["attributes"]["tiffin.request_id"] == "req-17"
    assert told["start_time"] <= told["end_time"]


def test_an_adapter_is_registered_in_a_running_program(tmp_path: Path) -> None:
    """The third party's adapter works without being installed, until it is unregistered."""
    command = [sys.executable, str(EXAMPLES / "notebook_adapter.py")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("saved sine:")
    assert lines[0].endswith("with the adapter 'polynomial': series.json")
    assert lines[1:3] == ["loaded a Chebyshev that is equal: True", "sin(1) is 0.84, and the curve says 0.84"]
    assert "was saved by the adapter 'polynomial', which is not installed" in lines[3]


def test_the_adapter_of_a_third_party_passes_the_conformance_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example that authors begin with keeps what adapters promise."""
    import numpy

    import tiffin
    from tiffin.testing import Subject, check_adapter

    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(EXAMPLES / "adapter-polynomial" / "src")
    tiffin.register(importlib.import_module("tiffin_polynomial"), "polynomial")
    try:
        curve = numpy.polynomial.Chebyshev([1.0, 2.0, 3.0])
        verdicts = check_adapter(
            Subject(
                framework="polynomial",
                make=lambda: numpy.polynomial.Chebyshev(curve.coef),
                inputs={"__call__": numpy.linspace(-1, 1, 5)},
            )
        )
    finally:
        tiffin.unregister("polynomial")
    assert [(verdict.check, verdict.text) for verdict in verdicts if verdict.state == "failed"] == []
    # It has no options, and of numpy nobody can be without.
    assert {verdict.check for verdict in verdicts if verdict.state == "not applicable"} == {
        "a_missing_framework_is_a_clear_error",
        "losses_are_reported",
        "options_are_kept",
        "options_run_nothing",
        "partial_kwargs_reach_the_method",
        "wrong_options_are_refused",
    }
