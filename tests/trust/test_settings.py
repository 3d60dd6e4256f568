"""The section [trust] counts only from a file that nobody else could have written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiffin.config import trust_policy, trusted_keys
from tiffin.exceptions import ConfigWarning


def write(home: Path, mode: int) -> Path:
    home.mkdir(exist_ok=True)
    path = home / "config.toml"
    path.write_text('[trust]\npolicy = "always"\n[[trust.keys]]\nmodels = "*"\nkey = "k.pub"\n', encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_settings_that_others_may_write_do_not_count(store_home: Path, mode: int) -> None:
    """Who may write there would decide which code runs here."""
    path = write(store_home, mode)
    with pytest.warns(ConfigWarning, match="others may write"):
        assert trust_policy() == "ask"
    with pytest.warns(ConfigWarning, match="others may write"):
        assert trusted_keys() == ()
    path.chmod(0o644)
    assert trust_policy() == "always"
    assert len(trusted_keys()) == 1


def test_settings_of_another_user_do_not_count(store_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this user's and root's do."""
    path = write(store_home, 0o600)
    assert trust_policy() == "always"
    owner = path.stat().st_uid
    monkeypatch.setattr("os.getuid", lambda: owner + 1)
    if owner == 0:
        assert trust_policy() == "always"
        return
    with pytest.warns(ConfigWarning, match="another user owns"):
        assert trust_policy() == "ask"
