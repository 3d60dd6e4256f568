"""`tiffin serve --containerfile`: how an image is made that serves models, with the versions that they were saved with."""

from __future__ import annotations

import json
import platform
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version

import tiffin
from tiffin import Model, Tag
from tiffin.info import ModelInfo
from tiffin.plugins import registry
from tiffin_serve._errors import ServeError

HOME = "/srv/tiffin"
NOBODY = 65534
"""The user that the server runs as, by its number: no image has to know it."""
_SERIES = re.compile(r"\d+\.\d+")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!_-]*")
_UNVOUCHED = ("runs no code", "allowed")
"""Verdicts of models that load wherever they are, trusted or not."""


def containerfile(
    targets: Sequence[str],
    tried: Sequence[str],
    said: Sequence[str],
    extras: Sequence[str] = (),
    ports: Iterable[int] = (),
) -> list[str]:
    """Return the lines of a Containerfile whose image serves models by the names with which they were asked for.

    Args:
        targets: their tags; aliases among them are set in the image.
        tried: tags of versions that are tried beside them.
        said: the arguments of `tiffin serve` in the image.
        extras: of tiffin-serve, which these need.
        ports: that the image listens on.

    Raises:
        ServeError: the models need different versions of one thing, or one is not to be loaded as things are.
        TiffinError: a tag means nothing.
    """
    asked = [*targets, *tried]
    models = {str(model.tag): model for model in map(tiffin.get, asked)}
    server = f"tiffin-serve[{','.join(sorted(extras))}]" if extras else "tiffin-serve"
    needed = {"tiffin": version("tiffin"), server: version("tiffin-serve")}
    infos = [model.info for model in models.values()]
    for name, found, tag in (one for info in infos for one in needed_by(info)):
        if needed.setdefault(name, found) != found:
            raise ServeError(
                f"{tag} needs {name} {found}, and another of these models {needed[name]}",
                why="One image has one version of each",
                fix="Make an image for each",
            )
    exports = [f"#   tiffin models export {tag} ." for tag in models]
    return [
        f"# Serves {', '.join(models)}. In an empty folder:",
        *exports,
        "#   tiffin serve … --containerfile > Containerfile",
        f"#   podman build --tag {infos[0].name} .",
        f"FROM docker.io/library/python:{python_of(infos)}-slim",
        "RUN pip install --no-cache-dir \\",
        *_continued((shlex.quote(f"{name}=={found}") for name, found in needed.items()), " \\"),
        f"ENV TIFFIN_HOME={HOME}/home",
        f"WORKDIR {HOME}",
        # Mounted and not copied: the image has each model once.
        f"RUN --mount=type=bind,target={HOME}/build \\",
        *_continued(_stored(models, asked), " && \\"),
        f"USER {NOBODY}:{NOBODY}",
        *(f"EXPOSE {port}" for port in ports),
        f"ENTRYPOINT {json.dumps(['tiffin', 'serve', *targets, *said])}",
    ]


def _continued(parts: Iterable[str], end: str) -> Iterator[str]:
    """Yield the parts as lines of one command, all but the last with an end that continues them."""
    *before, last = parts
    yield from (f"    {part}{end}" for part in before)
    yield f"    {last}"


def needed_by(info: ModelInfo) -> Iterator[tuple[str, str, str]]:
    """Yield the distributions that load a model of this record: name, version, and the model's tag."""
    tag = str(info.tag)
    described = {
        name: plugin
        for plugin in registry().describe()
        if plugin.kind == "adapter"
        for name in (plugin.name, *plugin.aliases)
    }
    for framework in {info.framework, *(entry.framework for entry in info.custom_objects.values())} - {""}:
        plugin = described.get(framework)
        if plugin is None or plugin.state != "ok":
            raise ServeError(
                f"{tag} was saved by the adapter {framework!r}, which is not installed here",
                why="Its package and version have to stand in the Containerfile",
            )
        yield plugin.distribution, plugin.version, tag
        # What the adapter names, and nothing else: a record comes from whoever made the model.
        listed = registry().adapter(framework).info_unwrapped().distributions
        for name in (name for one in listed for name in ([one] if isinstance(one, str) else one)):
            # Not which build it is of: that is for the image's index to say.
            found = info.context.framework_versions.get(name, "").partition("+")[0]
            if _VERSION.fullmatch(found):
                yield name, found, tag


def python_of(infos: Iterable[ModelInfo]) -> str:
    """Return the series of Python, such as 3.11, that models of these records were saved with."""
    series = {}
    for info in infos:
        found = _SERIES.match(info.context.python_version) or _SERIES.match(platform.python_version())
        assert found is not None
        series[found[0]] = str(info.tag)
    if len(series) > 1:
        told = ", ".join(f"{tag} with Python {number}" for number, tag in series.items())
        raise ServeError(f"These models were saved by different Pythons: {told}", fix="Make an image for each")
    return next(iter(series))


def _stored(models: Mapping[str, Model], asked: Sequence[str]) -> Iterator[str]:
    """Yield the commands that put models into the image's store, trust those that are trusted here, and set aliases."""
    for tag, model in models.items():
        report = tiffin.models.inspect(tag)
        if not report.loads:
            raise ServeError(
                f"{tag} is not trusted here, and so would not be in the image",
                fix=f"Look at it with: tiffin models inspect {tag}; then: tiffin models trust {tag}",
            )
        yield f"tiffin models import {HOME}/build/{model.tag.name}-{model.tag.version}.tiffin"
        if report.verdict not in _UNVOUCHED:
            # By its digest: whatever else lies in that file is not trusted, and the build ends.
            yield f"tiffin models trust {tag} --yes --digest {report.content_digest}"
        for one in asked:
            part = Tag.parse(one).version
            if (
                one != tag
                and part
                and part in tiffin.models.aliases(model.tag.name)
                and str(tiffin.get(one).tag) == tag
            ):
                yield f"tiffin models alias {tag} {part}"
