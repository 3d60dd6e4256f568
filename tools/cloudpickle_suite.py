"""Run cloudpickle's public tests with `tiffin.save` and `tiffin.load` in the place of its dumps and loads.

Run: python tools/cloudpickle_suite.py REPOSITORY [pytest arguments]

REPOSITORY is a clone of https://github.com/cloudpipe/cloudpickle, whose source distributions hold no tests. They are copied
into a folder that is removed at the end, beside an environment that adds psutil to this one. Each object that a test pickles
is saved, loaded once in a clean process (`trial_load=True`), and loaded again where the test loads it. Prints the tests that
fail; what is known of them stands in docs/explanation/code-by-value.md.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
from pathlib import Path

BRIDGE = """
import os, pickle, uuid
import cloudpickle, cloudpickle.cloudpickle

# The tests start programs with an environment of their own.
os.environ["TIFFIN_HOME"] = {home!r}

class Stored:
    def __init__(self, digest, stream): self.state = digest, stream
    def __reduce__(self): return load, self.state

def load(digest, stream):
    import tiffin
    with open(os.path.join({home!r}, digest.replace(":", "-"))) as file: return tiffin.load(file.read())[0]

# Equal content gives equal bytes, with the names in it; errors are those that the object's own code raised.
def dumps(obj, protocol=None, buffer_callback=None):
    import tiffin
    try: model = tiffin.save("m" + uuid.uuid4().hex, [obj], trial_load=True)
    except tiffin.exceptions.PicklingError as error: raise error.__cause__ or error
    digest = model.info.content_digest
    with open(os.path.join({home!r}, digest.replace(":", "-")), "w") as file: file.write(str(model.tag))
    return pickle.dumps(Stored(digest, model.path_of("model.pkl").read_bytes()))

def dump(obj, file, protocol=None, buffer_callback=None):
    file.write(dumps(obj))

cloudpickle.dumps = cloudpickle.cloudpickle.dumps = dumps
cloudpickle.dump = cloudpickle.cloudpickle.dump = dump
"""


def main() -> int:
    """Copy, bridge, run; return pytest's exit code."""
    repository, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = subprocess.run(["git", "-C", repository, "archive", "HEAD", "tests"], check=True, capture_output=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as file:
            file.extractall(folder, filter="data")
        python = environment_of(folder)
        install = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install", "psutil"]
        subprocess.run(install, check=True)
        bridge(folder)
        command = [
            str(python),
            "-m",
            "pytest",
            "-q",
            "-s",
            "-p",
            "no:cacheprovider",
            "--tb=line",
            "-rfE",
            "-c",
            os.devnull,
        ]
        command += [f"--rootdir={folder}", *(arguments or ["tests/cloudpickle_test.py", "-k", "not Protocol2"])]
        return subprocess.run(command, cwd=folder, check=False).returncode


def environment_of(folder: Path) -> Path:
    """Make an environment in which all is installed that is in this one; return its Python."""
    venv.create(folder / "environment", with_pip=True)
    ours = sysconfig.get_path("purelib")
    lines = [str(folder / "tests" / "cloudpickle_testpkg"), f"import site; site.addsitedir({ours!r})", ""]
    (site_of(folder) / "this.pth").write_text("\n".join(lines), encoding="utf-8")
    return folder / "environment" / "bin" / "python"


def bridge(folder: Path) -> None:
    """Have every Python of the environment take Tiffin for cloudpickle, also those that tests start."""
    site = site_of(folder)
    (site / "suite_bridge.py").write_text(BRIDGE.format(home=str(folder / "home")), encoding="utf-8")
    (site / "zz_suite.pth").write_text("import suite_bridge\n", encoding="utf-8")


def site_of(folder: Path) -> Path:
    """Return the folder of the environment's packages."""
    (found,) = (folder / "environment" / "lib").glob("python*/site-packages")
    return found


if __name__ == "__main__":
    sys.exit(main())
