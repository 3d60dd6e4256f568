"""Attestations: who vouches for a content, kept per content digest, outside the versions.

Each is a file of its own, called by the sha256 of its bytes, and never changed. That one is here proves nothing: who made it
is told each time it is asked, with the keys that are trusted then.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tiffin.exceptions import BadSignatureError, PluginWarning, StoreWarning, TooManySignaturesError
from tiffin.files import sync_file
from tiffin.hints import install_hint
from tiffin.info import MAX_ATTESTATION, MAX_ATTESTATIONS
from tiffin.store._layout import Layout, step

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin.store._store import ModelStore

_READ = 4 * MAX_ATTESTATIONS
"""Attestations of a content that are read: several programs that add some at once can pass the number that is kept."""
_TOLD = 3
_CONTENT = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[0-9a-f]{64}\.json")


class Attestations:
    """Who vouches for the contents of a store.

    Args:
        layout: where the store has what.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def folder_of(self, content_digest: str) -> str:
        """Return the folder of a content's attestations; need not exist."""
        return f"{self._layout.signatures}/{content_digest.removeprefix('sha256:')}"

    def read_all(self, content_digest: str) -> list[bytes]:
        """Return the attestations of a content that are as they were written, always in the same order."""
        return list(self._kept(content_digest).values())

    def damaged(self, content_digest: str) -> list[str]:
        """Return the paths of what is no attestation, or not as it was written, in the folder of a content's attestations."""
        folder = self.folder_of(content_digest)
        with contextlib.suppress(FileNotFoundError):
            return [
                f"{folder}/{name}"
                for name in sorted(os.listdir(folder))
                if not name.startswith(".") and (not _NAME.fullmatch(name) or _read(f"{folder}/{name}") is None)
            ]
        return []

    def foreign(self) -> list[str]:
        """Return the paths of what belongs to no content, where attestations are kept."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._layout.signatures) as entries:
            return sorted(
                entry.path
                for entry in entries
                if not entry.name.startswith(".")
                and not (_CONTENT.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False))
            )
        return []

    def add(
        self, staging: str, content_digest: str, data: bytes, gives_way: Callable[[Sequence[bytes]], bytes | None]
    ) -> bool:
        """Keep an attestation.

        Args:
            staging: a staging folder, for the unfinished file.
            content_digest: of what it is.
            data: the attestation.
            gives_way: called with those that are kept where there are as many as may be; returns the one that goes, if any.

        Returns:
            Whether it is new here.

        Raises:
            TooManySignaturesError: the content has as many attestations as are kept, and none gives way.
        """
        name = f"{hashlib.sha256(data).hexdigest()}.json"
        folder = self.folder_of(content_digest)
        path = f"{folder}/{name}"
        if _read(path) is not None:
            return False
        kept = self._kept(content_digest)
        gone = None
        if len(kept) >= MAX_ATTESTATIONS:
            gone = gives_way(list(kept.values()))
            if gone is None:
                raise TooManySignaturesError(
                    f"The content {content_digest} has {len(kept)} signatures already",
                    why="No more are kept of one content, unless they are by a key that is trusted for the model",
                    fix=f"Delete those that nobody needs, in {folder}",
                    path=folder,
                )
        temporary = staging + ".signature"
        self._layout.modes().write(temporary, data)
        step("sign", "written")
        self._layout.make_folder(folder)
        os.replace(temporary, path)
        step("sign", "renamed")
        if gone is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/{hashlib.sha256(gone).hexdigest()}.json")
        for parent in (folder, self._layout.signatures, self._layout.root):
            sync_file(parent)
        step("sign", "synced")
        return True

    def _kept(self, content_digest: str) -> dict[str, bytes]:
        """Return name → content of those that are as they were written."""
        found: dict[str, bytes] = {}
        for name in self._names(content_digest):
            if len(found) < _READ and (data := _read(f"{self.folder_of(content_digest)}/{name}")) is not None:
                found[name] = data
        return found

    def _names(self, content_digest: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.folder_of(content_digest)) if _NAME.fullmatch(name))
        except (FileNotFoundError, NotADirectoryError):
            return []


def add_checked(store: ModelStore, info: ModelInfo, data: bytes, where: str, *, own: bool) -> bool:
    """Keep an attestation of a model's content that is about it; see `ModelStore.add_attestation`."""
    from tiffin.plugins import check_attestation, proves

    checked = check_attestation(info, data, where)
    version = Path(store.layout.version(info.name, info.version))

    def gives_way(kept: Sequence[bytes]) -> bytes | None:
        if not (own or proves(info, version, data)):
            return None
        return next((other for other in kept if not proves(info, version, other)), None)

    with store.changing() as folder:
        new = Attestations(store.layout).add(folder, info.compute_digest(), data, gives_way)
    if not checked:
        warnings.warn(
            f"{where} was kept unchecked: no installed plugin can tell whether it vouches for model '{info.tag}'. "
            + install_hint("signing", "plugins"),
            PluginWarning,
            stacklevel=5,
        )
    return new


def take_all(store: ModelStore, info: ModelInfo, found: Iterable[tuple[str, bytes]]) -> None:
    """Keep what somebody else has of a content's attestations; see `ModelStore.take_attestations`.

    Whoever may write there could else keep everybody from having the model. What is left out proves nothing here.
    """
    left_out: list[str] = []
    full = 0
    for where, data in found:
        try:
            store.add_attestation(info, data, path=where)
        except BadSignatureError as error:
            left_out.append(f"{error.what}. It was left out")
        except TooManySignaturesError:
            full += 1
    told = left_out[:_TOLD]
    if len(left_out) > _TOLD:
        told[-1] += f", and so were {len(left_out) - _TOLD} more"
    if full:
        told.append(
            f"Of the signatures of '{info.tag}' {full} were left out, since a store keeps {MAX_ATTESTATIONS} of one content. "
            "Those by a key that is trusted come first: name it in config.toml, under [[trust.keys]], and fetch the model "
            "again"
        )
    for text in told:
        warnings.warn(text, StoreWarning, stacklevel=5)


def _read(path: str) -> bytes | None:
    """Return an attestation, `None` where there is none, or not the one that was written there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            data = file.read(MAX_ATTESTATION + 1)
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == os.path.basename(path).removesuffix(".json") else None
