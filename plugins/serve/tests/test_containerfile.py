"""`tiffin serve --containerfile`: what it refuses, and what it takes from a record."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner, Result

import tiffin
from tiffin_serve._command import serve_command
from tiffin_serve._containerfile import needed_by, python_of
from tiffin_serve._errors import ServeError


def printed(*arguments: str) -> Result:
    """Run `tiffin serve … --containerfile`."""
    return CliRunner().invoke(serve_command, [*arguments, "--containerfile"])


def test_a_containerfile_has_the_options_and_the_extras_that_they_need(store: None) -> None:
    """Each as it was given; aliases that are asked for are set."""
    tag = str(tiffin.get("sums:prod").tag)
    lines = printed("sums:prod", "--port", "80", "--grpc-port", "81", "--no-check", "--cors", "a", "--cors", "b").output
    assert f"    tiffin models alias {tag} prod\n" in lines
    assert "\n    'tiffin-serve[grpc]==" in lines
    assert "\nEXPOSE 80\nEXPOSE 81\n" in lines
    told = '["tiffin", "serve", "sums:prod", "--host", "0.0.0.0", "--port", "80", "--grpc-port", "81", "--no-check"'
    assert lines.splitlines()[-1] == f'ENTRYPOINT {told}, "--cors", "a", "--cors", "b"]'


def test_files_of_this_machine_and_services_are_refused(
    store: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image has neither."""
    (tmp_path / "app.py").touch()
    monkeypatch.chdir(tmp_path)
    assert "--token-file names a file of this machine" in printed("sums:prod", "--token-file", "app.py").output
    assert "--containerfile is for models" in printed("app:svc").output


def test_of_a_record_only_what_its_adapter_names_is_installed(store: None) -> None:
    """Whoever made the model chooses no packages, and no commands."""
    info = tiffin.get("sums:1").info
    assert info.context.framework_versions == {"served-adapter": "1"}

    def needed(**versions: str) -> list[tuple[str, str]]:
        named = {name.replace("_", "-"): version for name, version in versions.items()}
        context = attrs.evolve(info.context, framework_versions=named)
        return [(name, version) for name, version, _ in needed_by(attrs.evolve(info, context=context))][1:]

    assert needed(served_adapter="2.0+cpu", evil="1.0") == [("served-adapter", "2.0")]
    assert needed(served_adapter="2.0\nRUN evil") == []


def test_models_of_different_pythons_do_not_go_into_one_image(store: None) -> None:
    """What they need does not go together."""
    info = tiffin.get("sums:1").info
    newer = attrs.evolve(info, version="2", context=attrs.evolve(info.context, python_version="3.12.1"))
    assert python_of([newer]) == "3.12"
    other = attrs.evolve(info, context=attrs.evolve(info.context, python_version="3.11.2"))
    with pytest.raises(ServeError, match=r"sums:2 with Python 3\.12, sums:1 with Python 3\.11"):
        python_of([newer, other])
