"""`tiffin models sign` and `verify-signature`: who vouches for a model."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from tiffin import Model
from tiffin import models as api
from tiffin.cli import complete_tag, output_option, say, show_data, show_vouchers
from tiffin.plugins import Voucher
from tiffin.showing import shown
from tiffin_signing._keys import needs_password
from tiffin_signing._library import PASSWORD

_FILE = click.Path(dir_okay=False)


@click.command("sign")
@click.argument("tag", shell_complete=complete_tag)
@click.option("--key", required=True, type=_FILE, help="The private key, a PEM file: P-256, P-384 or P-521.")
@click.option(
    "--password-file", type=_FILE, help=f"A file whose first line is the key's password.  [default: ${PASSWORD}]"
)
@click.option("--signature", type=_FILE, help="Write the signature to this file, too.")
def sign(tag: str, key: str, password_file: str | None, signature: str | None) -> None:
    """Sign a version, in the format of OpenSSF model signing.

    The signature is kept in the store, and travels with exports and pushes. It covers the files, the framework and the
    options, and neither labels nor name. Asks for the key's password if it has one.
    """
    model = api.get(tag)
    bundle = api.sign(model.tag, key, password=_password(key, password_file))
    if signature is not None:
        try:
            Path(signature).write_bytes(bundle)
        except OSError as error:
            raise click.FileError(signature, error.strerror or str(error)) from error
    click.echo(f"Signed {model.tag}" + (f", also in {signature}" if signature is not None else ""))


@click.command("verify-signature")
@click.argument("tag", shell_complete=complete_tag)
@click.option("--key", "keys", multiple=True, type=_FILE, help="A public key, a PEM file; may be given several times.")
@click.option("--signature", type=_FILE, help="A file that holds the signature, instead of those in the store.")
@output_option("table", "json", "yaml")
def verify_signature(tag: str, keys: tuple[str, ...], signature: str | None, output: str) -> None:
    """Tell whether a key vouches for a version. It is one that is given, or that config.toml trusts for the name.

    Compares the signature with the version's record, and the files that can run code with that; 'models verify' reads all
    files again. Exit code 1 if no signature is good.
    """
    model = api.get(tag)
    checks = api.verify_signature(model.tag, keys or None, signature=signature)
    if output != "table":
        show_data([check.to_dict() for check in checks], output)
        return
    show_vouchers(checks)
    first = checks[0]
    if first.result == "good":
        click.echo()
        say(f"The content of {model.tag} is what {shown(first.key_path)} signed{_as(first, model)}")
    else:
        click.echo()
        say(
            f"The files of {model.tag} are those that {shown(first.key_path)} signed{_as(first, model)}. {first.problem}."
        )


def _as(voucher: Voucher, model: Model) -> str:
    """Say under which name it was signed, where it has another one now: a name is not under a signature."""
    return "" if voucher.signed_as == str(model.tag) else f" as {shown(voucher.signed_as, 130)!r}, not under this tag"


def _password(key: str, password_file: str | None) -> str | None:
    if password_file is not None:
        try:
            return Path(password_file).read_text(encoding="utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise click.FileError(password_file, str(error)) from error
    if needs_password(key) and not os.environ.get(PASSWORD) and _is_terminal():
        answer: str = click.prompt(f"Password of {key}", hide_input=True, err=True)
        return answer
    return None


def _is_terminal() -> bool:
    return sys.stdin.isatty()
