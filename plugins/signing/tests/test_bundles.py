"""Bundles and statements: what is read, and what is refused before any key is asked."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tiffin import Model
from tiffin.exceptions import BadSignatureError
from tiffin.info import FileEntry, ModelInfo
from tiffin_signing import check_fits, max_size, read_bundle, signature_names
from tiffin_signing._bundle import write_bundle
from tiffin_signing._statement import make_statement, read_statement
from tiffin_signing._strict import read_base64

SAMPLES = Path(__file__).resolve().parent / "data"
SAMPLE = (SAMPLES / "p256.sig").read_bytes()


def bundle() -> Any:
    return json.loads(SAMPLE)


def statement() -> Any:
    return json.loads(base64.b64decode(bundle()["dsseEnvelope"]["payload"]))


def wrap(said: Any) -> bytes:
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    return write_bundle(text, b"signature", "")


def seal(said: Any) -> Any:
    digests = b"".join(bytes.fromhex(resource["digest"]) for resource in said["predicate"]["resources"])
    said["subject"][0]["digest"]["sha256"] = hashlib.sha256(digests).hexdigest()
    return said


def change(found: Any, path: str, value: Any) -> Any:
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    target = found
    for part in parents:
        target = target[part]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return found


def test_what_the_reference_implementation_wrote_is_read() -> None:
    """Its statement, with model.yaml among the files, and without a content digest of Tiffin's."""
    read = read_bundle(SAMPLE, "p256.sig")
    assert read.kind == "key"
    assert len(read.hint) == 64
    assert set(read.statement.files) == {"model.pkl", "model.yaml"}
    assert read.statement.subject == "gift"
    assert read.statement.content_digest == ""
    assert read.signed.startswith(b"DSSEv1 28 application/vnd.in-toto+json %d {" % len(read.payload))


@pytest.mark.parametrize("name", ["shards", "blake2"])
def test_what_cannot_be_compared_with_a_record_is_refused_with_its_reason(name: str) -> None:
    """Digests of parts of files, and by other functions."""
    with pytest.raises(BadSignatureError, match=r"only (whole files are|'sha256' is) known here"):
        read_bundle((SAMPLES / f"{name}.sig").read_bytes(), name)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.1"),
        ("mediaType", ...),
        ("verificationMaterial", ...),
        ("verificationMaterial", {}),
        ("verificationMaterial/certificate", {"rawBytes": ""}),
        ("verificationMaterial", {"certificate": {"rawBytes": "AA=="}}),
        ("verificationMaterial", {"certificate": {"rawBytes": "AA=="}, "tlogEntries": []}),
        ("verificationMaterial", {"x509CertificateChain": {"certificates": []}}),
        ("verificationMaterial/publicKey/hint", 7),
        ("verificationMaterial/publicKey/hint", "x" * 2000),
        ("verificationMaterial/publicKey/hint", "\x1b[2J"),
        ("dsseEnvelope", ...),
        ("dsseEnvelope", []),
        ("dsseEnvelope/payloadType", "application/json"),
        ("dsseEnvelope/payloadType", ...),
        ("dsseEnvelope/payload", "e30"),
        ("dsseEnvelope/payload", "e30=\n"),
        ("dsseEnvelope/payload", "e31="),
        ("dsseEnvelope/payload", "_-8="),
        ("dsseEnvelope/payload", ...),
        ("dsseEnvelope/signatures", []),
        ("dsseEnvelope/signatures", bundle()["dsseEnvelope"]["signatures"] * 2),
        ("dsseEnvelope/signatures/0", "sig"),
        ("dsseEnvelope/signatures/0/sig", ""),
        ("dsseEnvelope/signatures/0/sig", base64.b64encode(bytes(2000)).decode()),
    ],
)
def test_a_bundle_that_is_not_as_it_must_be_is_refused(path: str, value: Any) -> None:
    """Each part has one form; what is missing, comes twice, or is of another kind is told."""
    with pytest.raises(BadSignatureError, match="is not a signature of a model"):
        read_bundle(json.dumps(change(bundle(), path, value)).encode(), "x.sig")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("predicateType", "https://model_signing/Digests/v0.1"),
        ("subject", []),
        ("subject", statement()["subject"] * 2),
        ("subject/0/digest/sha256", "0" * 64),
        ("subject/0/digest", {}),
        ("subject/0/name", 3),
        ("subject/0/name", "x" * 2000),
        ("predicate/serialization", ...),
        ("predicate/serialization/method", "shards"),
        ("predicate/resources", {}),
        ("predicate/resources/0", []),
        ("predicate/resources/0/digest", "0" * 63),
        ("predicate/resources/0/digest", "G" * 64),
        ("predicate/resources/0/digest", "\u0660" * 64),
        ("predicate/resources/0/algorithm", "sha1"),
        ("predicate/resources/0/name", None),
        ("predicate/resources", statement()["predicate"]["resources"] * 2),
        ("predicate/resources", statement()["predicate"]["resources"][::-1]),
        ("predicate/resources", statement()["predicate"]["resources"][:1]),
        ("predicate/tiffin", {}),
        ("predicate/tiffin", []),
        ("predicate/tiffin", {"content_digest": "0" * 64}),
        ("predicate/tiffin", {"content_digest": "sha256:"}),
    ],
)
def test_a_statement_that_is_not_as_it_must_be_is_refused(path: str, value: Any) -> None:
    """Other kinds, other digests, files that come twice, and a digest of all that is not that of the files."""
    with pytest.raises(BadSignatureError, match="is not a signature of a model"):
        read_bundle(wrap(change(statement(), path, value)), "x.sig")


