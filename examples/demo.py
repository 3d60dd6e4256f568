"""The main job on real data: train, save two versions, list, alias, load, predict, verify, run, share, look, serve.

Run by `make demo`. Works in a temporary TIFFIN_HOME, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import tiffin


def heading(text: str) -> None:
    """Print what comes next."""
    print(f"\n── {text} " + "─" * (96 - len(text)), flush=True)


def surroundings() -> dict[str, str]:
    """Return the environment of a terminal in which this Python's commands are found."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def shell(command: str) -> None:
    """Show a command, and run it as it would run in a terminal."""
    print(f"$ {command}", flush=True)
    subprocess.run(shlex.split(command), check=True, env=surroundings())


async def run_together(tag: str, rows: Any) -> None:
    """Let a hundred and fifty callers ask for one row each, and print the batches that their calls became."""
    async with tiffin.get(tag).to_runner(max_batch_size=64) as runner:
        predict = runner.predict.options(explain=True)
        answers = await asyncio.gather(*(predict.async_run(row[None]) for row in rows[:150]))
    batches = {answer.explanation.batch: answer.explanation for answer in answers}
    print(f"{len(answers)} calls of one row each ran as {len(batches)} batches:")
    for number, batch in sorted(batches.items()):
        print(f"  batch {number}: {batch.batch_rows} rows, {batch.compute_seconds * 1000:.1f} ms, {batch.released}")


def show_folder(folder: Path) -> None:
    """Print the files below a folder, with their sizes and the number of names that each content has."""
    for path in sorted(folder.rglob("*")):
        indent = "  " * len(path.relative_to(folder).parts)
        if path.is_dir():
            print(f"{indent}{path.name}/")
        else:
            stat = path.stat()
            shared = f", {stat.st_nlink} names" if stat.st_nlink > 1 else ""
            print(f"{indent}{path.name}  ({stat.st_size:,} bytes{shared})")


@contextlib.contextmanager
def served(tag: str) -> Iterator[str]:
    """Serve a model beside this program, on a port that is free; return the server's address.

    Raises:
        RuntimeError: it did not start, or did not end in order.
    """
    command = f"tiffin serve {tag} --port 0 --follow 0.1"
    print(f"$ {command} &", flush=True)
    with subprocess.Popen(shlex.split(command), env=surroundings(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = ""
            for line in server.stdout:
                print(line, end="", flush=True)
                url = url or line.split()[-1]
                if "See also" in line:
                    break
            if server.poll() is None:
                yield url
            server.wait(30)
        finally:
            server.terminate()
    if server.returncode:
        raise RuntimeError(f"the server ended with {server.returncode}; what it says above tells why")


def call(url: str, rows: list[list[float]]) -> tuple[Any, str]:
    """Return what a served model answers for some rows, and which version it was."""
    with urllib.request.urlopen(url, data=json.dumps(rows).encode(), timeout=30) as answer:
        return json.load(answer), answer.headers["tiffin-model"]


def move_while_called(url: str, rows: list[list[float]], alias: str, tag: str) -> None:
    """Move an alias while four callers ask without a pause, until the version that it names now has answered; count."""
    answered: Counter[str] = Counter()
    failed: list[Exception] = []
    moved, over = threading.Event(), threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                _, version = call(url, rows)
            except OSError as error:
                failed.append(error)
                moved.set()
                return
            answered[version] += 1
            if version == tag:
                moved.set()

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        shell(f"tiffin models alias {tag} {alias}")
        if not moved.wait(30):
            raise RuntimeError(f"{tag} has not answered in 30 s")
    finally:
        over.set()
        for caller in callers:
            caller.join()
    told = ", ".join(f"{count} by {version}" for version, count in answered.items())
    print(f"{answered.total()} calls were answered meanwhile ({told}), {len(failed)} failed")


def serve(rows: list[list[float]], better: tiffin.Model) -> None:
    """Serve what `iris:prod` names, call it, move the alias to a better version while calls run, and stop."""
    with served("iris:prod") as url:
        port = url.rpartition(":")[2]
        path = f"{url}/models/iris/predict"
        heading("Call it: plain JSON from any client, here from Python")
        print(f"$ curl -d '{json.dumps(rows)}' {path}")
        print(json.dumps(call(path, rows)[0]))
        heading("Move the alias while calls run: the server follows, and loses none")
        move_while_called(path, rows, "prod", str(better.tag))
        shell(f"tiffin serve status --port {port}")
        heading("Stop it: what was taken in is answered first")
        shell(f"tiffin serve stop --port {port}")


def main() -> None:
    """Run the demonstration."""
    heading("Train two classifiers of digits, and one of irises")
    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(digits.data, digits.target, random_state=0)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train_x, train_y)
    forest = RandomForestClassifier(n_estimators=50, random_state=0).fit(train_x, train_y)
    iris = load_iris()
    flowers = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)
    print(f"digits: logistic regression {linear.score(test_x, test_y):.1%}, forest {forest.score(test_x, test_y):.1%}")

    heading("Save them: tiffin.save(name, model, labels=…, metadata=…, input_example=…)")
    tags = []
    for kind, model in (("linear", linear), ("forest", forest)):
        accuracy = model.score(test_x, test_y)
        saved = tiffin.save(
            "digits", model, labels={"kind": kind}, metadata={"accuracy": accuracy}, input_example=test_x[:2]
        )
        tags.append(saved.tag)
    tags.append(tiffin.save("iris", flowers, labels={"kind": "linear"}, input_example=iris.data[:2]).tag)
    for tag in tags:
        print(f"saved {tag}")

    heading("List what is stored")
    shell("tiffin models list")

    heading("Give a version a name of its own: the first one is in production")
    shell(f"tiffin models alias {tags[0]} prod")
    shell("tiffin models get digits:prod")

    heading('Load and predict: tiffin.load("digits:prod"), tiffin.load("digits:latest")')
    for tag in ("digits:prod", "digits:latest"):
        model = tiffin.load(tag)
        right = (model.predict(test_x) == test_y).sum()
        print(f"{tag} is a {type(model).__name__}: {right} of {len(test_y)} digits right")

    heading("Check every byte against the digests in the records")
    shell("tiffin models verify")

    heading("Run it for many callers at once: their calls merge into batches")
    asyncio.run(run_together("digits:latest", test_x))

    heading("Share it: push it to a remote, here a folder")
    home = os.environ["TIFFIN_HOME"]
    remote = f"{home}-remote"
    shell(f"tiffin remotes add team {remote}")
    shell("tiffin models push digits:prod --aliases")
    shell("tiffin models push digits:latest")

    heading("On another machine: pull it, see what it would run, and load it")
    os.environ["TIFFIN_HOME"] = f"{home}-colleague"
    shell(f"tiffin models pull digits:prod {remote}")
    shell("tiffin models inspect digits")
    print(f"it answers {tiffin.load('digits').predict(test_x[:8])}, and right would be {test_y[:8]}")
    os.environ["TIFFIN_HOME"] = home

    heading("The store is a folder: every version is complete in itself")
    show_folder(Path(os.environ["TIFFIN_HOME"]))
    shell("tiffin models du")

    heading("Serve it over HTTP: one command, no code; here while another version waits for its turn")
    better = tiffin.save(
        "iris",
        DecisionTreeClassifier(random_state=0).fit(iris.data, iris.target),
        labels={"kind": "tree"},
        input_example=iris.data[:2],
    )
    tiffin.models.set_alias(tags[2], "prod")
    serve(iris.data[::60].tolist(), better)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="tiffin-demo-") as folder:
        os.environ["TIFFIN_HOME"] = f"{folder}/home"
        main()
