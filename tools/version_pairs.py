"""Save models in one version of a library, check them in another, and compare the verdicts with the bytes of the answers.

Usage: python tools/version_pairs.py; runs for a quarter of an hour, needs a package index and uv, and writes the table of
docs/reference/version-pairs.md. In each environment the answers are computed once more without Tiffin's comparison, and their
bytes say what has really changed: each changed answer has to be flagged, and no other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "version-pairs.md"
STEADY = ("numpy==1.26.4", "scipy==1.13.1")
PAIRS = (
    (("scikit-learn==1.3.2", *STEADY), ("scikit-learn==1.4.2", *STEADY)),
    (("scikit-learn==1.4.2", *STEADY), ("scikit-learn==1.5.2", *STEADY)),
    (("scikit-learn==1.5.2", *STEADY), ("scikit-learn==1.6.1", *STEADY)),
    (("scikit-learn==1.6.1", *STEADY), ("scikit-learn==1.7.2", *STEADY)),
    (("scikit-learn==1.7.2", *STEADY), ("scikit-learn==1.8.0", *STEADY)),
    (("scikit-learn==1.8.0", *STEADY), ("scikit-learn==1.6.1", *STEADY)),
    (("numpy==1.26.4", "scipy==1.13.1"), ("numpy==2.0.2", "scipy==1.13.1")),
    (("numpy==2.0.2", "scipy==1.13.1"), ("numpy==2.2.6", "scipy==1.13.1")),
    (("scipy==1.13.1", "numpy==2.2.6"), ("scipy==1.15.3", "numpy==2.2.6")),
    (("scipy==1.15.3", "numpy==2.2.6"), ("scipy==1.16.3", "numpy==2.2.6")),
)
METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples")


class Arithmetic:
    """Functions of numpy and scipy, as a model: what a newer release computes otherwise shows here."""

    def elementary(self, rows: Any) -> Any:
        """Return elementary functions in float64."""
        import numpy as np

        return np.stack([f(np.abs(rows) + 0.1) for f in (np.exp, np.sin, np.log, np.tanh, np.cbrt, np.log1p)])

    def single(self, rows: Any) -> Any:
        """Return elementary functions in float32."""
        import numpy as np

        return np.stack([f(np.abs(rows).astype("f4") + 0.1) for f in (np.exp, np.sin, np.cos, np.log)])

    def sums(self, rows: Any) -> Any:
        """Return what is summed up: products, deviations, singular values, a transform."""
        import numpy as np

        return {"matmul": rows @ rows.T, "std": rows.std(0), "svd": np.linalg.svd(rows)[1], "fft": np.fft.rfft(rows)}

    def percentiles(self, rows: Any) -> Any:
        """Return percentiles."""
        import numpy as np

        return np.percentile(rows, [1, 50, 99], axis=0)

    def random(self, rows: Any) -> Any:
        """Return numbers of a seeded generator."""
        import numpy as np

        return np.random.default_rng(7).normal(size=rows.shape)

    def text(self, rows: Any) -> list[str]:
        """Return scalars as text."""
        return [repr(value) for value in rows[0]]

    def promoted(self, rows: Any) -> Any:
        """Return a sum of two dtypes."""
        import numpy as np

        return rows.astype("f4")[0, 0] + np.float64(3)

    def special(self, rows: Any) -> Any:
        """Return special functions."""
        import numpy as np
        from scipy import special

        x = np.abs(rows) + 0.1
        return np.stack(
            [special.gammaln(x), special.ndtri(x / (x + 1)), special.betainc(2, 3, x / (x + 1)), special.jv(1.5, x)]
        )

    def hypergeometric(self, rows: Any) -> Any:
        """Return a hypergeometric function."""
        from scipy import special

        return special.hyp2f1(0.5, 1.5, 2.5, rows / 10)

    def statistics(self, rows: Any) -> Any:
        """Return statistics."""
        from scipy import stats

        return {
            "t": list(stats.ttest_ind(rows[0], rows[1])),
            "skew": stats.skew(rows),
            "nct": stats.nct.pdf(rows[0], 4, 1),
        }


def models() -> Iterator[tuple[str, Any, tuple[str, ...], Any]]:
    """Yield name, model, methods and input, of those that the installed libraries allow."""
    import numpy as np

    rows = np.random.default_rng(1).normal(size=(40, 6))
    own = tuple(name for name in vars(Arithmetic) if not name.startswith("_"))
    try:
        import sklearn.datasets
    except ImportError:
        yield "arithmetic", Arithmetic(), own, rows
        return
    from sklearn import (
        cluster,
        decomposition,
        ensemble,
        linear_model,
        mixture,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        svm,
        tree,
    )

    data = sklearn.datasets.load_breast_cancer()
    x, y = data.data[:200], data.target[:200]
    for estimator in (
        linear_model.LogisticRegression(max_iter=2000),
        linear_model.Ridge(),
        linear_model.SGDClassifier(loss="log_loss", random_state=0),
        svm.SVC(probability=True, random_state=0),
        tree.DecisionTreeClassifier(random_state=0),
        ensemble.RandomForestClassifier(20, random_state=0),
        ensemble.GradientBoostingClassifier(n_estimators=20, random_state=0),
        ensemble.HistGradientBoostingClassifier(max_iter=20, random_state=0),
        ensemble.IsolationForest(n_estimators=20, random_state=0),
        neighbors.KNeighborsClassifier(),
        neighbors.KernelDensity(),
        naive_bayes.GaussianNB(),
        mixture.GaussianMixture(2, random_state=0),
        neural_network.MLPClassifier(max_iter=50, random_state=0),
        cluster.KMeans(3, n_init=2, random_state=0),
        decomposition.PCA(3, random_state=0),
        preprocessing.PowerTransformer(),
        preprocessing.QuantileTransformer(n_quantiles=50, random_state=0),
        pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
    ):
        fitted = estimator.fit(x, y)
        yield type(estimator).__name__.lower(), fitted, tuple(m for m in METHODS if hasattr(fitted, m)), x[:60]


def bytes_of(answer: Any) -> str:
    """Return an answer's type and bytes as text, without Tiffin's help."""
    import hashlib

    import numpy as np

    if isinstance(answer, dict):
        return str({key: bytes_of(value) for key, value in answer.items()})
    if isinstance(answer, (list, tuple)):
        return str([bytes_of(value) for value in answer])
    if isinstance(answer, str):
        return repr(answer)
    array = np.asarray(answer)
    return f"{type(answer).__name__} {array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"


def truth(model: Any, method: str, x: Any) -> str:
    """Return what a method answers as bytes, or that it fails."""
    try:
        return bytes_of(getattr(model, method)(x.copy()))
    # What another version does to a model it cannot use is what is looked for.
    except Exception as error:  # noqa: BLE001
        return f"fails: {type(error).__name__}"


def save() -> dict[str, Any]:
    """Save all models with examples in the store of $TIFFIN_HOME, and return their answers' bytes."""
    import tiffin

    answers = {}
    for name, model, methods, x in models():
        tiffin.save(f"{name}:1", model, signatures={method: {} for method in methods}, examples=x)
        answers[name] = {method: truth(model, method, x) for method in methods}
    return answers


