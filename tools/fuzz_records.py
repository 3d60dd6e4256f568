"""Change what a stranger's record says, take it in through every door, and see whether a command line fails or lets it show.

Run: python tools/fuzz_records.py [--seed 0] [--seconds 60]

A record is changed in its values (with its digests made to fit) or in its text, packed into an archive, looked at, imported,
listed, shown, trusted, compared, pushed to a folder and pulled from there. A fault is an error that is no `TiffinError`, a
character that moves the cursor or leaves no trace in what a person reads, a model of one's own that a list no longer shows,
or a step that takes more than a few seconds.
"""

from __future__ import annotations

import collections
import copy
import hashlib
import io
import os
import random
import shutil
import sys
import tarfile
import tempfile
import time
import traceback
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

import tiffin
from fuzzing import arguments, report
from tiffin.cli import cli
from tiffin.exceptions import TiffinError
from tiffin.info import ModelInfo

HOSTILE: list[Any] = [
    None, True, 0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 10**30, 0.5, float("nan"), float("inf"),
    "", " ", "a", ".", "..", "/", "../x", "/etc/passwd", "a/b", "\\", "C:\\x", "latest", "--force", "-o", "$(id)", "a;b",
    "a\x00b", "a\nb", "a\r\x1b[2J", "\x1b]0;x\x07", "\u202etxt", "\u200b", "\ufeff", "\u2028", "\x85", "\ufffe", "\uff41",
    "a" * 70_000, "x" * 300, "\xe9" * 40, "\U0001f3f3\ufe0f\u200d\U0001f308", "os.system", "builtins:eval",
    "9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+00:00", "2026-13-01", "1970-01-01",
    "sha256:" + "0" * 64, "sha256:", "v9", "v1", "1.0", [], {}, [[]], [{}], ["a"] * 3000, {"": ""}, {"a": {}},
    {"__init__": {}}, {"__class__": {"batchable": True}}, {"predict": {"batchable": "yes"}}, {"predict": None}, {1: 2},
    {None: None}, {f"k{number}": number for number in range(2000)},
    {"size": 1, "sha256": "0" * 64}, {"size": -1, "sha256": ""},
    {"model.pkl": {"size": 2**60, "sha256": "0" * 64}}, {"path": "/etc/passwd"}, {"type": "pickle", "file": "../../x"},
    {"a": [1, {"b": [None]}]},
]  # fmt: skip
TEXTS = [
    b"x: &a [1]\ny: [*a, *a, *a]\n", b"<<: {a: b}\n", b"!!python/object/apply:os.system [id]\n", b"x: !!int '1_0'\n",
    b"? [1]\n: 2\n", b"name: twice\n", b"\xff\xfe", b"--- \n", b"...\n---\n", b"\t", b"x: !!binary aGk=\n", b"x: !!set {a}\n",
    b"x: 0x10\n", b"x: 1:2:3\n", b"x: " + b"[" * 3000 + b"\n", b"x: &x {y: *x}\n", b"# \xe2\x80\xae comment\n",
    b"x: 2001-01-01\n", b"\x00",
]  # fmt: skip
SLOW = 10.0
LINES = {"\n", "\t"}
UNSEEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Categories of characters that do something else than show as themselves."""


class Fuzzer:
    """One store, one folder as a remote, and a model to begin from."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.numbers = folder, random.Random(seed)
        self.remote = folder / "remote"
        self.counts: collections.Counter[str] = collections.Counter()
        self.faults: collections.Counter[str] = collections.Counter()
        self.files = {"model.pkl": b""}
        self.done = 0
        self.home()
        model = tiffin.save(
            "iris:1", {"a": 1}, framework="picklable", labels={"team": "a"}, metadata={"accuracy": 0.9, "notes": ["x"]},
            custom_objects={"scale": {"by": 2}}, card="# Iris",
        )  # fmt: skip
        tiffin.models.push("iris:1", str(folder / "good"))
        self.plain = yaml.safe_load(Path(model.path, "model.yaml").read_text(encoding="utf-8"))
        self.files = {
            path.relative_to(model.path).as_posix(): path.read_bytes()
            for path in Path(model.path).rglob("*")
            if path.is_file() and path.name != "model.yaml"
        }

    def home(self) -> None:
        """Begin with an empty store, which holds a model of one's own."""
        shutil.rmtree(self.folder / "home", ignore_errors=True)
        os.environ["TIFFIN_HOME"] = str(self.folder / "home")
        tiffin.save("own:1", {"b": 1}, framework="picklable")

    def record(self) -> bytes:
        """Return a record in which something is changed, mostly with digests that fit."""
        record = copy.deepcopy(self.plain)
        record.pop("digest")
        for _ in range(self.numbers.choice((1, 1, 1, 2, 4))):
            self.change(record)
        if self.numbers.random() < 0.9:
            try:
                record["content_digest"] = ModelInfo.from_dict(record, path="x").compute_digest()
            except (TiffinError, ValueError, TypeError, AttributeError):
                self.counts["no record"] += 1  # the doors have to say so
        text = yaml.safe_dump(record, sort_keys=False, allow_unicode=self.numbers.random() < 0.5).encode()
        if self.numbers.random() < 0.25:
            at = self.numbers.choice([0, len(text), *(i + 1 for i, one in enumerate(text) if one == 10)])
            text = text[:at] + self.numbers.choice(TEXTS) + text[at:]
        if self.numbers.random() < 0.95:
            text += b"digest: sha256:" + hashlib.sha256(text).hexdigest().encode() + b"\n"
        return text

    def change(self, record: dict[str, Any]) -> None:
        """Change one value anywhere, remove one, rename one, or add one."""
        places: list[tuple[Any, Any]] = []
        pending: list[Any] = [record]
        while pending:
            holder = pending.pop()
            for key in holder if isinstance(holder, dict) else range(len(holder)):
                places.append((holder, key))
                if isinstance(holder[key], (dict, list)):
                    pending.append(holder[key])
        holder, key = self.numbers.choice(places)
        what = self.numbers.random()
        value = copy.deepcopy(self.numbers.choice(HOSTILE))
        if what < 0.7 or isinstance(holder, list):
            holder[key] = value
        elif what < 0.8:
            del holder[key]
        elif what < 0.9 and isinstance(value, (str, int, type(None))):
            holder[value] = holder.pop(key)
        else:
            holder[self.numbers.choice(["x", "predict", "trust", "digest", "/", "\x1b", ".."])] = value

    def pack(self, text: bytes) -> Path:
        """Return an archive of a record and the model's files."""
        path = self.folder / "x.tar"
        with tarfile.open(path, "w") as archive:
            for name, content in {"model.yaml": text, **self.files}.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    def say(self, *words: str, answer: str = "n\n") -> Any:
        """Run a command, and note what is wrong with how it ends or what it shows."""
        began = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = CliRunner().invoke(cli, list(words), prog_name="tiffin", input=answer)
        self.counts[f"{words[0]} {words[1]} {result.exit_code}"] += 1
        name = " ".join(word for word in words[:2]) + (" " + words[-1] if words[-1] in ("yaml", "json", "text") else "")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            where = traceback.extract_tb(result.exception.__traceback__)[-1]
            self.faults[
                f"{name}: {type(result.exception).__name__} in {where.name}: {str(result.exception)[:120]!r}"
            ] += 1
        if "Traceback" in result.output:
            self.faults[f"{name}: a traceback"] += 1
        seen = {one for one in set(result.output) - LINES if unicodedata.category(one) in UNSEEN}
        if seen:
            self.faults[f"{name}: shows {sorted(map(ascii, seen))}"] += 1
        if len(result.output) > 3_000_000:
            self.faults[f"{name}: prints {len(result.output):,} characters"] += 1
        if time.monotonic() - began > SLOW:
            self.faults[f"{name}: takes more than {SLOW:g} s"] += 1
        return result

    def one(self) -> None:
        """Take one record in through every door."""
        if self.done % 10 == 0:
            self.home()
        self.done += 1
        text = self.record()
        archive = str(self.pack(text))
        before = {model.tag for model in tiffin.models.list()}
        self.say("models", "import", archive, "--force")
        arrived = [str(model.tag) for model in tiffin.models.list() if model.tag not in before]
        if arrived:
            self.counts["imported"] += 1
        for tag in arrived:
            for form in ("path", "yaml", "json"):
                self.say("models", "get", tag, "-o", form)
            self.say("models", "inspect", tag)
            self.say("models", "trust", tag)
            self.say("models", "card", tag)
            self.say("models", "diff", tag, "own:1")
            self.say("models", "export", tag, str(self.folder / "out.tar"), "--force")
            self.say("models", "push", tag, str(self.remote))
        self.put(text)
        self.say("remotes", "models", str(self.remote))
        self.say("models", "pull", "iris:1", str(self.remote), "--force")
        for form in ("table", "yaml", "json"):
            listed = self.say("models", "list", "-o", form)
            if "own" not in listed.output:
                self.faults[f"models list {form}: does not show a model of one's own"] += 1
        self.say("models", "du")
        self.say("models", "verify")
        if arrived and self.numbers.random() < 0.5:
            self.say("models", "delete", arrived[0], "--yes")

    def put(self, text: bytes) -> None:
        """Write the record into the folder that stands for a remote, as somebody who may write there."""
        shutil.rmtree(self.remote, ignore_errors=True)
        shutil.copytree(self.folder / "good", self.remote)
        (record,) = self.remote.rglob("model.yaml")
        record.write_bytes(text)


def main() -> int:
    """Fuzz for some seconds."""
    options = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        fuzzer = Fuzzer(Path(name), options.seed)
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            fuzzer.one()
    return report(fuzzer.counts, fuzzer.faults)


if __name__ == "__main__":
    sys.exit(main())
