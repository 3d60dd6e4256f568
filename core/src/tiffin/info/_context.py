"""Context: with which versions a model was saved."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from tiffin.info._distributions import installed_version
from tiffin.version import __version__


@attrs.frozen(kw_only=True)
class ModelContext:
    """The versions with which a model was saved.

    Attributes:
        framework_name: the adapter's name.
        framework_versions: distribution → version, for what the adapter names.
        tiffin_version: Tiffin's own version.
        python_version: Python's version, as "3.11.7".
    """

    framework_name: str = ""
    framework_versions: dict[str, str] = attrs.field(factory=dict)
    tiffin_version: str = __version__
    python_version: str = attrs.field(factory=platform.python_version)

    @classmethod
    def current(cls, framework: str, distributions: Iterable[str | Sequence[str]]) -> ModelContext:
        """Return the context of a model that `framework` saves now; distributions that are not installed are left out.

        Args:
            framework: the adapter's name.
            distributions: names; a list in it names twins, of which the first that is installed counts.
        """
        versions = {}
        for one in distributions:
            for name in [one] if isinstance(one, str) else one:
                version = installed_version(name)
                if version is not None:
                    versions[name] = version
                    break
        return cls(framework_name=framework, framework_versions=versions)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelContext:
        """Return the context that a record holds; what is missing becomes empty, other fields are passed over."""
        versions = data.get("framework_versions") or {}
        if not isinstance(versions, Mapping):
            raise ValueError(f"framework_versions is {type(versions).__name__}, not dict")
        return cls(
            framework_name=str(data.get("framework_name", "")),
            framework_versions={str(name): str(version) for name, version in versions.items()},
            tiffin_version=str(data.get("tiffin_version", "")),
            python_version=str(data.get("python_version", "")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return {
            "framework_name": self.framework_name,
            "framework_versions": dict(self.framework_versions),
            "tiffin_version": self.tiffin_version,
            "python_version": self.python_version,
        }

    def changed(self, distributions: Iterable[str | Sequence[str]] = ()) -> dict[str, tuple[str, str | None]]:
        """Return what is installed now in another version: distribution → (version at save, version now or `None`).

        Args:
            distributions: as for `current`; a twin of the one that was there at save stands for it.
        """
        twins = {name: one for one in distributions if not isinstance(one, str) for name in one}
        found = {
            name: next(filter(None, map(installed_version, (name, *twins.get(name, ())))), None)
            for name in self.framework_versions
        }
        return {name: (saved, found[name]) for name, saved in self.framework_versions.items() if found[name] != saved}
