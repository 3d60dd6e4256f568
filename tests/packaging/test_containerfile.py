"""What `tiffin serve --containerfile` prints is carried out, command by command, in a fresh environment."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import tiffin
from fresh import Environment, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("packaging")]

TIFFIN = [sys.executable, "-m", "tiffin"]
TRAIN = """
import tiffin
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

iris = load_iris()
for strength in (1.0, 0.1):
    model = LogisticRegression(C=strength, max_iter=1000).fit(iris.data, iris.target)
    tiffin.save("iris", model, input_example=iris.data[:2])
    tiffin.models.set_alias("iris", f"c{strength:g}")
"""


class Image:
    """Carries out the instructions of a Containerfile below a folder, with an environment in the place of the base image.

    Args:
        text: the Containerfile.
        context: the folder that it is built in.
        root: stands for "/srv".
        environment: where pip installs.
    """

    def __init__(self, text: str, context: Path, root: Path, environment: Environment) -> None:
        self.settings = {
            **environment.pip_settings,
            "PATH": f"{environment.folder}/bin{os.pathsep}{os.environ['PATH']}",
        }
        self.folder = root
        root.mkdir()
        self.base = self.user = ""
        self.ports: list[int] = []
        for line in re.sub(r"\\\n", "", text.replace("/srv", str(root))).splitlines():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                self.base = rest
            elif word == "ENV":
                name, _, value = rest.partition("=")
                self.settings[name] = value
            elif word == "WORKDIR":
                self.folder = Path(rest)
                self.folder.mkdir(parents=True)
            elif word == "RUN":
                mount = re.match(r"--mount=type=bind,target=(\S+) ", rest)
                if mount is not None:
                    Path(mount[1]).symlink_to(context)
                run(["sh", "-c", rest[mount.end() if mount else 0 :]], self.folder, **self.settings)
                if mount is not None:
                    Path(mount[1]).unlink()
            elif word == "USER":
                self.user = rest
            elif word == "EXPOSE":
                self.ports.append(int(rest))
            elif word == "ENTRYPOINT":
                self.command = json.loads(rest)
            else:
                assert word in ("", "#"), line


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have two versions of a model in a store; return a folder to build in."""
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "home"))
    context = tmp_path / "context"
    context.mkdir()
    run([sys.executable, "-c", TRAIN], context)
    return context


def test_the_commands_of_a_containerfile_make_what_serves_the_model(
    built: Path, wheelhouse: Path, trained: Path, tmp_path: Path
) -> None:
    """With the versions of the record and the aliases that were asked for; in it the store needs nothing to be written."""
    text = run([*TIFFIN, "serve", "iris:c1", "--canary", "iris:c0.1=50%", "--drain", "5", "--containerfile"], trained)
    for line in re.findall(r"^#   (tiffin models export .*)$", text, re.MULTILINE):
        run([*TIFFIN, *line.split()[1:]], trained)
    assert len(list(trained.iterdir())) == 2
    environment = Environment(tmp_path / "env", [built, wheelhouse])
    image = Image(text, trained, tmp_path / "srv", environment)
    versions = tiffin.get("iris:c1").info.context
    assert image.base == f"docker.io/library/python:{'.'.join(versions.python_version.split('.')[:2])}-slim"
    installed = environment.run("-c", "import sklearn, tiffin_serve; print(sklearn.__version__)")
    assert installed.strip() == versions.framework_versions["scikit-learn"]
    assert image.user == "65534:65534"
    assert image.ports == [3000]
    assert image.command[:6] == ["tiffin", "serve", "iris:c1", "--host", "0.0.0.0", "--port"]
    for path in (tmp_path / "srv").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    command = [f"{environment.folder}/bin/tiffin", *image.command[1:], "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        command, cwd=image.folder, env=os.environ | image.settings, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            answers = set()
            for _ in range(2):
                with urllib.request.urlopen(f"{url}/models/iris", data=b"[[5.1, 3.5, 1.4, 0.2]]", timeout=60) as answer:
                    assert json.load(answer) == [0]
                    answers.add(answer.headers["tiffin-model"])
            assert answers == {str(tiffin.get("iris:c1").tag), str(tiffin.get("iris:c0.1").tag)}
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0


def test_an_archive_of_another_content_is_not_trusted_in_the_image(
    built: Path, wheelhouse: Path, trained: Path, tmp_path: Path
) -> None:
    """Whatever was put in the place of what was exported, the build ends."""
    text = run([*TIFFIN, "serve", "iris:c1", "--containerfile"], trained)
    other, tag = tiffin.get("iris:c0.1"), tiffin.get("iris:c1").tag
    tiffin.models.export_model(other.tag, trained / "other.tiffin")
    elsewhere = tiffin.ModelStore(tmp_path / "elsewhere")
    tiffin.models.import_model(trained / "other.tiffin", name=tag, store=elsewhere)
    tiffin.models.export_model(tag, trained / f"iris-{tag.version}.tiffin", store=elsewhere)
    environment = Environment(tmp_path / "env", [built, wheelhouse])
    with pytest.raises(AssertionError, match="is not what was shown"):
        Image(text, trained, tmp_path / "srv", environment)
