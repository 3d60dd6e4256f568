"""`tiffin serve` with models on a cluster: over HTTP, from actors, and through a change of version."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_runnables import Doubler, Tripler

import tiffin

if importlib.util.find_spec("tiffin_serve") is None or importlib.util.find_spec("tiffin_picklable") is None:
    pytest.skip("needs tiffin-serve and tiffin-picklable", allow_module_level=True)


@pytest.fixture
def server(cluster: Any, store_home: Path) -> Iterator[str]:
    """Serve `numbers:prod` from the cluster, and return the address."""
    save("1", Doubler())
    tiffin.models.set_alias("numbers:1", "prod")
    settings = 'num_cpus = 0.1\n[ray.runtime_env.env_vars]\nTIFFIN_HOME = "{}"\nPYTHONPATH = "{}"\n'
    (store_home / "config.toml").write_text(
        "[ray]\n" + settings.format(store_home, Path(__file__).parent), encoding="utf-8"
    )
    command = [sys.executable, "-m", "tiffin", "serve", "numbers:prod", "--backend", "ray", "--port", "0"]
    environment = {
        **os.environ,
        "RAY_ADDRESS": cluster.address,
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [*command, "--follow", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "See also" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield next(line.split()[-1] for line in said if line.startswith("Serving on"))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def save(version: str, model: Any) -> None:
    """Store a version of the model."""
    tiffin.save(
        f"numbers:{version}", model, signatures={"predict": {"batchable": True}, "process": {"batchable": False}}
    )


def answer(url: str, method: str = "predict", given: Any = ((1, 2), (3, 4))) -> Any:
    """Return what the server answers, to two rows."""
    body = json.dumps(given).encode()
    request = urllib.request.Request(f"{url}/models/numbers/{method}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error


def test_a_server_answers_from_the_cluster_and_follows_the_alias(server: str) -> None:
    """The new version starts in another actor while the old one answers; no call fails meanwhile."""
    assert answer(server) == [[2, 4], [6, 8]]
    process = answer(server, "process", [1])
    assert b"ray::" in Path(f"/proc/{process}/cmdline").read_bytes()
    save("2", Tripler())
    tiffin.models.set_alias("numbers:2", "prod")
    while (found := answer(server)) != [[3, 6], [9, 12]]:
        assert found == [[2, 4], [6, 8]]
