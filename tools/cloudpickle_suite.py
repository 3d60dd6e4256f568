"""Run cloudpickle's public tests with `tiffin.save` and `tiffin.load` in the place of its dumps and loads.

Run: python tools/cloudpickle_suite.py REPOSITORY [pytest arguments]

REPOSITORY is a clone of https://github.com/cloudpipe/cloudpickle, whose source distributions hold no tests. They are copied
into a folder that is removed at the end. Each object that a test pickles is saved, loaded once in a clean process (`trial_load=True`), and loaded again where
the test loads it. Prints the tests that fail; what is known of them stands in docs/explanation/code-by-value.md.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

BRIDGE = """
import pickle, uuid
import cloudpickle, cloudpickle.cloudpickle

class Stored:
    def __init__(self, tag): self.tag = tag
    def __reduce__(self): return load, (self.tag,)

def load(tag):
    import tiffin
    return tiffin.load(tag)[0]

def dumps(obj, protocol=None, buffer_callback=None):
    import tiffin
    return pickle.dumps(Stored(str(tiffin.save("m" + uuid.uuid4().hex, [obj], trial_load=True).tag)))

def dump(obj, file, protocol=None, buffer_callback=None):
    file.write(dumps(obj))

cloudpickle.dumps = cloudpickle.cloudpickle.dumps = dumps
cloudpickle.dump = cloudpickle.cloudpickle.dump = dump
"""
# Every Python that the tests start imports this by itself.
STARTED = """
import os
if os.environ.get("SUITE"):
    try: import suite_bridge
    except ImportError: pass
"""


def main() -> int:
    """Copy, bridge, run; return pytest's exit code."""
    repository, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "pip", with_pip=True)
        pip = [folder / "pip" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q"]
        build, tests = folder / "build", folder / "tests"
        subprocess.run([*pip, "install", "--target", build, "setuptools", "psutil"], check=True)
        environment = {**os.environ, "PYTHONPATH": str(build), "TIFFIN_HOME": str(folder / "home"), "SUITE": "1"}
        archive = subprocess.run(["git", "-C", repository, "archive", "HEAD", "tests"], check=True, capture_output=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as file:
            file.extractall(folder, filter="data")
        install = ["install", "--no-deps", "--no-build-isolation", "--target", build, tests / "cloudpickle_testpkg"]
        subprocess.run([*pip, *install], check=True, env=environment)
        (build / "suite_bridge.py").write_text(BRIDGE, encoding="utf-8")
        (build / "sitecustomize.py").write_text(STARTED, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line", "-rfE", "-c", os.devnull]
        chosen = arguments or ["tests/cloudpickle_test.py", "-k", "not Protocol2"]
        command += [f"--rootdir={tests.parent}", *chosen]
        return subprocess.run(command, cwd=tests.parent, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
