"""The report on a model: its files, what they would import, and whether it may be loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from tiffin.config import trust_policy
from tiffin.origin import Origin, is_local, is_trusted
from tiffin.trust._content import TrustSource, changed_file, origin_of
from tiffin.trust._parts import Part, code_files, files_of, main_part, object_part
from tiffin.trust._reading import inspect, judge_inspection, lists
from tiffin.trust._vouching import ATTESTATION_POLICIES, Vouched, vouched

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin.inspection import Inspection
    from tiffin.plugins import CodeReader, Voucher


@attrs.frozen
class FileReport:
    """What is known of one file of a stored model.

    Attributes:
        path: below the version's folder.
        size: bytes.
        framework: the adapter that reads it; empty where none does.
        runs_code: whether loading can run code that it holds.
        format: what it is, where it was looked into.
        names: all that it would import.
        not_allowed: those of them that no list allows.
        problems: why it cannot be told, or must not be believed, that it runs no other code.
    """

    path: str
    size: int
    framework: str
    runs_code: bool
    format: str = ""
    names: tuple[str, ...] = ()
    not_allowed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@attrs.frozen
class TrustReport:
    """What is known of a stored model before it is loaded.

    Attributes:
        tag: the full tag.
        framework: the adapter that loads it.
        origin: the origin record: `how` and `time`, and `trusted`; `None` where it is not known how the store got it.
        doubt: why the origin record cannot be read; empty where it can.
        policy: the trust policy that applies.
        files: all files.
        vouchers: what each attestation of its content proves, with the keys that are trusted for its name; good ones first.
        unverified: why that cannot be told; empty where it can.
        content_digest: of the content that this report is about, computed: what `trust` takes.
        verdict: "made here", "runs no code", "trusted", "signed" (by a trusted key), "allowed" (all imports are on the
            lists), "unseen" (the policy is "always") or "refused".
    """

    tag: str
    framework: str
    origin: Origin | None
    doubt: str
    policy: str
    files: tuple[FileReport, ...]
    verdict: str
    vouchers: tuple[Voucher, ...] = ()
    unverified: str = ""
    content_digest: str = ""

    @property
    def signatures(self) -> tuple[Voucher, ...]:
        """The vouchers, under the name that they had before."""
        return self.vouchers

    @property
    def loads(self) -> bool:
        """Whether `load` loads it as things are."""
        return self.verdict != "refused"

    @property
    def not_allowed(self) -> tuple[str, ...]:
        """All names that no list allows, sorted."""
        return tuple(sorted({name for file in self.files for name in file.not_allowed}))

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems, each with its file."""
        return tuple(f"{file.path}: {problem}" for file in self.files for problem in file.problems)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "tag": self.tag,
            "framework": self.framework,
            "origin": dict(self.origin) if self.origin is not None else None,
            "content_digest": self.content_digest,
            "doubt": self.doubt,
            "policy": self.policy,
            "verdict": self.verdict,
            "loads": self.loads,
            "signatures": [voucher.to_dict() for voucher in self.vouchers],
            "unverified": self.unverified,
            "files": [
                {key: list(value) if isinstance(value, tuple) else value for key, value in attrs.asdict(file).items()}
                for file in self.files
            ],
        }


def report(source: TrustSource, path: Path, info: ModelInfo) -> TrustReport:
    """Return what is known of a stored model; loads nothing.

    Args:
        source: the store.
        path: the version's folder.
        info: its record.
    """
    policy = trust_policy()
    digest, origin, doubt = origin_of(source, info)
    proof = vouched(source, path, info, digest)
    files = []
    # Objects that came together lie in one folder, which is looked at once.
    parts = {(part.framework, part.folder): part for part in (object_part(info, name) for name in info.custom_objects)}
    for part in (main_part(info), *parts.values()):
        installed = part.is_usable()
        everything = list(files_of(str(path), part))
        code = set(code_files(str(path), part)) if installed else set(everything)
        if not part.name and not part.framework:
            code = set()  # a raw folder of files, which nothing loads
        for file in everything:
            if file in code:
                files.append(inspect_part_file(path, part, file, installed=installed))
            else:
                files.append(FileReport(file, _size(path / file), part.framework, False))
    code_paths = [file.path for file in files if file.runs_code]
    changed = changed_file(source, path, info, code_paths)
    files = [
        attrs.evolve(file, problems=(*file.problems, changed[1])) if changed and file.path == changed[0] else file
        for file in files
    ]
    verdict = _verdict(files, origin, policy, proof, is_content=changed is None)
    return TrustReport(
        str(info.tag),
        info.framework,
        origin,
        doubt,
        policy,
        tuple(files),
        verdict,
        proof.vouchers,
        " ".join(filter(None, (proof.problem and f"{proof.problem}.", proof.fix))),
        digest,
    )


def _verdict(files: list[FileReport], origin: Origin | None, policy: str, proof: Vouched, *, is_content: bool) -> str:
    code = [file for file in files if file.runs_code]
    if is_local(origin):
        return "made here" if is_content else "refused"
    if not code:
        return "runs no code"
    if is_trusted(origin, policy):
        return "trusted" if is_content else "refused"
    if policy == "always":
        return "unseen"
    if policy in ATTESTATION_POLICIES and proof.is_good:
        return "signed" if is_content else "refused"
    if policy != "never" and not any(file.not_allowed or file.problems for file in code):
        return "allowed"
    return "refused"


def inspect_part_file(
    version: Path, part: Part, file: str, inspections: dict[str, Inspection] | None = None, *, installed: bool = True
) -> FileReport:
    """Inspect a file that can run code.

    Args:
        version: the version's folder.
        part: the part that the file belongs to.
        file: path below the version's folder.
        inspections: noted here: what the file says.
        installed: whether the part's adapter is.
    """
    path = version / file
    size = _size(path)
    below = file[len(part.folder) + 1 :] if part.folder else file
    reader: CodeReader | None = part.reader(below) if installed else "any"
    problems: tuple[str, ...] = ()
    if path.is_symlink() or not path.is_file():
        problems = ("It is a link or a special file",)
    elif reader is None:
        problems = (f"What it would run cannot be told: the adapter {part.framework!r} reads it, and it is no pickle",)
    if problems:
        return FileReport(file, size, part.framework, True, problems=problems)
    found = inspect(path, reader or "any")
    if inspections is not None:
        inspections[file] = found
    refused, problems = judge_inspection(found, lists())
    if not installed:
        problems = (*found.problems, f"The adapter {part.framework!r} is not installed, or is broken")
    elif not part.builds():
        problems = (
            *problems,
            f"The adapter {part.framework!r} cannot load it without running code: its load does not take 'trusted'",
        )
    return FileReport(file, size, part.framework, True, found.format, found.names, refused, problems)


def _size(path: Path) -> int:
    return path.lstat().st_size


def describe_origin(origin: Mapping[str, Any] | None) -> str:
    """Return an origin record as people read it."""
    if origin is None:
        return "not known: it was copied into the store by other means"
    return f"{origin['how']}, {origin.get('time', '')}".rstrip(", ")
