"""Tools whose models can be imported: what a plugin says of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar

from tiffin.plugins._foreign_description import ForeignDescription


class ForeignTool(ABC):
    """A tool that writes models, as the hook `foreign_models` tells of it.

    Core finds and reads the record, within limits and as plain data; neither method sees a file. What they get is a
    stranger's: nothing in it may name a module to import, or be run.

    Attributes:
        record: the name of the file by which its models are known. YAML; it lies in the archive itself, or in the one folder
            that the archive holds. It may be `model.yaml`, as Tiffin's own is: the plugin is asked about those that are not
            Tiffin's.
        notes: names of further files beside it, YAML too, which `describe` gets where they are there.
        above: names of YAML files in the folder that holds a model's folder, which `tag_at` gets where they are there.
    """

    record: ClassVar[str]
    notes: ClassVar[Sequence[str]] = ()
    above: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def is_record(self, data: Any) -> bool:
        """Tell whether a file of the record's name is this tool's.

        Args:
            data: what is in it: plain values of any kind.
        """

    @abstractmethod
    def describe(
        self, data: Mapping[str, Any], files: Mapping[str, int], notes: Mapping[str, Any]
    ) -> ForeignDescription:
        """Return the description of a model, in Tiffin's terms. What cannot be kept is listed in it, and not just dropped.

        Args:
            data: the record.
            files: path → size in bytes, of all files of the model, the record among them.
            notes: name → what is in the file, of the `notes` that are there.
        """

    def tag_at(self, path: PurePosixPath, above: Mapping[str, Any]) -> str:
        """Return the tag of a model by where it lies, `name` or `name:version`, where all models of a folder are imported.

        Args:
            path: the model's folder.
            above: name → what is in the file, of those `above` that are there.

        Returns:
            The tag; "", as for tools whose records have names, leaves it to the record.
        """
        return ""
