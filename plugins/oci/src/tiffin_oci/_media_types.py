"""Media types and annotation keys: OCI's, ModelPack's (CNCF model specification 1), and Tiffin's own."""

from __future__ import annotations

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"
IMAGE_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")

MODEL = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
WEIGHT_CONFIG = "application/vnd.cncf.model.weight.config.v1.raw"
DOC = "application/vnd.cncf.model.doc.v1.raw"
CODE = "application/vnd.cncf.model.code.v1.raw"

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLES = "application/vnd.dev.sigstore.bundle"
"""How the media types of all versions of Sigstore bundles begin."""

EXAMPLES = "application/vnd.tiffin.examples.v1"

FILEPATH = "org.cncf.model.filepath"
FILE_METADATA = "org.cncf.model.file.metadata+json"
TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"
IMAGE_VERSION = "org.opencontainers.image.version"
UNPACK = "io.deis.oras.content.unpack"
"""oras marks folders with it, which it packs; a file it sends as it is, though its media type may say tar."""

RECORD = "tiffin.record"
"""On a manifest: the digest of the layer that is model.yaml. Only Tiffin's own artifacts have it."""
NAME = "tiffin.name"
VERSION = "tiffin.version"
FRAMEWORK = "tiffin.framework"
CONTENT_DIGEST = "tiffin.content-digest"
LABEL = "tiffin.label."
"""Before a label's key."""

_DOC_NAMES = ("readme", "license", "licence", "notice", "copying", "changelog", "model_card", "modelcard")
_ENDINGS = {
    DOC: (".md", ".rst", ".pdf", ".html", ".adoc"),
    CODE: (".py", ".pyi", ".ipynb", ".sh", ".js", ".ts", ".r", ".jl", ".java", ".go", ".rs", ".c", ".cc", ".cpp", ".h"),
    WEIGHT_CONFIG: (
        ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".config", ".txt", ".csv", ".tsv", ".xml",
        ".properties", ".proto", ".jinja", ".jinja2", ".tiktoken", ".vocab", ".merges",
    ),
}  # fmt: skip


def layer_type(path: str) -> str:
    """Return the media type of the raw layer of a file: documents, code and settings by their names, all else weights."""
    name = path.rpartition("/")[2].lower()
    if name.split(".")[0] in _DOC_NAMES:
        return DOC
    for media_type, endings in _ENDINGS.items():
        if name.endswith(endings):
            return media_type
    return WEIGHT


def packing(media_type: str) -> str | None:
    """Return how a layer is packed: "tar", "tar.gz" or "tar.zst"; empty for a plain file; `None` if it cannot be read."""
    text = media_type.lower().partition(";")[0].strip()
    for endings, kind in (
        ((".tar", "+tar", ".tar+none"), "tar"),
        (("tar+gzip", "tar.gzip", "tar+gz", "tar.gz"), "tar.gz"),
        (("tar+zstd", "tar.zstd", "tar+zst", "tar.zst"), "tar.zst"),
    ):
        if text.endswith(endings):
            return kind
    if "tar+" in text or text.endswith(("+encrypted", "+gzip", "+zstd")):
        return None
    return ""