def test_an_error_shows_little_of_what_a_stranger_wrote() -> None:
    """No megabyte, and nothing that moves a cursor."""
    said = change(statement(), "_type", "\x1b[2J" + "x" * 100_000)
    with pytest.raises(BadSignatureError) as caught:
        read_bundle(wrap(said), "x.sig")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_files_that_are_listed_twice_are_refused_though_the_digest_of_all_is_right() -> None:
    """Of two entries for one file a reader could take either."""
    said = statement()
    said["predicate"]["resources"] *= 2
    with pytest.raises(BadSignatureError, match="twice"):
        read_bundle(wrap(seal(said)), "x.sig")


def test_files_in_another_order_are_read_if_the_digest_of_all_is_right() -> None:
    """The order is part of that digest, and says nothing else."""
    said = statement()
    said["predicate"]["resources"].reverse()
    assert read_bundle(wrap(seal(said)), "x.sig").statement.files == read_bundle(SAMPLE, "p").statement.files


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"\xff{}",
        b"\xef\xbb\xbf{}",
        SAMPLE[:-20],
        SAMPLE + SAMPLE,
        SAMPLE.replace(b'{"mediaType"', b'{"mediaType":"other","mediaType"', 1),
        SAMPLE.replace(b'"tlogEntries":[]', b'"tlogEntries":[NaN]'),
        SAMPLE.replace(b'"tlogEntries":[]', b'"tlogEntries":[%s]' % (b"9" * 6000)),
        SAMPLE.replace(b'"tlogEntries":[]', b'"tlogEntries":[1.%s]' % (b"9" * 6000)),
        SAMPLE.replace(b'"tlogEntries":[]', b'"tlogEntries":%s%s' % (b"[" * 40, b"]" * 40)),
        SAMPLE.replace(b'"tlogEntries":[]', b'"tlogEntries":%s%s' % (b"[" * 100_000, b"]" * 100_000)),
        SAMPLE.replace(b'"tlogEntries":[]', b'"tlogEntries":%s%s' % (b'{"a":' * 100_000, b"1" + b"}" * 100_000)),
    ],
    ids=range(14),
)
def test_json_that_two_readers_could_read_otherwise_or_that_is_endless_is_refused(text: bytes) -> None:
    """Keys that come twice, numbers that JSON does not know, and depth."""
    with pytest.raises(BadSignatureError, match="is not a signature of a model"):
        read_bundle(text, "x.sig")


def test_base64_has_one_form() -> None:
    """One content is not two texts, by bits that no byte has."""
    assert read_base64("fQ==", "sig", "x") == b"}"
    for text in ("fR==", "fQ", "fQ=", "fQ==\n", " fQ==", "fQ==fQ=="):
        with pytest.raises(BadSignatureError, match="base64"):
            read_base64(text, "sig", "x")


