"""A container registry as a remote of Tiffin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from tiffin.exceptions import InvalidTagError, ModelExistsError, ModelNotFoundError, TransferError
from tiffin.info import MAX_ATTESTATION, max_attestation_size, read_foreign_record
from tiffin.remotes import Content, Opener, RemoteVersion, Source
from tiffin.tags import LATEST, is_part
from tiffin_oci import _examples, _mounting, _referrers
from tiffin_oci import _media_types as types
from tiffin_oci._blobs import Download, Upload, exists
from tiffin_oci._client import Client
from tiffin_oci._credentials import Credentials, find_credentials
from tiffin_oci._listing import Tags, list_names, list_tags
from tiffin_oci._manifest import Artifact, Blob, make_artifact
from tiffin_oci._manifests import get_manifest, is_index, put_blob, put_manifest, read_blob
from tiffin_oci._options import Options, read_options
from tiffin_oci._reading import Manifest, choose, contents_of, description, descriptor, read_json, record_layer
from tiffin_oci._reference import Place, is_tag, parse
from tiffin_oci._referrers import Subject

MAX_RECORD = 16 << 20
"""Bytes of model.yaml that are read; a manifest cannot list as many files."""
MAX_CONFIG = 1 << 20


def connect(url: str, options: Mapping[str, Any], **parts: Any) -> OciRemote:
    """Return the remote of a URL; nothing is sent yet.

    Args:
        url: `oci://host[:port]/namespace[/name]`.
        options: see `Options`.
        parts: other parts for the client: `sleep`, `clock`.

    Raises:
        TransferError: it is no such URL.
        ConfigError: an option is not valid.
    """
    plain = options.get("plain_http")
    place = parse(url, plain_http=plain if isinstance(plain, bool) else None)
    return OciRemote(place, read_options(options, place.url), **parts)


class OciRemote:
    """Models in a registry: a repository for each name, a tag for each version and alias.

    Args:
        place: the registry and namespace.
        options: how to speak to it.
        parts: other parts for the client.
    """

    def __init__(self, place: Place, options: Options, **parts: Any) -> None:
        self._place = place
        self._options = options
        scheme = "http" if place.plain_http else "https"
        self._client = Client(
            f"{scheme}://{place.server}",
            place.url,
            self._credentials,
            timeout=options.timeout,
            retries=options.retries,
            ca_file=options.ca_file,
            **parts,
        )
        told = [name.strip() for name in options.mount_from.split(",") if name.strip()]
        self._sources = _mounting.Sources(self._client, told)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    @property
    def url(self) -> str:
        """The URL without secrets."""
        return self._place.url

    @property
    def threads(self) -> int:
        """How many blobs travel at once."""
        return self._options.threads

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _credentials(self) -> Credentials:
        options, place = self._options, self._place
        if options.user or options.identity_token:
            return Credentials(options.user, options.password, options.identity_token)
        if place.user:
            return Credentials(place.user, place.password)
        return find_credentials(place.host, place.path)

    # -- what is there -------------------------------------------------------------------------------------------------

    def names(self) -> Iterable[str]:
        """Return the names of the models below the namespace, if the registry has a catalog."""
        found = list_names(self._client, self._place)
        self._sources.note(self._place.repository(name) for name in found)
        return found

    def versions(self, name: str) -> Iterable[str]:
        """Return the versions of a name: Tiffin's own, and the tags of what others pushed."""
        return self._tags(name).versions

    def aliases(self, name: str) -> Mapping[str, str]:
        """Return alias → version of a name: the other tags of Tiffin's own versions."""
        return self._tags(name).aliases

    def _tags(self, name: str) -> Tags:
        return list_tags(self._client, self._repository(name), self.threads)

    def find(self, name: str, version: str) -> RemoteVersion | None:
        """Return the version that a tag means."""
        if not is_tag(version):
            return None
        repository = self._repository(name)
        manifest = get_manifest(self._client, repository, version)
        if manifest is None:
            return None
        if is_index(manifest):
            manifest = get_manifest(self._client, repository, choose(manifest))
            if manifest is None or is_index(manifest):
                raise TransferError(f"{repository}:{version} on {self.url} lists what is not there", url=self.url)
        key = Subject(repository, manifest.digest, manifest.size, manifest.media_type)
        own = manifest.version
        if own is None:
            return self._foreign(name, version, manifest, key)
        layer = record_layer(manifest)
        record = read_blob(
            self._client, repository, layer.sha256, layer.size, MAX_RECORD, f"The record of {name}:{version}"
        )
        return RemoteVersion(name=name, version=own, record=record, key=key)

    def _foreign(self, name: str, version: str, manifest: Manifest, key: Subject) -> RemoteVersion:
        contents = contents_of(manifest)
        config = manifest.data.get("config")
        found: Mapping[str, Any] = {}
        if isinstance(config, Mapping) and config.get("mediaType") == types.MODEL_CONFIG:
            described = descriptor(config, f"The config of {manifest.where}", self.url)
            what = f"The config of {name}:{version}"
            data = read_blob(self._client, key.repository, described.sha256, described.size, MAX_CONFIG, what)
            found = read_json(data, f"{what} on {self.url}", self.url)
        labels, metadata = description(manifest, found)
        return RemoteVersion(
            name=name, version=version, record=None, contents=contents, labels=labels, metadata=metadata, key=key
        )

    # -- sending -------------------------------------------------------------------------------------------------------

    def prepare(self, name: str, version: str, record: bytes, contents: Sequence[Content], *, force: bool) -> None:
        """Refuse what no registry can hold, or what this one has differently, before anything is sent."""
        artifact = make_artifact(name, version, record, contents, self.url)
        if not force:
            self._check_free(name, version, artifact)

    def has(self, name: str, sha256: str, size: int) -> bool:
        """Tell whether the repository has a blob; one that another repository is known to have is linked."""
        repository = self._repository(name)
        digest = f"sha256:{sha256}"
        there = exists(self._client, repository, digest, push=True)
        return there or self._sources.mount(repository, digest, size)

    def send(self, name: str, sha256: str, size: int, source: Opener) -> None:
        """Send a blob."""
        Upload(self._client, self._repository(name), f"sha256:{sha256}", size, self._options.chunk_size).run(source)

    def publish(self, name: str, version: str, record: bytes, contents: Sequence[Content], *, force: bool) -> None:
        """Put the manifest, and look whether it is what the tag means then.

        A registry cannot compare and write in one step: of two who publish the same version within a few milliseconds the
        second one wins, and the first one is told, unless it had looked before.
        """
        artifact = make_artifact(name, version, record, contents, self.url)
        repository = self._repository(name)
        before = self._check_free(name, version, artifact, force=force)
        for blob in artifact.blobs:
            put_blob(self._client, repository, blob)
        followers = []
        if before is not None and before.digest != artifact.manifest.digest:
            tags = list_tags(self._client, repository, self.threads, push=True)
            followers = [alias for alias, target in tags.aliases.items() if target == version]
        put_manifest(self._client, repository, version, artifact.manifest)
        for alias in followers:  # an alias means a version, not one content of it
            put_manifest(self._client, repository, alias, artifact.manifest)
        after = get_manifest(self._client, repository, version, push=True)
        if after is None or after.digest != artifact.manifest.digest:
            raise ModelExistsError(
                f"'{name}:{version}' on {self.url} was published by somebody else at the same moment",
                why="Theirs is what the version means now",
                fix="Save it under another version and push that, or pass force=True (--force)",
                tag=f"{name}:{version}",
            )

    def _check_free(self, name: str, version: str, artifact: Artifact, *, force: bool = False) -> Manifest | None:
        """Return what the tag means now; refuse another record there unless it is to be replaced."""
        there = get_manifest(self._client, self._repository(name), version, push=True)
        if there is None or force or there.annotations.get(types.RECORD) == artifact.blobs[1].digest:
            return there
        alias = f", an alias of {there.version}" if there.version not in (None, version) else ""
        raise ModelExistsError(
            f"'{name}:{version}' on {self.url} is another model{alias}",
            why="A version, once published, stays what it is, so that a tag means one model",
            fix="Save it under another version and push that, or pass force=True (--force)",
            tag=f"{name}:{version}",
        )

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let a tag mean the manifest of a version."""
        repository = self._repository(name)
        if alias == LATEST or not is_part(alias):
            raise InvalidTagError(f"{alias!r} cannot be an alias of '{name}'", value=alias)
        manifest = get_manifest(self._client, repository, version, push=True)
        if manifest is None:
            raise ModelNotFoundError(f"Model '{name}:{version}' was not found on {self.url}", tag=f"{name}:{version}")
        there = get_manifest(self._client, repository, alias, push=True)
        if there is not None and there.version in (None, alias):
            raise InvalidTagError(
                f"{alias!r} cannot be an alias of '{name}' on {self.url}", why="It is a version there", value=alias
            )
        if there is None or there.digest != manifest.digest:
            put_manifest(self._client, repository, alias, Blob(manifest.media_type, manifest.text))

    # -- fetching ------------------------------------------------------------------------------------------------------

    def open(self, version: RemoteVersion, content: Content, offset: int) -> AbstractContextManager[Source]:
        """Open a blob for reading, from an offset on."""
        repository = self._key(version).repository
        return Download(self._client, repository, f"sha256:{content.sha256}", content.size, offset)

    # -- signatures ----------------------------------------------------------------------------------------------------

    def attestations(self, version: RemoteVersion) -> Sequence[bytes]:
        """Return the Sigstore bundles that refer to a version's manifest."""
        most = MAX_ATTESTATION
        if version.record is not None:
            where = f"model.yaml of {version.name}:{version.version} on {self.url}"
            most = max_attestation_size(read_foreign_record(version.record, where))
        return _referrers.read_bundles(self._client, self._key(version), most)

    def add_attestation(self, version: RemoteVersion, data: bytes) -> None:
        """Let a Sigstore bundle refer to a version's manifest."""
        _referrers.add_bundle(self._client, self._key(version), data)

    # -- examples ------------------------------------------------------------------------------------------------------

    def examples(self, version: RemoteVersion) -> bytes | None:
        """Return the file of examples beside a version's manifest, `None` where there is none."""
        return _examples.read_examples(self._client, self._key(version))

    def set_examples(self, version: RemoteVersion, data: bytes) -> None:
        """Let a file of examples refer to a version's manifest."""
        _examples.put_examples(self._client, self._key(version), data)

    def _repository(self, name: str) -> str:
        repository = self._place.repository(name)
        self._sources.note([repository])
        return repository

    def _key(self, version: RemoteVersion) -> Subject:
        key: Subject = version.key
        return key
