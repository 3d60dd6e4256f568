"""The tutorials hold from their first command on: followed to the letter, in an environment with nothing in it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from fresh import Environment, run
from workspace import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("packaging")]


# A framework of gigabytes is installed for nobody's tutorial alone: docs/test_docs.py runs those pages where it is there.
PAGES = [
    page
    for page in sorted((ROOT / "docs" / "tutorial").glob("*.md"))
    if "<!-- needs: package " not in page.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tutorial_works_from_its_first_command_on(
    page: Path, built: Path, wheelhouse: Path, tmp_path: Path
) -> None:
    """A reader who types what the page says, installs included, gets what the page shows."""
    environment = Environment(tmp_path / "env", [built, wheelhouse])
    folder = tmp_path / "folder"
    folder.mkdir()
    python = environment.folder / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="t") as home:  # a short path, so that tables are not folded
        settings = {"TIFFIN_HOME": home, **environment.pip_settings}
        run([python, ROOT / "docs" / "run_page.py", "--fresh", page], folder, **settings)