def test_a_payload_with_a_key_that_comes_twice_is_refused() -> None:
    """What is signed is read as strictly as what it lies in."""
    text = json.dumps(statement()).encode().replace(b'{"_type"', b'{"_type":"x","_type"', 1)
    with pytest.raises(BadSignatureError, match="comes twice"):
        read_bundle(wrap(text), "x.sig")


def test_a_bundle_has_a_size_that_fits_its_model(model: Model) -> None:
    """A model of two files needs no megabytes of signature."""
    data = wrap(make_statement(model.info))
    assert check_fits(model.info, data, "x").statement.content_digest == model.info.content_digest
    with pytest.raises(BadSignatureError, match="more than"):
        check_fits(model.info, data + b" " * max_size(model.info), "x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(found: Any, path: str = "") -> list[str]:
    """Return the paths of all that a JSON value holds."""
    keys = range(len(found)) if isinstance(found, list) else found if isinstance(found, dict) else ()
    return [place for key in keys for place in (f"{path}{key}", *places(found[key], f"{path}{key}/"))]


@given(st.data())
@settings(max_examples=200)
def test_whatever_stands_in_a_bundle_it_is_read_or_refused(data: Any) -> None:
    """Any part replaced by any JSON: there is no other error than that it is not a signature."""
    within = data.draw(st.booleans())
    found = bundle() if within else statement()
    change(found, data.draw(st.sampled_from(places(found))), data.draw(JSON))
    try:
        read = read_bundle(json.dumps(found).encode() if within else wrap(found), "x")
    except BadSignatureError:
        return
    assert all(len(digest) == 64 for digest in read.statement.files.values())


def info_of(files: dict[str, str]) -> ModelInfo:
    entries = {path: FileEntry(1, hashlib.sha256(text.encode()).hexdigest()) for path, text in files.items()}
    return ModelInfo(name="m", version="1", files=entries)


PARTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=8)
FILES = st.dictionaries(st.lists(PARTS, min_size=1, max_size=3).map("/".join), st.text(max_size=3), max_size=6)


@given(FILES)
@example({"model.sig": "a", "model.2.sig/b": "c", "MODEL.3.SIG": "d"})
@settings(max_examples=60)
def test_a_statement_says_what_the_record_says(files: dict[str, str]) -> None:
    """Whatever files are called: reading gives what was written, it fits, and it keeps within the size of a bundle."""
    info = info_of(files)
    text = make_statement(info)
    read = read_statement(text, "x")
    assert read.files == {path: entry.sha256 for path, entry in info.files.items()}
    assert read.content_digest == info.compute_digest()
    assert read.difference(info) == ""
    assert len(wrap(text)) <= max_size(info)
    assert make_statement(info) == text


@given(FILES, st.data())
@settings(max_examples=60)
def test_a_statement_fits_no_other_model(files: dict[str, str], data: Any) -> None:
    """A file more, a file less, another content or another option: each is told."""
    info = info_of(files)
    read = read_statement(make_statement(info), "x")
    other = dict(files)
    name = data.draw(st.sampled_from([*files, "another"]))
    if name in other and data.draw(st.booleans()):
        del other[name]
    else:
        other[name] = other.get(name, "") + "!"
    assert read.difference(info_of(other)) != ""
    options = ModelInfo(name="m", version="1", files=info.files, options={"a": 1})
    assert "other options" in read.difference(options)


@given(FILES)
@settings(max_examples=60)
def test_signatures_are_called_as_no_file_is(files: dict[str, str]) -> None:
    """A model's own files and folders come first, also where a file system does not tell cases apart."""
    names = signature_names(files)
    taken = {path.split("/")[0].casefold() for path in files}
    assert taken.isdisjoint(names)
    assert names == [] or names[0] == "model.sig" or "model.sig" in taken


def test_the_error_names_the_file_that_differs(model: Model, statement_of: Callable[[bytes], dict[str, Any]]) -> None:
    """Whoever reads it knows where to look."""
    said = json.loads(make_statement(model.info))
    said["predicate"]["resources"][0]["digest"] = "0" * 64
    with pytest.raises(BadSignatureError, match=r"was made of another file 'model\.pkl'"):
        check_fits(model.info, wrap(seal(said)), "x.sig")
    said["predicate"]["resources"][0]["name"] = "other.pkl"
    with pytest.raises(BadSignatureError, match=r"does not cover the file 'model\.pkl'"):
        check_fits(model.info, wrap(seal(said)), "x.sig")
