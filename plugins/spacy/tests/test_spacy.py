"""Pipelines come back; a stranger's needs trust."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import tiffin
from tiffin import models
from tiffin.exceptions import StoreError, UntrustedModelError

pytestmark = pytest.mark.slow
spacy = pytest.importorskip("spacy")


def own(doc: Any) -> Any:
    """A component of the user's own."""
    doc.cats["own"] = 1.0
    return doc


@pytest.fixture
def nlp() -> Any:
    """Return a pipeline of rules."""
    made = spacy.blank("de")
    made.add_pipe("sentencizer")
    made.add_pipe("entity_ruler").add_patterns([{"label": "ORG", "pattern": "Tiffin"}])
    return made


def elsewhere(saved: tiffin.Model, folder: Path) -> tiffin.Model:
    """Return the model as a store gets it that does not know it."""
    store = models.ModelStore(folder / "store")
    return models.import_model(models.export_model(saved.tag, folder / "m.tiffin"), store=store)


def test_a_runner_answers_with_plain_values(nlp: Any) -> None:
    """Of a worker, too; a document itself would need its pipeline."""
    saved = tiffin.save("m", nlp)
    with saved.to_runner(backend="process") as runner:
        [one, two] = runner.pipe.run(["Tiffin ist da. Ja.", "Niemand."])
        assert runner.run("Niemand.") == two == nlp("Niemand.").to_json()
    assert one["ents"] == [{"start": 0, "end": 6, "label": "ORG"}]
    assert len(one["sents"]) == 2


def test_components_can_be_left_out(nlp: Any) -> None:
    """By the option `exclude`; a name that is none is passed over by spaCy."""
    tiffin.save("m", nlp)
    assert tiffin.load("m", exclude="entity_ruler").pipe_names == ["sentencizer"]
    assert tiffin.load("m").pipe_names == nlp.pipe_names


def test_a_folder_is_taken_by_name(nlp: Any, tmp_path: Path) -> None:
    """As `spacy train` leaves it."""
    nlp.to_disk(tmp_path / "model-best")
    saved = tiffin.spacy.save_model("m", tmp_path / "model-best")
    assert saved.load().pipe_names == nlp.pipe_names


def test_a_stranger_s_pipeline_needs_trust(nlp: Any, tmp_path: Path) -> None:
    """Whatever its configuration names: spaCy calls that, and what it refers to in other sections as well."""
    moved = elsewhere(tiffin.save("m", nlp), tmp_path)
    with pytest.raises(UntrustedModelError):
        moved.load()
    assert [entity.text for entity in moved.load(trust=True)("Hier ist Tiffin").ents] == ["Tiffin"]


def test_a_component_of_ones_own_has_to_be_registered_where_it_is_loaded(nlp: Any) -> None:
    """Where it is not, spaCy's error says so."""
    spacy.Language.component("own_one", func=own)
    nlp.add_pipe("own_one")
    saved = tiffin.save("m", nlp)
    assert saved.load()("x").cats == {"own": 1.0}


def test_a_damaged_folder_is_an_error(nlp: Any, tmp_path: Path) -> None:
    """It names the folder, and what spaCy says."""
    from tiffin_spacy import load

    (tmp_path / "pipeline").mkdir()
    with pytest.raises(StoreError, match=r"spaCy cannot read .*pipeline"):
        load(tmp_path, {"exclude": ""})
    nlp.to_disk(tmp_path / "pipeline")
    (tmp_path / "pipeline" / "tokenizer").write_bytes(b"x")
    with pytest.raises(StoreError, match="spaCy cannot read"):
        load(tmp_path, {"exclude": ""})


def test_what_mlflow_wrote_is_read(nlp: Any, tmp_path: Path) -> None:
    """It is the same folder under another name."""
    pytest.importorskip("tiffin_mlflow")
    folder = tmp_path / "model"
    folder.mkdir()
    nlp.to_disk(folder / "model.spacy")
    general = {"loader_module": "mlflow.spacy", "data": "model.spacy", "python_version": "3.11.7"}
    flavor = {"data": "model.spacy", "spacy_version": spacy.__version__}
    record = {"flavors": {"python_function": general, "spacy": flavor}, "mlflow_version": "3.17.2"}
    (folder / "MLmodel").write_text(yaml.safe_dump(record), encoding="utf-8")
    model = models.import_model(folder, name="m", store=models.ModelStore(tmp_path / "store"))
    assert model.load(trust=True).pipe_names == nlp.pipe_names