def replay() -> dict[str, Any]:
    """Return, of each saved model, the answers' bytes and the verdicts of its check."""
    import tiffin
    from tiffin.examples import read_file, unpack

    found: dict[str, Any] = {}
    store = tiffin.models.default_store()
    for stored in tiffin.models.list():
        (x,), _ = unpack(read_file(store.examples(stored.info.content_digest) or b"", "It").examples[0].arguments)
        try:
            model = stored.load()
        except Exception as error:  # noqa: BLE001 - as in `truth`
            found[stored.name] = {"load": f"{type(error).__name__}: {error}"}
            continue
        report = tiffin.models.check(stored.tag)
        found[stored.name] = {
            "bytes": {one.method: truth(model, one.method, x) for one in report.answers},
            "verdicts": {one.method: one.verdict for one in report.answers},
            "ulps": max((one.ulps or 0 for one in report.answers if one.verdict == "close"), default=0),
        }
    return found


class Row(NamedTuple):
    """What came of one pair."""

    before: str
    after: str
    answers: int
    changed: int
    close: int
    different: int
    missed: list[str]
    alarms: list[str]
    unloadable: list[str]
    ulps: int


def compare(pair: tuple[tuple[str, ...], tuple[str, ...]], folder: Path) -> Row:
    """Save in one environment, replay in the other, and return how the verdicts and the bytes go together."""
    home = folder / "home"
    before = in_environment(pair[0], folder / "before", "save", home)
    after = in_environment(pair[1], folder / "after", "replay", home)
    row = Row(pair[0][0], pair[1][0], 0, 0, 0, 0, [], [], [], 0)
    for name, answers in before.items():
        now = after[name]
        if "load" in now:
            row.unloadable.append(name)
            continue
        for method, verdict in now["verdicts"].items():
            changed = answers[method] != now["bytes"][method]
            row = row._replace(
                answers=row.answers + 1,
                changed=row.changed + changed,
                close=row.close + (verdict == "close"),
                different=row.different + (verdict == "different"),
                ulps=max(row.ulps, now["ulps"]),
            )
            if changed != (verdict != "equal"):
                (row.missed if changed else row.alarms).append(f"{name}.{method}")
    return row


