"""Run cloudpickle's public tests with `tiffin.save` and `tiffin.load` in the place of its dumps and loads.

Run: python tools/cloudpickle_suite.py [VERSION] [pytest arguments]

Downloads the source distribution with pip into a folder that is removed at the end. Each object that a test pickles is saved,
loaded once in a clean process (`trial_load=True`), and loaded again where the test loads it. Prints the tests that fail; what
is known of them stands in docs/explanation/code-by-value.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

# Beside the tests; also in the programs that they start.
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


def main() -> int:
    """Download, bridge, run; return pytest's exit code."""
    version = next((argument for argument in sys.argv[1:] if argument[0].isdigit()), "3.1.2")
    arguments = [argument for argument in sys.argv[1:] if argument != version]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        # pip asks a source distribution for its metadata, which takes its build back end.
        subprocess.run([*pip, "install", "--target", folder / "build", "flit_core", "psutil"], check=True)
        environment = {**os.environ, "PYTHONPATH": str(folder / "build"), "TIFFIN_HOME": str(folder / "home")}
        source = ["download", "--no-deps", "--no-build-isolation", "--no-binary", "cloudpickle"]
        subprocess.run([*pip, *source, "-d", folder, f"cloudpickle=={version}"], check=True, env=environment)
        (archive,) = folder.glob("cloudpickle-*.tar.gz")
        with tarfile.open(archive) as file:
            file.extractall(folder / "source", filter="data")
        (tests,) = (folder / "source").glob("*/tests")
        for package in (*tests.glob("mock_local_folder"), *tests.glob("cloudpickle_testpkg")):
            subprocess.run(
                [*pip, "install", "--no-deps", "--no-build-isolation", "--target", folder / "build", package],
                check=False,
            )
        (folder / "build" / "suite_bridge.py").write_text(BRIDGE)
        (tests / "conftest.py").write_text("import suite_bridge\n")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--tb=line",
            "-rfE",
            "-c",
            os.devnull,
        ]
        return subprocess.run(
            [
                *command,
                f"--rootdir={tests.parent}",
                *(arguments or ["tests/cloudpickle_test.py", "-k", "not Protocol2"]),
            ],
            cwd=tests.parent,
            env=environment,
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
