"""Write requirements.lock: every third-party package of the workspace, pinned, with hashes, for Python 3.10 to 3.13.

Needs uv (`pip install uv`) and a package index. Pins that still fit are kept; `--upgrade` takes the newest ones.
The file names no index and no path: pip takes the index from its own settings.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from workspace import LOCK, ROOT, group, packages, read_toml, third_party

HEADER = """\
# Third-party packages of the workspace, for every Python that it supports. Made by `make lock`; do not edit.
# Used by: pip install --require-hashes -r requirements.lock
"""


def find_uv() -> list[str]:
    """Return the command that runs uv: the one beside this Python, or the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise SystemExit("tools/lock.py needs uv, which is not installed here. Try: pip install uv")
    return [uv]


def main() -> None:
    """Resolve, and replace requirements.lock."""
    # A framework that is too large, or of too many builds, to be installed by everyone who works here.
    unlocked = read_toml(ROOT / "pyproject.toml").get("tool", {}).get("tiffin", {}).get("unlocked", [])
    requirements = third_party(packages()) + group("dev")
    with tempfile.TemporaryDirectory() as folder:
        overrides = Path(folder, "overrides.txt")
        # A marker that is never true takes the package out together with all that only it needs.
        overrides.write_text("".join(f"{name} ; python_version < '3'\n" for name in unlocked), encoding="utf-8")
        result = Path(folder, "requirements.lock")
        if LOCK.exists() and "--upgrade" not in sys.argv:
            shutil.copy(LOCK, result)
        options = ["--universal", "--python-version=3.10", "--generate-hashes", "--no-config", "--quiet"]
        options += ["--no-emit-index-url", "--no-annotate", "--no-header", f"--overrides={overrides}"]
        subprocess.run(
            [*find_uv(), "pip", "compile", "-", f"--output-file={result}", *options],
            input="\n".join(requirements),
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        LOCK.write_text(HEADER + result.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main()
