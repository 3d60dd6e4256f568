"""A misspelled argument, framework, back end, method or field is answered with the one that is meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tiffin
from tiffin.exceptions import TiffinError


class Doubler:
    """A model."""

    def predict(self, x: Any) -> Any:
        """Return twice x."""
        return x


MISSPELLED: dict[str, Callable[[], Any]] = {
    "labels": lambda: tiffin.save("x", Doubler(), lables={}),
    "picklable": lambda: tiffin.save("x", Doubler(), framework="picklabel"),
    "batchable": lambda: tiffin.save("x", Doubler(), signatures={"predict": {"batchabel": True}}),
    "predict": lambda: tiffin.save("x", Doubler(), signatures={"predct": {}}),
    "process": lambda: tiffin.get("m").to_runner(backend="proces"),
    "max_batch_size": lambda: tiffin.get("m").to_runner(max_batch_sise=8),
    "trust": lambda: tiffin.load("m", truts=True),
    "zip": lambda: tiffin.models.export_model("m", "x", "zpi"),
    "metadata": lambda: tiffin.models.list(where="metdata.accuracy > 1"),
    "created": lambda: tiffin.models.list(sort="craeted"),
    "tiffin.load": lambda: tiffin.laod,
    "m": lambda: tiffin.get("mm"),
}


@pytest.mark.parametrize("meant", MISSPELLED)
def test_what_is_misspelled_is_answered_with_what_is_meant(meant: str, store_home: Any) -> None:
    """Whoever mistypes need not look it up."""
    tiffin.save("m:1", Doubler(), signatures={"predict": {"batchable": True}})
    with pytest.raises((TiffinError, AttributeError), match=rf"[dD]id you mean '{meant}'"):
        MISSPELLED[meant]()
