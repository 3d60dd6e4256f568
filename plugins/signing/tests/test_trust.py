"""Trust: a good signature by a key that is trusted for a model's name counts when it is loaded, as long as it is trusted."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import Model, models
from tiffin.building import core_lists
from tiffin.exceptions import ConfigError, UntrustedModelError

Trusting = Callable[..., None]


@pytest.fixture
def signed(model: Model, key: Any, elsewhere: Callable[[], Path], tmp_path: Path) -> Path:
    """Return an archive of a signed model; the home is another one from now on."""
    models.sign("team-a", key.private)
    archive = tmp_path / "signed.tiffin"
    models.export_model("team-a", archive)
    elsewhere()
    return archive


@pytest.fixture
def home(signed: Path, tmp_path: Path) -> Path:
    """Return the home that the model comes to, where it was imported."""
    models.import_model(signed)
    return tmp_path / "another-home"


def test_a_signature_by_a_trusted_key_is_trust_and_ends_with_it(home: Path, key: Any, trusting: Trusting) -> None:
    """Nothing is noted: a key that leaves config.toml counts no longer, at once."""
    with pytest.raises(
        UntrustedModelError, match="It is signed, but by no key that is trusted for models called 'team-a'"
    ):
        tiffin.load("team-a")
    assert models.inspect("team-a").verdict == "refused"
    trusting(home, {"team-*": key.public})
    assert tiffin.load("team-a").answer == 42
    found = models.inspect("team-a")
    assert (found.verdict, found.signatures[0].result) == ("signed", "good")
    assert found.origin is not None
    assert "trusted" not in found.origin
    trusting(home, {})
    with pytest.raises(UntrustedModelError):
        tiffin.load("team-a")


@pytest.mark.parametrize(
    ("policy", "loads"), [("ask", True), ("allow-listed", True), ("never", False), ("always", True)]
)
def test_what_a_signature_counts_under_each_policy(
    policy: str, loads: bool, home: Path, key: Any, trusting: Trusting
) -> None:
    """As `allow-listed` says no to trust by hand, it says yes to this; `never` says no to all."""
    trusting(home, {"team-*": key.public}, policy)
    assert models.inspect("team-a").loads == loads
    if loads:
        assert tiffin.load("team-a").answer == 42
    else:
        with pytest.raises(UntrustedModelError, match="The trust policy is 'never'"):
            tiffin.load("team-a")


@pytest.mark.parametrize("pattern", ["team-b*", "team", "TEAM-*", "other-*"])
def test_a_key_is_trusted_for_the_names_that_its_pattern_fits(
    pattern: str, home: Path, key: Any, trusting: Trusting
) -> None:
    """A key of one team vouches for no other's models."""
    trusting(home, {pattern: key.public})
    with pytest.raises(UntrustedModelError):
        tiffin.load("team-a")


def test_the_name_that_counts_is_the_one_in_this_store(home: Path, signed: Path, key: Any, trusting: Trusting) -> None:
    """Imported under another name, the pattern is asked about that; inspect still shows what was signed."""
    trusting(home, {"team-*": key.public})
    models.import_model(signed, name="prod")
    with pytest.raises(UntrustedModelError):
        tiffin.load("prod")
    assert models.inspect("prod").signatures[0].signed_as == "team-a:1"
    trusting(home, {"prod": key.public})
    assert tiffin.load("prod").answer == 42


def test_of_several_keys_and_patterns_one_is_enough(home: Path, new_key: Any, key: Any, trusting: Trusting) -> None:
    """Each entry stands for itself."""
    trusting(home, {"*": new_key("other").public, "team-a": key.public})
    assert tiffin.load("team-a").answer == 42
    found = models.inspect("team-a")
    assert found.signatures[0].key_path == str(key.public)


def test_paths_of_keys_are_below_the_settings(home: Path, key: Any) -> None:
    """And patterns may be a list."""
    (home / "keys").mkdir()
    shutil.copy(key.public, home / "keys" / "a.pub")
    (home / "config.toml").write_text(
        '[[trust.keys]]\nmodels = ["x", "team-?"]\nkey = "keys/a.pub"\n', encoding="utf-8"
    )
    assert tiffin.load("team-a").answer == 42


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[trust.keys]]\nmodel = "a"\nkey = "k"\n', "unknown setting 'model'.*Did you mean 'models'"),
        ('[[trust.keys]]\nkey = "k"\n', "'models' of entry 1 is None"),
        ('[[trust.keys]]\nmodels = ""\nkey = "k"\n', "'models' of entry 1"),
        ('[[trust.keys]]\nmodels = []\nkey = "k"\n', "'models' of entry 1"),
        ('[[trust.keys]]\nmodels = [1]\nkey = "k"\n', "'models' of entry 1"),
        ('[[trust.keys]]\nmodels = "*"\n', "'key' of entry 1 is None"),
        ('[trust]\nkeys = "k"\n', "'keys' is 'k'"),
        ('[trust]\nkeys = ["k"]\n', "entry 1 is 'k'"),
        ('[[trust.key]]\nmodels = "*"\nkey = "k"\n', "unknown setting 'key'.*Did you mean 'keys'"),
        ('[[trust.keys]]\nmodels = "*"\nkey = "gone.pub"\n', r"gone\.pub cannot be used.*No such file"),
    ],
)
def test_settings_that_are_not_valid_stop_the_load(text: str, told: str, home: Path) -> None:
    """An entry that silently does not count, or counts for too much, is worse."""
    (home / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"(?s){told}"):
        tiffin.load("team-a")


