"""The check before a load: whether a model may run code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tiffin.config import trust_policy, trusted_keys
from tiffin.exceptions import UntrustedModelError
from tiffin.origin import Origin, is_local, is_trusted
from tiffin.showing import shown
from tiffin.trust._content import TrustSource, changed_file, origin_of
from tiffin.trust._parts import code_files, main_part, object_part

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin.inspection import Inspection
    from tiffin.trust._reading import PartReader
    from tiffin.trust._report import FileReport
    from tiffin.trust._vouching import Vouched

_SHOWN = 10


def check(
    source: TrustSource, path: Path, info: ModelInfo, name: str | None = None, *, trust: bool = False
) -> PartReader | None:
    """Return how what is not trusted is read, `None` where code in its files may run; refuse what can be neither.

    For what was made here this reads one small file, and looks at each file that can run code. A part without such files is
    loaded in any case; an adapter of which none can, and which takes `trusted` all the same, is told what it is.

    Args:
        source: the store.
        path: the version's folder.
        info: its record, as it is now.
        name: the custom object to load; `None` stands for the model itself.
        trust: whether the caller trusts it; that is noted.

    Returns:
        `None` where the part is trusted, or nobody asks; else the reader by which core builds its files.

    Raises:
        UntrustedModelError: it is not trusted, and its imports are not all allowed.
    """
    part = main_part(info) if name is None else object_part(info, name)
    found = code_files(str(path), part)
    if not found and not part.asks():
        return None
    digest, origin, doubt = origin_of(source, info)
    if is_local(origin):
        _check_files(source, path, info, found)
        return None
    policy = trust_policy()
    trust = trust and policy in ("ask", "always")
    if trust or is_trusted(origin, policy):
        _check_files(source, path, info, found)
        if trust and not is_trusted(origin, policy):
            source.record_trust(digest, "load(trust=True)")
        return None
    if policy == "always":
        return None
    # Not at the top: what was saved here is loaded without what verifies, looks into files, and builds of them.
    from tiffin.trust._vouching import ATTESTATION_POLICIES, Vouched, vouched

    proof = vouched(source, path, info, digest) if policy in ATTESTATION_POLICIES else Vouched()
    if proof.is_good:
        _check_files(source, path, info, found)
        return None
    reports = []
    if policy != "never" or not found:
        from tiffin.trust._reading import PartReader
        from tiffin.trust._report import inspect_part_file

        inspections: dict[str, Inspection] = {}
        reports = [inspect_part_file(path, part, file, inspections) for file in found]
        if not any(file.not_allowed or file.problems for file in reports):
            return PartReader(str(info.tag), path, part, inspections)
    raise _error(info, origin, doubt, reports, policy, proof)


def check_content(source: TrustSource, path: Path, info: ModelInfo) -> None:
    """Refuse a model whose files that can run code are not those that its record lists.

    Raises:
        UntrustedModelError: a file is another, or is not listed.
    """
    for part in (main_part(info), *(object_part(info, name) for name in info.custom_objects)):
        if part.framework or part.name:
            _check_files(source, path, info, code_files(str(path), part))


def check_shown(info: ModelInfo, shown_digest: str | None) -> str:
    """Return the digest of a model's content, if it is the one that somebody was shown.

    Raises:
        UntrustedModelError: it is another one.
    """
    digest = info.compute_digest()
    if shown_digest not in (None, digest):
        raise UntrustedModelError(
            f"Model '{info.tag}' is not trusted: its content {digest} is not what was shown, {shown_digest}",
            why="It was replaced since, or the tag means another version now",
            fix=f"Look at it again: tiffin models inspect {info.tag}",
            tag=str(info.tag),
            names=(),
            problems=(),
        )
    return digest


def _check_files(source: TrustSource, path: Path, info: ModelInfo, found: list[str]) -> None:
    changed = changed_file(source, path, info, found)
    if changed is None:
        return
    file, problem = changed
    raise UntrustedModelError(
        f"Model '{info.tag}' was not loaded: its file {file!r} can run code, and is not the one that is trusted",
        why=problem,
        fix=f"Look at it with: tiffin models verify {info.tag}",
        tag=str(info.tag),
        names=(),
        problems=(f"{file}: {problem}",),
    )


def _error(
    info: ModelInfo, origin: Origin | None, doubt: str, reports: list[FileReport], policy: str, proof: Vouched
) -> UntrustedModelError:
    from tiffin.trust._report import describe_origin

    names = tuple(sorted({name for file in reports for name in file.not_allowed}))
    problems = tuple(f"{file.path}: {problem}" for file in reports for problem in file.problems)
    parts = []
    if names:
        parts.append(f"Loading it would import {_some(names, _SHOWN, ', ')}, which no list allows")
    if problems:
        parts.append(f"What it would run cannot be told ({_some(problems, 3, '; ')})")
    if proof.vouchers or proof.problem:
        parts.append(_why_not(info.name, proof))
    if policy != "ask":
        parts.append(f"The trust policy is {policy!r}, so trust given by hand does not count")
    fix = f"{proof.fix}. " if proof.fix else ""
    fix += f"Look at it with: tiffin models inspect {info.tag}. "
    if policy == "ask":
        fix += f"If you trust who made it: tiffin models trust {info.tag}, or load(…, trust=True)"
    else:
        fix += "The policy is set in the section [trust] of config.toml, or by TIFFIN_TRUST_POLICY"
    return UntrustedModelError(
        f"Model '{info.tag}' could run code when it is loaded, and is not trusted (origin: "
        f"{doubt.rstrip('.') or describe_origin(origin)})",
        why=". ".join(parts),
        fix=fix,
        tag=str(info.tag),
        names=names,
        problems=problems,
    )


def _why_not(name: str, proof: Vouched) -> str:
    if proof.problem:
        return f"It is signed. {proof.problem}"
    first = proof.vouchers[0]
    if first.result == "unverified" and any(key.is_for(name) for key in trusted_keys()):
        return f"It is signed. {first.problem}"
    if first.result == "good for files":
        return "Its signature by a trusted key covers its files, but not the framework and options they are loaded with"
    if first.result == "bad":
        return (
            f"A signature that names a trusted key is forged or damaged: {first.problem[0].lower()}{first.problem[1:]}"
        )
    return f"It is signed, but by no key that is trusted for models called {name!r}"


def _some(texts: tuple[str, ...], limit: int, between: str) -> str:
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return between.join(map(shown, texts[:limit])) + more
