"""Make the samples of models that other tools wrote: tests/data of the plugins that know them, or read files of theirs.

Run: python tools/make_foreign_samples.py

Each tool runs in an environment of its own, made below a temporary folder by the Python that runs this, 3.11, with the
versions of scikit-learn and of the rest that the workspace's lock has. What a sample answered in the tool that made it stands
beside it, in expected.json.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

from environment import install
from workspace import ROOT

SHARED = ["scikit-learn==1.9.1", "numpy==2.4.6", "joblib==1.6.0", "cloudpickle==3.1.2"]
TOOLS = {
    "bentoml": ["bentoml==1.4.39", "pytest>=8", *SHARED],
    "xgboost": ["bentoml==1.4.39", "xgboost==3.2.0", *SHARED],
    "mlflow": ["mlflow==3.17.2", "skops==0.16.0", *SHARED],
    "frameworks": [
        "bentoml==1.4.39",
        "mlflow==3.17.2",
        "xgboost-cpu==3.2.0",
        "lightgbm==4.7.0",
        "catboost==1.2.10",
        "onnx==1.23.2",
        "onnxruntime==1.32.0",
        "torch==2.13.0",
        "tensorflow-cpu==2.21.0",
        "keras==3.15.1",
        "flax==0.12.8",
        *SHARED,
    ],
}

BENTOML = """
import collections, fractions, json, statistics, sys
from pathlib import Path

import bentoml
import numpy as np
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

target = Path(sys.argv[1])
iris = load_iris()
# An estimator whose attributes have been the same for years, so that older releases of scikit-learn can read it.
model = make_pipeline(StandardScaler(), GaussianNB()).fit(iris.data, iris.target)
saved = bentoml.sklearn.save_model(
    "iris_clf:qkm3rkdvpw",
    model,
    signatures={
        "predict": {"batchable": True, "batch_dim": 0},
        "predict_proba": {"batchable": True},
        "predict_log_proba": {"batchable": True},
    },
    labels={"owner": "nlp_team", "stage": "dev"},
    metadata={"accuracy": 0.97, "data": {"rows": 150, "names": list(iris.feature_names)}},
    custom_objects={"names": [str(name) for name in iris.target_names], "means": iris.data.mean(axis=0)},
)
for kind in ("bentomodel", "xz", "gz", "bz2", "tar", "zip", "folder"):
    saved.export(str(target / ("iris" if kind == "folder" else f"iris.{kind}")), output_format=kind)

# The class is one of the standard library's, so that every Python can read the sample.
plain = bentoml.picklable_model.save_model(
    "curve:v2",
    statistics.NormalDist(10.0, 2.5),
    signatures={
        "cdf": {"batchable": False},
        "quantiles": {"batchable": True, "batch_dim": (0, 1)},
        "samples": {"batchable": True, "batch_dim": (0, 1)},
    },
    labels={"Team": "Statistics, 2nd floor"},
    metadata={"mean": 10.0, 7: "a key that is no text", "raw": b"bytes"},
    custom_objects={
        "third": fractions.Fraction(1, 3),
        "counts": collections.Counter("abracadabra"),
        "Größe": 1.5,
    },
)
plain.export(str(target / "curve.bentomodel"))


class Doubler:
    def __call__(self, value):
        return 2 * value


bentoml.picklable_model.save_model("doubler:v1", Doubler()).export(str(target / "doubler.bentomodel"))

with bentoml.models.create("files:v1", labels={"kind": "files"}) as new:
    Path(new.path_of("weights.txt")).write_text("1 2 3")
bentoml.models.get("files:v1").export(str(target / "files.bentomodel"))

(target / "expected.json").write_text(json.dumps({
    "bentoml": bentoml.__version__,
    "python": sys.version.split()[0],
    "rows": iris.data[::30].tolist(),
    "predict": model.predict(iris.data[::30]).tolist(),
    "predict_proba": model.predict_proba(iris.data[::30]).tolist(),
    "means": iris.data.mean(axis=0).tolist(),
    "cdf": [statistics.NormalDist(10.0, 2.5).cdf(x) for x in (5.0, 10.0, 12.0)],
    "created": {name: str(bentoml.models.get(name).info.creation_time) for name in ("iris_clf", "curve", "files")},
}, indent=1) + "\\n")
"""

XGBOOST = """
import json, sys
from pathlib import Path
import bentoml, numpy as np, xgboost
target = Path(sys.argv[1])
rows = np.random.default_rng(7).normal(size=(60, 3))
classes = (rows[:, 0] + rows[:, 1] > 0).astype(int)
model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(rows, classes)
booster = xgboost.train({"objective": "binary:logistic", "max_depth": 2}, xgboost.DMatrix(rows, classes), 3)
for name, saved in (("trees", model), ("booster", booster)):
    bentoml.xgboost.save_model(f"{name}:v1", saved, signatures={"predict": {"batchable": True}}).export(
        str(target / f"{name}.bentomodel")
    )