def test_a_forged_signature_helps_nobody_and_is_reported(
    home: Path, key: Any, new_key: Any, trusting: Trusting, tmp_path: Path
) -> None:
    """A key of the attacker's own, with the id of the trusted one."""
    from tiffin_signing import make_signature, read_private_key, read_public_key

    store = tiffin.models.default_store()
    info = models.get("team-a").info
    shutil.rmtree(Path(store.layout.signatures))
    attacker = read_private_key(new_key("attacker").private)
    forged = make_signature(info, attacker).replace(
        attacker.public.id.encode(), read_public_key(key.public).id.encode()
    )
    store.add_attestation(info, forged)
    trusting(home, {"team-*": key.public})
    with pytest.raises(UntrustedModelError, match="A signature that names a trusted key is forged or damaged"):
        tiffin.load("team-a")
    assert [check.result for check in models.inspect("team-a").signatures] == ["bad"]


def test_a_forged_signature_takes_no_place_from_a_good_one(
    home: Path, key: Any, new_key: Any, trusting: Trusting
) -> None:
    """Both are kept; one good one is enough."""
    from tiffin_signing import make_signature, read_private_key, read_public_key

    info = models.get("team-a").info
    attacker = read_private_key(new_key("attacker").private)
    forged = make_signature(info, attacker).replace(
        attacker.public.id.encode(), read_public_key(key.public).id.encode()
    )
    tiffin.models.default_store().add_attestation(info, forged)
    trusting(home, {"team-*": key.public})
    assert tiffin.load("team-a").answer == 42
    assert [check.result for check in models.inspect("team-a").signatures] == ["good", "bad"]


def test_the_files_are_compared_with_what_was_signed(home: Path, key: Any, trusting: Trusting) -> None:
    """A folder that somebody changed under a good signature does not load."""
    trusting(home, {"team-*": key.public})
    file = models.get("team-a").path / "model.pkl"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(UntrustedModelError, match="not the one that is trusted"):
        tiffin.load("team-a")
    assert models.inspect("team-a").verdict == "refused"


def test_a_record_that_was_rewritten_by_hand_is_other_content(
    home: Path, key: Any, trusting: Trusting, samples: Path
) -> None:
    """Another framework for signed files: the content digest is computed, so the signature is not even found."""
    trusting(home, {"*": samples / "p256.pub"})
    gift = models.import_model(samples / "gift")
    tiffin.models.default_store().add_attestation(gift.info, (samples / "p256.sig").read_bytes())
    assert models.inspect("gift").verdict == "signed"
    record = gift.path / "model.yaml"
    record.write_text(record.read_text(encoding="utf-8").replace("options: {}", "options: {a: 1}"), encoding="utf-8")
    models.verify("gift", accept=True)
    assert models.inspect("gift").verdict == "refused"
    assert models.inspect("gift").signatures == ()


def test_another_tools_signature_counts_while_the_record_is_the_one_it_covers(
    store_home: Path, samples: Path, key: Any, trusting: Trusting
) -> None:
    """A label makes another model.yaml; from then on that signature proves the files only, which is told."""
    gift = models.import_model(samples / "gift")
    trusting(store_home, {"gift": samples / "p384.pub"})
    tiffin.models.default_store().add_attestation(gift.info, (samples / "p384.sig").read_bytes())
    assert tiffin.load("gift").answer == 42
    models.label("gift", stage="prod")
    with pytest.raises(UntrustedModelError, match="covers its files, but not the framework and options"):
        tiffin.load("gift")


def test_without_cryptography_the_refusal_says_so(
    home: Path, key: Any, trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model whose only hope is its signature names what to install; one that is allowed anyway loads."""
    trusting(home, {"team-*": key.public})
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    with pytest.raises(UntrustedModelError, match=r"(?s)It is signed\..*pip install --upgrade tiffin-signing"):
        tiffin.load("team-a")
    found = models.inspect("team-a")
    assert found.signatures[0].result == "unverified"
    assert "pip install --upgrade tiffin-signing" in found.signatures[0].problem
    allowed = core_lists()
    allowed.add(["argparse.Namespace"])
    for module in ("_reading", "_report"):
        monkeypatch.setattr(f"tiffin.trust.{module}.lists", lambda: allowed)
    assert tiffin.load("team-a").answer == 42


def test_trust_by_hand_and_models_made_here_need_no_key(home: Path, model: Model) -> None:
    """Signatures change nothing of what was so before."""
    assert tiffin.load("team-a", trust=True).answer == 42
    tiffin.save("mine", 1, framework="picklable")
    assert tiffin.load("mine") == 1
