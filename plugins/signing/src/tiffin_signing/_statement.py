"""The statement that is signed: which files a model has, and the digest of its content.

An in-toto statement (https://in-toto.io/Statement/v1) with the predicate of OpenSSF model signing 1.0. That predicate lists
files; its verifiers pass over fields that they do not know, so Tiffin's content digest, which covers framework, options and
signatures too, stands in a field of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from tiffin.info import RECORD_NAME, attestation_names
from tiffin_signing._strict import field, malformed, only, read_json, shown

if TYPE_CHECKING:
    from tiffin.info import ModelInfo

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_OWN = "tiffin"
_MAX_NAME = 1024
_SHA256 = re.compile("[0-9a-f]{64}")


@attrs.frozen
class Statement:
    """What a signature says, read but not verified.

    Attributes:
        subject: what the signer called the model; says nothing certain.
        files: path → sha256, 64 hexadecimal digits.
        content_digest: the digest of the whole content, as `ModelInfo.compute_digest` makes it; empty where another tool
            made the statement.
    """

    subject: str
    files: Mapping[str, str]
    content_digest: str

    def difference(self, info: ModelInfo) -> str:
        """Return why the statement is not about a model's content; empty where it is.

        A digest of model.yaml is left out here: see `is_of_record`.
        """
        files = {path: entry.sha256 for path, entry in info.files.items()}
        listed = {path: sha256 for path, sha256 in self.files.items() if path != RECORD_NAME}
        for path in sorted(files.keys() | listed.keys()):
            if path not in listed:
                return f"it does not cover the file {shown(path)}"
            if path not in files:
                return f"it covers a file {shown(path)}, which the model does not have"
            if files[path] != listed[path]:
                return f"it was made of another file {shown(path)}"
        if self.content_digest and self.content_digest != info.compute_digest():
            return "it was made of the same files with another framework, other options or other signatures"
        return ""

    def is_of_record(self, record: bytes) -> bool:
        """Tell whether the statement lists these bytes as model.yaml: who has signed them has signed what they say."""
        return self.files.get(RECORD_NAME) == hashlib.sha256(record).hexdigest()


def make_statement(info: ModelInfo) -> bytes:
    """Return the statement on a model, from the digests in its record; two calls return the same bytes."""
    # By parts of the path, as the other implementation sorts; a reader takes any order.
    paths = sorted(info.files, key=lambda path: path.split("/"))
    digests = b"".join(bytes.fromhex(info.files[path].sha256) for path in paths)
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": str(info.tag), "digest": {"sha256": hashlib.sha256(digests).hexdigest()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                # Beside the files in an exported folder: the record, whose labels may change, and signatures.
                "ignore_paths": [RECORD_NAME, *attestation_names(info.files)],
            },
            "resources": [{"name": path, "algorithm": "sha256", "digest": info.files[path].sha256} for path in paths],
            _OWN: {"content_digest": info.compute_digest()},
        },
    }
    return json.dumps(statement, separators=(",", ":")).encode()


def read_statement(payload: bytes, path: str) -> Statement:
    """Return what a statement says.

    Args:
        payload: the statement.
        path: where it is from, for errors.

    Raises:
        BadSignatureError: it is not a statement of OpenSSF model signing 1.0 about whole files.
    """
    found = read_json(payload, path)
    kinds = field(found, "_type", str, path), field(found, "predicateType", str, path)
    if kinds != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise malformed(f"it is a {shown(kinds[0])} with the predicate {shown(kinds[1])}", path)
    subject = only(field(found, "subject", list, path), "subject", path)
    predicate = field(found, "predicate", dict, path)
    serialization = field(predicate, "serialization", dict, path)
    method, algorithm = field(serialization, "method", str, path), serialization.get("hash_type", "sha256")
    if method != "files":
        raise malformed(f"it is about {shown(method)}; only whole files are known here", path)
    if algorithm != "sha256":
        raise malformed(f"it has digests by {shown(algorithm)}; only 'sha256' is known here", path)
    files: dict[str, str] = {}
    together = hashlib.sha256()
    for resource in field(predicate, "resources", list, path):
        if not isinstance(resource, dict):
            raise malformed("its field 'resources' is not as it must be", path)
        name = field(resource, "name", str, path)
        if resource.get("algorithm") != "sha256":
            raise malformed(f"it has a digest by {shown(resource.get('algorithm'))}; only 'sha256' is known here", path)
        if name in files:
            raise malformed(f"it lists the file {shown(name)} twice", path)
        digest = files[name] = _digest(resource, "digest", path)
        together.update(bytes.fromhex(digest))
    if _digest(field(subject, "digest", dict, path), "sha256", path) != together.hexdigest():
        raise malformed("its digest of all files is not that of the files it lists", path)
    name = field(subject, "name", str, path)
    if len(name) > _MAX_NAME:
        raise malformed(f"its subject's name has {len(name)} characters", path)
    return Statement(name, files, _content_digest(predicate, path))


def _digest(found: Mapping[str, Any], name: str, path: str) -> str:
    digest = field(found, name, str, path)
    if not _SHA256.fullmatch(digest):
        raise malformed(f"its field {name!r} is not a sha256 digest", path)
    return digest


def _content_digest(predicate: Mapping[str, Any], path: str) -> str:
    if _OWN not in predicate:
        return ""
    digest = field(field(predicate, _OWN, dict, path), "content_digest", str, path)
    if not _SHA256.fullmatch(digest.removeprefix("sha256:")) or not digest.startswith("sha256:"):
        raise malformed("its field 'content_digest' is not a digest", path)
    return digest