expected = {
    "bentoml": bentoml.__version__,
    "xgboost": xgboost.__version__,
    "rows": rows[:5].tolist(),
    "trees": model.predict(rows[:5]).tolist(),
    "booster": booster.predict(xgboost.DMatrix(rows[:5])).tolist(),
}
(target / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
"""

FRAMEWORKS = """
import json, os, shutil, sys
from pathlib import Path

import bentoml, catboost, flax, jax, keras, lightgbm, mlflow, numpy as np, onnx, onnxruntime, tensorflow as tf, torch, xgboost
from onnx import helper, numpy_helper

plugins = Path(sys.argv[1])
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
rows = np.random.default_rng(7).normal(size=(60, 3)).astype("float32")
classes = (rows[:, 0] + rows[:, 1] > 0).astype(int)


def keep(folder, name, saved, model, method, answer, mlflow_options=None, **more):
    # A model by both tools: BentoML's archive, MLflow's folder as a zip, and what the model answers.
    target = plugins / folder / "tests" / "data"
    target.mkdir(parents=True, exist_ok=True)
    if saved is not None:
        getattr(bentoml, saved).save_model(f"{name}:v1", model, signatures={method: {"batchable": True}}, **more).export(
            str(target / f"{name}.bentomodel")
        )
    if mlflow_options is not None:
        made = target / name
        getattr(mlflow, folder if folder != "torch" else "pytorch").save_model(
            model, str(made), pip_requirements=[], **mlflow_options
        )
        shutil.make_archive(str(made), "zip", str(made))
        shutil.rmtree(made)
    file = target / "frameworks.json"
    answers = json.loads(file.read_text()) if file.exists() else {}
    answers[name] = np.asarray(answer).tolist()
    answers["rows"] = rows[:5].tolist()
    file.write_text(json.dumps(answers, indent=1) + "\\n")


forest = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(rows, classes)
keep("xgboost", "flavored", None, forest, "predict", forest.predict(rows[:5]), {})

booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, classes), 3)
keep("lightgbm", "booster", "lightgbm", booster, "predict", booster.predict(rows[:5]), {})

quiet = {"iterations": 3, "depth": 2, "thread_count": 1, "verbose": False, "allow_writing_files": False}
cats = catboost.CatBoostClassifier(**quiet).fit(rows, np.where(classes, "yes", "no"))
keep("catboost", "cats", "catboost", cats, "predict", cats.predict(rows[:5]), {})

values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["rows", 3]) for name in ("x", "y")]
weights = numpy_helper.from_array(np.arange(9, dtype="float32").reshape(3, 3), "w")
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "graph", values[:1], values[1:], [weights])
proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
keep("onnx", "linear", "onnx", proto, "run", rows[:5] @ np.arange(9, dtype="float32").reshape(3, 3), {})

torch.manual_seed(7)
layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()).eval()
answer = layer(torch.from_numpy(rows[:5])).detach()
keep("torch", "layer", "pytorch", layer, "__call__", answer, {"serialization_format": "pickle"})
keep("torch", "script", "torchscript", torch.jit.script(layer), "__call__", answer)

keras.utils.set_random_seed(7)
net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "tanh")])
keep("keras", "net", "keras", net, "predict", net.predict(rows[:5], verbose=0), {})


class Product(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(tf.reshape(tf.range(9.0), (3, 3)))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="rows")])
    def __call__(self, rows):
        return rows @ self.weights


product = Product()
keep("tensorflow", "product", "tensorflow", product, "__call__", product(rows[:5]), {})

