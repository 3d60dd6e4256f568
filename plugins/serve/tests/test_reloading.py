"""`--reload`: a service starts anew when a file of it changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

SERVICE = """
from tiffin_serve import Service
from said_words import WORD

svc = Service("said")


@svc.api
def said() -> str:
    return WORD
"""


def said(url: str) -> str:
    """Return what the service says; empty where it ends while it is asked."""
    try:
        return httpx.post(f"{url}/said", timeout=60).text
    except httpx.TransportError:
        return ""


def test_a_service_starts_anew_when_a_file_of_it_changes(
    serving: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that it only imports; while one cannot be imported calls wait, and the log says so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(SERVICE, encoding="utf-8")
    words = tmp_path / "said_words.py"
    words.write_text("WORD = 'one'", encoding="utf-8")
    with (tmp_path / "log").open("w") as log:
        one = serving("app:svc", "--reload", log=log)
        assert said(one.url) == "one"
        words.write_text("WORD = 'two'", encoding="utf-8")
        while said(one.url) != "two":
            assert one.process.poll() is None
        words.write_text("WORD = ", encoding="utf-8")
        while "cannot be imported: SyntaxError" not in (told := (tmp_path / "log").read_text(encoding="utf-8")):
            assert one.process.poll() is None
        assert "Traceback" not in told
        words.write_text("WORD = 'three'", encoding="utf-8")
        while said(one.url) != "three":
            assert one.process.poll() is None
        one.process.terminate()
        assert one.process.wait(60) == 0
