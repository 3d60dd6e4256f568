"""The commands sign and verify-signature, and what inspect says of signatures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tiffin import Model, models
from tiffin.cli import cli
from tiffin.exceptions import RecordError


def run(*arguments: Any, **options: Any) -> Any:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], **options)


def test_sign_and_verify(model: Model, key: Any) -> None:
    """The usual way."""
    assert run("models", "sign", "team-a", "--key", key.private).output == "Signed team-a:1\n"
    verified = run("models", "verify-signature", "team-a", "--key", key.public)
    assert verified.exit_code == 0
    assert f"team-a:1 is what {key.public} signed" in verified.output
    found = json.loads(run("models", "verify-signature", "team-a", "--key", key.public, "-o", "json").stdout)
    assert [check["result"] for check in found] == ["good"]


def test_a_content_that_was_signed_under_another_name_is_told_so(
    store_home: Path, model: Model, key: Any, tmp_path: Path, elsewhere: Any
) -> None:
    """A name is not under a signature: whoever can rename a model must not have the signer's word for its name."""
    run("models", "sign", "team-a", "--key", key.private)
    models.export_model("team-a", tmp_path / "a.tar")
    elsewhere()
    models.import_model(tmp_path / "a.tar", name="team-prod:6")
    told = run("models", "verify-signature", "team-prod", "--key", key.public)
    assert told.exit_code == 0
    assert f"The content of team-prod:6 is what {key.public} signed as 'team-a:1', not under this tag" in told.output


def test_a_signature_in_a_file_of_its_own(model: Model, key: Any, tmp_path: Path) -> None:
    """Written beside, and verified from there."""
    run("models", "sign", "team-a", "--key", key.private, "--signature", tmp_path / "a.sig")
    [kept] = models.default_store().attestations(model.info.content_digest)
    assert (tmp_path / "a.sig").read_bytes() == kept
    arguments = ["models", "verify-signature", "team-a", "--key", key.public, "--signature"]
    assert run(*arguments, tmp_path / "a.sig").exit_code == 0
    assert run(*arguments, tmp_path / "no.sig").exit_code == 1
    missing = run("models", "sign", "team-a", "--key", key.private, "--signature", tmp_path / "no" / "a.sig")
    assert missing.exit_code == 1
    assert "a.sig" in missing.output


def test_what_is_not_good_exits_with_one_and_says_why(model: Model, new_key: Any, key: Any) -> None:
    """No signature, another key, no key at all."""
    assert run("models", "verify-signature", "team-a").exit_code == 1
    run("models", "sign", "team-a", "--key", key.private)
    other = run("models", "verify-signature", "team-a", "--key", new_key("other").public)
    assert other.exit_code == 1
    assert "No signature of model 'team-a:1' is good" in other.stderr
    assert "It was made with another key" in other.stderr
    none = run("models", "verify-signature", "team-a")
    assert "No key is trusted for models called 'team-a'" in none.stderr
    assert run("models", "verify-signature", "nobody").exit_code == 3


def test_the_password_comes_from_a_file_the_environment_or_a_prompt(
    model: Model, new_key: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never from the command line, which others can see."""
    locked = new_key("locked", password="secret")
    refused = run("models", "sign", "team-a", "--key", locked.private)
    assert refused.exit_code == 1
    assert "Set TIFFIN_KEY_PASSWORD, or give it (--password-file" in refused.stderr
    (tmp_path / "password").write_text("secret\nignored\n", encoding="utf-8")
    assert (
        run("models", "sign", "team-a", "--key", locked.private, "--password-file", tmp_path / "password").exit_code
        == 0
    )
    wrong = run("models", "sign", "team-a", "--key", locked.private, env={"TIFFIN_KEY_PASSWORD": "other"})
    assert "the password is wrong" in wrong.stderr
    assert "other" not in wrong.output
    assert (
        run("models", "sign", "team-a", "--key", locked.private, env={"TIFFIN_KEY_PASSWORD": "secret"}).exit_code == 0
    )
    monkeypatch.setattr("tiffin_signing._commands._is_terminal", lambda: True)
    asked = run("models", "sign", "team-a", "--key", locked.private, input="secret\n")
    assert asked.exit_code == 0
    assert "Password of" in asked.stderr
    assert "secret" not in asked.output


def test_signing_again_makes_no_second_signature(model: Model, key: Any) -> None:
    """By the same key; but one of another tool, which ends with the next label, does not stand in for it."""
    assert models.sign("team-a", key.private) == models.sign("team-a", key.private)
    assert len(models.default_store().attestations(model.info.content_digest)) == 1


def test_a_record_that_was_edited_by_hand_is_not_signed(model: Model, key: Any) -> None:
    """What would be vouched for is not what was saved."""
    record = model.path / "model.yaml"
    record.write_text(record.read_text(encoding="utf-8").replace("options: {}", "options: {a: 1}"), encoding="utf-8")
    with pytest.raises(RecordError, match="edited by hand"):
        models.sign("team-a", key.private)


def test_inspect_shows_each_signature(model: Model, key: Any, store_home: Path, trusting: Any) -> None:
    """As a table and as data, also for what was made here."""
    models.sign("team-a", key.private)
    shown = run("models", "inspect", "team-a").output
    assert "unverified" in shown
    assert "There is no key to verify it with" in shown
    trusting(store_home, {"team-*": key.public})
    shown = run("models", "inspect", "team-a").output
    assert str(key.public) in shown
    assert "team-a:1" in shown
    [check] = json.loads(run("models", "inspect", "team-a", "-o", "json").stdout)["signatures"]
    assert check["result"] == "good"
    assert run("models", "verify-signature", "team-a").exit_code == 0


def test_what_a_stranger_calls_a_model_moves_no_cursor(model: Model, store_home: Path) -> None:
    """The name in a signature is printed as text."""
    import base64

    from tiffin_signing._bundle import write_bundle
    from tiffin_signing._statement import make_statement

    said = json.loads(make_statement(model.info))
    said["subject"][0]["name"] = "\x1b[2Jevil"
    bundle = write_bundle(json.dumps(said).encode(), b"x", base64.b64encode(b"x").decode())
    models.default_store().add_attestation(model.info, bundle)
    shown = run("models", "inspect", "team-a").output
    assert "\x1b" not in shown
    assert "\\x1b[2Jevil" in shown