dense = flax.linen.Dense(2)
variables = dense.init(jax.random.key(7), rows[:1])
keep("flax", "dense", "flax", dense, "__call__", dense.apply(variables, rows[:5]), state=variables)
"""

MLFLOW = '''
import json, os, shutil, sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from mlflow.types import ParamSchema, ParamSpec
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

target = Path(sys.argv[1])
iris = load_iris()
model = make_pipeline(StandardScaler(), GaussianNB()).fit(iris.data, iris.target)
requirements = {"pip_requirements": ["scikit-learn==1.9.1"]}

mlflow.sklearn.save_model(
    model, str(target / "skops"), input_example=iris.data[:2], metadata={"accuracy": 0.97}, **requirements
)
frame = pd.DataFrame(iris.data, columns=["a", "b", "c", "d"])
framed = make_pipeline(StandardScaler(), GaussianNB()).fit(frame, iris.target)
mlflow.sklearn.save_model(
    framed,
    str(target / "cloudpickle"),
    serialization_format="cloudpickle",
    signature=infer_signature(frame, framed.predict_proba(frame), params={"rounds": 3}),
    pyfunc_predict_fn="predict_proba",
    **requirements,
)
mlflow.sklearn.save_model(model, str(target / "pickle"), serialization_format="pickle", **requirements)


class Shift(mlflow.pyfunc.PythonModel):
    """Adds what its artifact says, times a factor."""

    def load_context(self, context):
        self.shift = float(Path(context.artifacts["shift"]).read_text())

    def predict(self, context, model_input, params=None):
        return np.asarray(model_input) * (params or {}).get("factor", 1) + self.shift


Path("shift.txt").write_text("2.5")
mlflow.pyfunc.save_model(
    str(target / "shift"),
    python_model=Shift(),
    artifacts={"shift": "shift.txt"},
    pip_requirements=["mlflow"],
    signature=infer_signature(np.zeros((1, 2)), np.zeros((1, 2)), params={"factor": 1}),
)


def double(model_input: list[int]) -> list[int]:
    return [2 * value for value in model_input]


mlflow.pyfunc.save_model(str(target / "double"), python_model=double, pip_requirements=["mlflow"])

for name, kind in (("pickle", "zip"), ("cloudpickle", "gztar")):
    shutil.make_archive(str(target / name), kind, str(target / name))
    shutil.rmtree(target / name)
# The folder within the archive, as `tar c shift` packs it.
shutil.make_archive(str(target / "shift"), "tar", str(target), "shift")
shutil.rmtree(target / "shift")
shutil.make_archive(str(target / "double"), "zip", str(target), "double")
shutil.rmtree(target / "double")

(target / "expected.json").write_text(json.dumps({
    "mlflow": mlflow.__version__,
    "python": sys.version.split()[0],
    "rows": iris.data[::30].tolist(),
    "predict": model.predict(iris.data[::30]).tolist(),
    "predict_proba": framed.predict_proba(frame[::30]).tolist(),
}, indent=1) + "\\n")
'''


def main() -> None:
    """Make all samples anew."""
    for tool, program in (("bentoml", BENTOML), ("xgboost", XGBOOST), ("mlflow", MLFLOW)):
        make(tool, program)
    with environment("frameworks") as (python, variables):
        command = [str(python), "-c", FRAMEWORKS, str(ROOT / "plugins")]
        subprocess.run(command, check=True, cwd=variables["HOME"], env=variables)


def make(tool: str, program: str) -> None:
    """Make the samples of one tool."""
    target = ROOT / "plugins" / tool / "tests" / "data"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with environment(tool) as (python, variables):
        command = [str(python), "-c", program, str(target)]
        subprocess.run(command, check=True, cwd=variables["HOME"], env=variables)


@contextlib.contextmanager
def environment(tool: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Give the Python of an environment that has a tool, and the variables to run it with; both are gone after the block."""
    with tempfile.TemporaryDirectory(prefix="foreign-samples-") as work:
        folder = Path(work, "environment")
        venv.create(folder)
        python = folder / "bin" / "python"
        install(python, *TOOLS[tool])
        yield (
            python,
            {
                "PATH": f"{python.parent}:/usr/bin:/bin",
                "HOME": work,
                "BENTOML_HOME": str(Path(work, "bentoml")),
                "BENTOML_DO_NOT_TRACK": "True",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",
            },
        )


if __name__ == "__main__":
    main()
