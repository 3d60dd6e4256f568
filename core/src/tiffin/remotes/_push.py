"""Push: a stored version becomes a version on a remote; what is there already does not travel."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from tiffin.exceptions import RecordError, StoreError
from tiffin.files import unreadable
from tiffin.info import RECORD_NAME, ModelInfo, read_foreign_record, render_record
from tiffin.model import Model, accepted_info
from tiffin.places import Digest, Progress, Silent
from tiffin.remotes._folder import exists_error
from tiffin.remotes._interface import Content, Remote, RemoteVersion
from tiffin.remotes._parallel import each
from tiffin.remotes._streams import Sending, Stop, stopping
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.store import ModelStore


@attrs.frozen(kw_only=True)
class Pushed:
    """What a push did.

    Attributes:
        tag: the version.
        url: the remote's URL, without secrets.
        sent: bytes of files that travelled.
        total: bytes of all files of the version, each content counted once.
        published: whether the version is new there, or was replaced; `False` if it was there already.
        aliases: aliases that were set there.
        updated: whether the version was there with other labels or metadata, which are those of this store now.
    """

    tag: Tag
    url: str
    sent: int
    total: int
    published: bool
    aliases: tuple[str, ...] = ()
    updated: bool = False


def push(
    store: ModelStore,
    tag: str | Tag | Model,
    remote: Remote,
    *,
    aliases: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Pushed:
    """Send one version to a remote. Where it is there already, its labels and metadata there become those of this store.

    Args:
        store: the store.
        tag: which version.
        remote: where to.
        aliases: whether the aliases of the version are set there, too.
        force: whether another model of the same version is replaced there.
        progress: told how far it is.

    Returns:
        What was done.

    Raises:
        ModelNotFoundError: there is no such version.
        RecordError: its record was edited by hand and is not accepted.
        StoreError: a file of it is not what was saved.
        ModelExistsError: another model has the version there, and `force` is false.
        TransferError: the remote refuses, or cannot be reached.
    """
    model = tag if isinstance(tag, Model) else store.get(tag)
    info = accepted_info(model, "Whoever pulls it would refuse it")
    chosen = [alias for alias, version in store.aliases(model.name).items() if version == model.version]
    there = remote.find(model.name, model.version)
    known = None if there is None else _record_of(there, remote.url)
    same = known is not None and known.content_digest == info.content_digest and known.tag == info.tag
    if there is not None and not same and not force:
        raise exists_error(remote.url, model.name, model.version)
    updated = same and known != info
    contents = {
        entry.sha256: Content(sha256=entry.sha256, size=entry.size, path=path) for path, entry in info.files.items()
    }
    files = [Content(sha256=e.sha256, size=e.size, path=path) for path, e in sorted(info.files.items())]
    record = render_record(info)
    published = not same or force
    # What refers to the record there, as signatures do in a registry, has to refer to the new one.
    attestations = list(remote.attestations(there)) if there is not None and updated else []
    if published or updated:
        remote.prepare(model.name, model.version, record, files, force=force or updated)
    stop = Stop(progress or Silent())
    # Where it is there already, what somebody deleted of it is sent again.
    _send(model, remote, contents, stop, progress or Silent())
    if published or updated:
        remote.publish(model.name, model.version, record, files, force=force or updated)
    attestations += [data for data in store.attestations(info.content_digest) if data not in attestations]
    examples = store.examples(info.content_digest) if hasattr(remote, "set_examples") else None
    if examples is None and there is not None and updated and hasattr(remote, "examples"):
        examples = remote.examples(there)
    now = remote.find(model.name, model.version) if attestations or examples is not None else None
    if now is not None:  # else somebody deleted it in this moment
        for data in attestations:
            remote.add_attestation(now, data)
        if examples is not None and remote.examples(now) != examples:
            remote.set_examples(now, examples)
    for alias in chosen if aliases else ():
        remote.set_alias(model.name, alias, model.version)
    return Pushed(
        tag=model.tag,
        url=remote.url,
        sent=stop.moved,
        total=sum(content.size for content in contents.values()),
        published=published,
        aliases=tuple(chosen) if aliases else (),
        updated=updated and not published,
    )


def _record_of(there: RemoteVersion, url: str) -> ModelInfo | None:
    if there.record is None:
        return None
    try:
        return read_foreign_record(there.record, f"{RECORD_NAME} of {there.name}:{there.version} on {url}")
    except RecordError:
        return None  # damaged: then it is another model, which `force` replaces


def _send(model: Model, remote: Remote, contents: dict[str, Content], stop: Stop, progress: Progress) -> None:
    with stopping(stop):
        found = each(
            lambda content: remote.has(model.name, content.sha256, content.size),
            contents.values(),
            remote.threads,
            stop,
        )
        # The largest first: the last one to end should not be one that began last.
        missing = sorted(
            (content for content, there in zip(contents.values(), found, strict=True) if not there),
            key=lambda content: -content.size,
        )
        progress.start(f"Pushing {model.tag}", sum(content.size for content in missing))
        each(
            lambda content: remote.send(model.name, content.sha256, content.size, _Opener(model, content, stop)),
            missing,
            remote.threads,
            stop,
        )


class _Opener:
    """Opens a file of a model to be sent, as often as it takes."""

    def __init__(self, model: Model, content: Content, stop: Stop) -> None:
        self._model = model
        self._content = content
        self._stop = stop

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Any]:
        content, changed = self._content, functools.partial(_changed, self._model, self._content.path)
        sent = 0

        def advance(count: int) -> None:
            nonlocal sent
            self._stop.advance(count)
            sent += count

        try:
            source = (self._model.path / content.path).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise changed() from error
        except PermissionError as error:
            raise unreadable(f"The model '{self._model.tag}'", error, str(self._model.path)) from error
        with source, Digest(content.size) as digest:
            if os.fstat(source.fileno()).st_size != content.size:
                raise changed()
            if not content.size and digest.hexdigest() != content.sha256:
                raise changed()
            try:
                yield Sending(source, digest, content.size, content.sha256, advance, changed)
            except BaseException:
                self._stop.take_back(sent)
                raise


def _changed(model: Model, path: str) -> StoreError:
    return StoreError(
        f"The file {path!r} of model '{model.tag}' is not what was saved",
        why="Whoever pulled it would refuse it",
        fix=f"Try: tiffin models verify {model.tag}",
        path=str(model.path / path),
    )