def in_environment(requirements: tuple[str, ...], folder: Path, role: str, home: Path) -> dict[str, Any]:
    """Run one role in an environment of these versions, and return what it says."""
    import os
    import venv

    from environment import uv, uv_settings
    from workspace import ROOT

    program = uv()
    if program is None:
        raise SystemExit("tools/version_pairs.py: uv cannot be had here")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    learn = ["sklearn"] if any(line.startswith("scikit-learn") for line in requirements) else []
    own = [str(ROOT / "core"), *(str(ROOT / "plugins" / name) for name in ("picklable", *learn))]
    install: list[str | Path] = [program, "pip", "install", "--quiet", f"--python={python}", *requirements, *own]
    subprocess.run(install, env=uv_settings(), check=True)
    env = {**os.environ, "TIFFIN_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([python, __file__, role], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"tools/version_pairs.py: {role} with {requirements}: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def page_of(rows: list[Row]) -> str:
    """Return the page."""
    lines = [
        "# Ten pairs of versions",
        "",
        "<!-- Made by tools/version_pairs.py; do not edit. -->",
        "",
        "Models were saved with examples in one version of a library, and [checked](../how-to/check-predictions.md)",
        "in another. The bytes of the answers, compared without Tiffin, say which have really changed.",
        "",
        "| saved with | checked with | answers | changed | close | different | most ulps | missed | false alarms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.before, row.after, row.answers, row.changed, row.close, row.different, row.ulps or "-"]
        lines.append("| " + " | ".join(map(str, [*cells, len(row.missed), len(row.alarms)])) + " |")
    total = [sum(row.answers for row in rows), sum(row.changed for row in rows)]
    lines += ["", f"Of {total[0]} answers {total[1]} had changed.", ""]
    lines += [
        f"- {row.before} → {row.after}: {what} {', '.join(names)}"
        for row in rows
        for what, names in (
            ("missed", row.missed),
            ("falsely flagged", row.alarms),
            ("cannot be loaded:", row.unloadable),
        )
        if names
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Play the role that is asked for; without one, compare all pairs and write the page."""
    if len(sys.argv) > 1:
        warnings.simplefilter("ignore")
        print(json.dumps({"save": save, "replay": replay}[sys.argv[1]]()))
        return
    rows = []
    for pair in PAIRS:
        with tempfile.TemporaryDirectory(prefix="tiffin-pairs-", ignore_cleanup_errors=True) as folder:
            rows.append(compare(pair, Path(folder)))
        print(rows[-1], flush=True)
        PAGE.write_text(page_of(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
