"""The manifests of the documentation: Kubernetes takes them, and what they say of a server's end is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from peers import ask_peer
from servers import Missing
from tiffin import Runnable, Runner
from tiffin.runners import metrics_text

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "deploy-a-server.md"
VERSIONS = ("1.31.0", "1.34.0", "1.37.0")


class Idle(Runnable):
    """Does nothing."""

    @Runnable.method(batchable=True)
    def predict(self, rows: Any) -> Any:
        """Return what comes."""
        return rows


def files() -> dict[str, str]:
    """Return the YAML files of the page."""
    text = PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r"^<!-- file: (\S+\.yaml) -->\n```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def manifests() -> dict[str, dict[str, Any]]:
    """Return the manifests of the page, by their kinds."""
    documents = [document for text in files().values() for document in yaml.safe_load_all(text)]
    return {document["kind"]: document for document in documents if "kind" in document}


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_manifests(version: str, tmp_path: Path) -> None:
    """By its own descriptions, and with no field that these do not know."""
    paths = []
    for name, text in files().items():
        if "apiVersion" in text:
            paths.append(tmp_path / name)
            paths[-1].write_text(text, encoding="utf-8")
    assert len(paths) == 2
    try:
        told = ask_peer("kubernetes-validate", "-m", "kubernetes_validate", "--strict", "-k", version, *paths)
    except Missing as missing:
        pytest.skip(str(missing))
    assert told.count("passed") == len(manifests())


def test_what_stops_a_pod_is_more_patient_than_its_server() -> None:
    """Before the kill there is time for the wait, the drain, and processes that end late."""
    from tiffin_serve._command import serve_command
    from tiffin_serve._supervisor import _LATE

    [container] = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    given = serve_command.make_context("serve", ["iris:prod", *container["args"]]).params
    waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    patience = manifests()["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert patience >= waits + given["grace"] + given["drain"] + _LATE


def test_the_manifests_fit_each_other_and_the_server() -> None:
    """What is selected is labelled, what is probed is routed, and what is scaled by is counted."""
    from tiffin_serve import Shelf, make_application

    found = manifests()
    pod = found["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    [container] = pod["spec"]["containers"]
    [port] = container["ports"]
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])
    routes = make_application(Shelf()).routes
    assert {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")} < set(routes)
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", found["Deployment"]["metadata"]["name"])
    metric = found["HorizontalPodAutoscaler"]["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert f"{metric} " in metrics_text(Runner(Idle, name="idle").metrics()).replace("{", " {")
    assert yaml.safe_load(files()["adapter-rules.yaml"])["rules"][0]["name"]["matches"] == metric
