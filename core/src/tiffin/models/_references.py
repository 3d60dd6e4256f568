"""References: a version as other processes and machines find it, by its tag and exactly its content."""

from __future__ import annotations

from dataclasses import dataclass

from tiffin.exceptions import ModelNotFoundError
from tiffin.model import Model
from tiffin.models._default import default_store
from tiffin.models._moving import list_remote, pull
from tiffin.store import ModelStore
from tiffin.tags import Tag


@dataclass(frozen=True)
class ModelReference:
    """One version, by tag and content: what travels in place of its weights. Made by `tiffin.models.reference`.

    Attributes:
        tag: name and version.
        content_digest: the digest of the content that is meant; another content under the tag is refused.
        remote: where to pull it from where it is missing: a remote's name, or a URL; `None` for nowhere.
        trusted: whether code in its files may run where this was made, and so where it is used.
        store: the folder of the store that it was made from.
    """

    tag: str
    content_digest: str
    remote: str | None = None
    trusted: bool = False
    store: str = ""

    def ensure_local(self) -> Model:
        """Return the version from the default store, from the store that it was made from if that is there, or pulled.

        Only the content that is meant counts, and exactly this is trusted if it was trusted where this was made. Whoever
        made this vouches for it: nothing of that is read from the remote. What is there of another content stays.

        Raises:
            ModelNotFoundError: no store here has it, and the remote has not either, or another content under its tag.
            TransferError: the remote refuses, or cannot be reached.
        """
        store = default_store()
        found = self._in(store)
        if found is None and self.store:
            other = ModelStore(self.store)
            found = self._in(other)
            store = store if found is None else other
        if found is None:
            found = self._pulled(store)
        if self.trusted:
            return store.trust(found.tag, content_digest=self.content_digest)
        return found

    def _in(self, store: ModelStore) -> Model | None:
        try:
            found = store.get(self.tag)
        except ModelNotFoundError:
            return None
        return found if found.info.content_digest == self.content_digest else None

    def _pulled(self, store: ModelStore) -> Model:
        if self.remote is None:
            raise ModelNotFoundError(
                f"Model '{self.tag}' is not in the store of this process, or has another content there",
                why=f"The content {self.content_digest} is asked for, and nothing says where to pull it from",
                fix="Share one store, or name a remote: remote='…'",
                tag=self.tag,
            )
        # Asked first, so that another content is not taken.
        if not any(info.content_digest == self.content_digest for info in list_remote(self.remote, self.tag)):
            raise self._another()
        found = pull(self.tag, self.remote, store=store)
        if found.info.content_digest != self.content_digest:
            raise self._another()
        return found

    def _another(self) -> ModelNotFoundError:
        return ModelNotFoundError(
            f"Model '{self.tag}' on the remote is not what it was when it was referred to",
            why=f"The content {self.content_digest} is asked for, and nothing else is taken",
            fix="Refer to the version that is meant, anew",
            tag=self.tag,
        )


def reference(tag: str | Tag | Model, *, remote: str | None = None, store: ModelStore | None = None) -> ModelReference:
    """Return a reference to a version: small, and good in any process and on any machine.

    Args:
        tag: which version, or the handle on it.
        remote: where it can be pulled from: a remote's name, or a URL.
        store: another store than the default one; for a tag.

    Raises:
        ModelNotFoundError: there is no such version.
    """
    if isinstance(tag, Model):
        model, place = tag, ModelStore(tag.path.parents[2])
    else:
        place = store or default_store()
        model = place.get(tag)
    return ModelReference(
        tag=str(model.tag),
        content_digest=model.info.content_digest,
        remote=remote,
        trusted=place.inspect(model.tag).verdict in ("made here", "trusted", "signed"),
        store=str(place.path),
    )
