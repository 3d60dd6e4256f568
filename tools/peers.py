"""Other tools of the same trade, each in an environment of its own: what they need never meets what Tiffin needs.

`python tools/peers.py` makes the environments that are missing, below .tools/; tests skip what has none.
"""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path
from typing import Any

from environment import install, uv
from servers import Missing
from workspace import ROOT

PEERS = {
    "modelpack": ["modelpack-client>=0.1,<0.2"],
    "kserve": ["kserve>=0.15"],
    "kubernetes-validate": ["kubernetes-validate>=1.31"],
}
"""Name → what is installed."""


def peer_python(name: str) -> Path:
    """Return the Python of a peer's environment.

    Raises:
        Missing: it has not been made.
    """
    folder = ROOT / ".tools" / name
    if not (folder / "made").exists():
        raise Missing(f"the environment of {name} is not there; try: python tools/peers.py")
    return folder / "bin" / "python"


def ask_peer(name: str, *arguments: str | Path, **options: Any) -> str:
    """Run a peer's Python, and return what it prints.

    Args:
        name: the peer.
        arguments: of its Python.
        options: as for `subprocess.run`.

    Raises:
        Missing: it has not been made.
    """
    done = subprocess.run(
        [peer_python(name), *arguments], capture_output=True, text=True, check=False, timeout=120, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed: str = done.stdout
    return printed


def make_peer(name: str) -> None:
    """Make a peer's environment, unless it is there."""
    folder = ROOT / ".tools" / name
    wanted = "\n".join(PEERS[name])
    made = folder / "made"
    if made.exists() and made.read_text(encoding="utf-8") == wanted:
        return
    venv.create(folder, clear=True, with_pip=uv() is None)
    install(folder / "bin" / "python", *PEERS[name])
    made.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    for peer in PEERS:
        make_peer(peer)
