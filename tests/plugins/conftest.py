"""Distributions that are not installed but look so: folders on the import path with metadata and modules."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tiffin.plugins import Registry


class Site:
    """A folder on the import path, into which distributions are put."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def install(
        self,
        distribution: str,
        *,
        adapters: Mapping[str, str] | None = None,
        plugins: Mapping[str, str] | None = None,
        **modules: str,
    ) -> None:
        """Put a distribution there: entry points as name → module, and modules as name → source."""
        info = self.path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n", encoding="utf-8")
        lines = []
        for group, points in (("tiffin", adapters), ("tiffin.plugins", plugins)):
            lines += [f"[{group}]", *(f"{name} = {target}" for name, target in (points or {}).items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for name, source in modules.items():
            (self.path / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")

    def run(self, program: str, **settings: str) -> str:
        """Run a program in a Python of its own that sees the site, and return its output; fail with all it said."""
        result = self.start([sys.executable, "-c", textwrap.dedent(program)], **settings)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def tiffin(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the command line, and return how it ended."""
        return self.start([sys.executable, "-m", "tiffin", *arguments], **settings)

    def start(self, command: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command that sees the site, and return how it ended."""
        paths = [str(self.path), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **settings}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_registry: Registry) -> Iterator[Site]:
    """Return an empty site that this process sees as well; what is imported from it is forgotten afterwards."""
    made = Site(tmp_path / "site")
    monkeypatch.syspath_prepend(made.path)
    before = set(sys.modules)
    yield made
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(made.path)):
            del sys.modules[name]


KV = """
import json
from tiffin import hookimpl

@hookimpl
def context_info():
    return {"types": ["kvlib.Table"], "distributions": ["kvlib"], "signatures": {"lookup": {"batchable": False}}}

@hookimpl
def save(model, path):
    (path / "table.json").write_text(json.dumps(model.items))

@hookimpl
def load(path):
    import kvlib
    return kvlib.Table(json.loads((path / "table.json").read_text()))
"""

KVLIB = """
class Table:
    def __init__(self, items):
        self.items = items
    def lookup(self, key):
        return self.items[key]
"""


@pytest.fixture
def kv(site: Site) -> Site:
    """Return the site with a framework, `kvlib`, and its adapter, `tiffin-kv`."""
    site.install("kvlib", kvlib=KVLIB)
    site.install("tiffin-kv", adapters={"kv": "tiffin_kv"}, tiffin_kv=KV)
    return site
