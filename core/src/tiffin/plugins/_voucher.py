"""Attestations, asked about: what one of a content proves, and whether one belongs to it. Only plugins can tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from tiffin.exceptions import BadSignatureError
from tiffin.info import max_attestation_size
from tiffin.plugins._joined_answers import joined
from tiffin.plugins._registry import registry

if TYPE_CHECKING:
    from tiffin.info import ModelInfo


@attrs.frozen
class Voucher:
    """What an attestation of a model proves.

    Attributes:
        result: "good": a key that is trusted vouches for all of the content. "good for files": for the files only, and not
            for framework, options and signatures. "bad": it names a trusted key, which has not made it. "other key": no
            trusted key has made it. "unverified": no key is trusted. "other content": it is about another model.
            "malformed": it cannot be read.
        key: the id of the key: that which has made it, else the one that it names, which says nothing; may be empty.
        key_path: where the key was read from; empty for other results than "good" and "good for files".
        signed_as: the tag or name of the model, as the attestation says.
        problem: what is wrong, where it is not "good".
    """

    result: str
    key: str = ""
    key_path: str = ""
    signed_as: str = ""
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return attrs.asdict(self)


def has_vouchers() -> bool:
    """Tell whether an installed plugin can say what attestations prove; loads the plugins that are not adapters."""
    return bool(registry().broadcast().vouch.get_hookimpls())


def ask_vouchers(info: ModelInfo, path: Path, attestations: Sequence[bytes]) -> tuple[Voucher, ...]:
    """Return what attestations of a content prove, as the installed plugins tell, good ones first.

    Args:
        info: the model's record.
        path: the version's folder.
        attestations: all that are kept of the content.

    Raises:
        HookError: a plugin answers with something else.
    """
    answers = registry().broadcast().vouch(info=info, path=path, attestations=attestations)
    found = joined(answers, Voucher, "vouch", "What is not understood must not count as trust")
    return tuple(sorted(found, key=lambda voucher: voucher.result != "good"))


def proves(info: ModelInfo, path: Path, data: bytes) -> bool:
    """Tell whether an attestation is by somebody whom the settings trust now; most that anybody can make are not.

    Args:
        info: the model's record.
        path: the version's folder; need not exist.
        data: the attestation.

    Raises:
        ConfigError: the settings, or a key that they name, cannot be used.
        HookError: a plugin answers with something else.
    """
    return any(voucher.result in ("good", "good for files") for voucher in ask_vouchers(info, path, [data]))


def check_attestation(info: ModelInfo, data: bytes, where: str) -> bool:
    """Refuse an attestation that does not belong to a model's content.

    Args:
        info: the model's record.
        data: the attestation.
        where: where it is from, for errors.

    Returns:
        Whether a plugin has looked at it; where none knows it, only its size was checked.

    Raises:
        BadSignatureError: it is too large, malformed, or about other content.
    """
    limit = max_attestation_size(info)
    if len(data) > limit:
        raise BadSignatureError(
            f"{where} vouches for nothing: it has more than {limit} bytes",
            why="What vouches for a model lists its files, and needs no more",
            path=where,
        )
    fits = registry().broadcast().check_attestation(info=info, data=data, where=where)
    if fits is False:
        raise BadSignatureError(
            f"{where} does not vouch for model '{info.tag}'",
            why="It belongs to another model, or the model was changed after it was made",
            path=where,
        )
    return fits is not None
