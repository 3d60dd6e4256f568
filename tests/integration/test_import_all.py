"""All models of another tool's store or tracking folder come at once; what came, was lost, and was left is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tiffin import models
from tiffin.cli import cli
from tiffin.exceptions import ArchiveError, DamagedArchiveError, ForeignModelError, ModelExistsError

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
IRIS = PLUGINS / "bentoml" / "tests" / "data" / "iris"
SKOPS = PLUGINS / "mlflow" / "tests" / "data" / "skops"

pytestmark = pytest.mark.filterwarnings("ignore")  # of the versions that wrote the samples


@pytest.fixture(autouse=True)
def _own_store(store_home: Path) -> None:
    """Each test has a store of its own."""


@pytest.fixture
def bentoml(tmp_path: Path) -> Path:
    """Return a store of BentoML's: a model, one of a framework that nobody reads, one with an odd label, a damaged one."""
    home = tmp_path / "bentoml"
    for version, changes in {
        "good": {},
        "other": {"module": "bentoml.nobody"},
        "odd": {"labels": {"no spaces please": "x"}},
    }.items():
        folder = home / "models" / "iris_clf" / version
        shutil.copytree(IRIS, folder)
        record = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
        (folder / "model.yaml").write_text(yaml.safe_dump({**record, "version": version, **changes}), encoding="utf-8")
    damaged = home / "models" / "iris_clf" / "damaged"
    damaged.mkdir()
    (damaged / "model.yaml").write_text("name: [", encoding="utf-8")
    (home / "models" / "iris_clf" / "latest").write_text("good", encoding="utf-8")
    (home / "bentos").mkdir()
    return home


def test_a_store_of_bentomls_comes_whole_but_for_what_is_told(bentoml: Path) -> None:
    """Names and versions stay; one that cannot come hinders no other; a second time all are there already."""
    report = models.import_all(bentoml)
    assert {one.path: str(one.model.tag) for one in report.came} == {
        f"models/iris_clf/{version}": f"iris_clf:{version}" for version in ("good", "odd")
    }
    lost = {one.path[-4:].strip("/"): one.lost for one in report.came}
    assert any("no spaces please" in phrase for phrase in lost["odd"])
    assert not any("no spaces please" in phrase for phrase in lost["good"])
    assert {one.path.rpartition("/")[2]: type(one.reason) for one in report.left} == {
        "damaged": DamagedArchiveError,
        "other": ForeignModelError,
    }
    assert models.get("iris_clf:good").load().predict([[5.0, 3.4, 1.5, 0.2]]).tolist() == [0]
    again = models.import_all(bentoml)
    assert not again.came
    assert sum(isinstance(one.reason, ModelExistsError) for one in again.left) == 2


def test_a_tracking_folder_names_its_models(tmp_path: Path) -> None:
    """What was logged as a model by its name and id, what lies among a run's artifacts by its path and the run's id."""
    runs = tmp_path / "mlruns" / "0"
    logged = runs / "models" / "m-0a1b"
    shutil.copytree(SKOPS, logged / "artifacts")
    (logged / "meta.yaml").write_text(yaml.safe_dump({"name": "Iris Reg", "model_id": "m-0a1b"}), encoding="utf-8")
    shutil.copytree(SKOPS, runs / "9f8e" / "artifacts" / "best" / "model")
    broken = runs / "models" / "m-2c3d"
    shutil.copytree(SKOPS, broken / "artifacts")
    (broken / "meta.yaml").write_text("name: [", encoding="utf-8")
    report = models.import_all(tmp_path / "mlruns")
    assert {one.path: str(one.model.tag) for one in report.came} == {
        "0/models/m-0a1b/artifacts": "iris-reg:m-0a1b",
        "0/9f8e/artifacts/best/model": "best-model:9f8e",
    }
    assert [one.path for one in report.left] == ["0/models/m-2c3d/artifacts"]


def test_the_command_prints_the_report(bentoml: Path) -> None:
    """A line for each model, one for each loss, and the sum; one name does not fit many models."""
    ran = CliRunner().invoke(cli, ["models", "import", str(bentoml), "--all"], prog_name="tiffin")
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    assert "Imported iris_clf:good from models/iris_clf/good" in lines
    assert any(line.startswith("  not kept: ") and "no spaces please" in line for line in lines)
    assert any(line.startswith("Left models/iris_clf/other: No installed adapter reads") for line in lines)
    assert lines[-1].startswith("2 models came, ")
    assert lines[-1].endswith("2 left")
    wrong = CliRunner().invoke(cli, ["models", "import", str(bentoml), "--all", "--as", "x"], prog_name="tiffin")
    assert wrong.exit_code == 2
    assert "--as names one model" in wrong.output


def test_a_folder_without_models_is_an_error(tmp_path: Path) -> None:
    """Nothing to import is a mistake of whoever asks; so is a file, or what is not there."""
    (tmp_path / "empty").mkdir()
    for folder, said in ((tmp_path / "empty", "There is no model below"), (tmp_path / "missing", "is no folder")):
        with pytest.raises(ArchiveError, match=said):
            models.import_all(folder)
