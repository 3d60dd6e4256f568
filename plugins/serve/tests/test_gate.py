"""Who may come in, from where, by what, and what is noted of it."""

from __future__ import annotations

import io
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tiffin_serve._layers import with_log, with_origins, with_tokens

SUMS = "/models/sums/predict"


def test_only_who_brings_a_token_gets_an_answer(client: Callable[..., Any]) -> None:
    """But for health, which says nothing of what is served; whatever is not quite the token is refused."""
    one = client("sums:1")
    one.application.wrap(lambda handler: with_tokens(handler, ["secret", "other"], pages=("/",)))
    for given in ("Bearer secret", "bearer other"):
        assert one.post(SUMS, [[1, 2, 3]], headers={"authorization": given}).json() == [6.0]
    for given in ("Bearer secre", "Bearer secret2", "secret", "Basic secret", "Bearer", "Bearer s\u00fcss".encode()):
        refused = one.post(SUMS, [[1, 2, 3]], headers={"authorization": given})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="tiffin"')
    assert one.get("/models").status_code == one.get("/metrics").status_code == one.get("/nowhere").status_code == 401
    assert one.get("/livez").status_code == one.get("/readyz").status_code == 200


def test_pages_of_known_origins_may_call(client: Callable[..., Any]) -> None:
    """What a browser asks before a call is answered, without a token; others get no such header."""
    one = client("sums:1")
    one.application.wrap(lambda handler: with_tokens(handler, ["secret"]))
    one.application.wrap(lambda handler: with_origins(handler, ["https://app.example"]))
    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    before = one.request("OPTIONS", SUMS, headers=asked)
    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == "https://app.example"
    assert "authorization" in before.headers["access-control-allow-headers"]
    call = {"origin": "https://app.example", "authorization": "Bearer secret"}
    answer = one.post(SUMS, [[1, 2, 3]], headers=call)
    assert (answer.json(), answer.headers["vary"]) == ([6.0], "origin")
    assert one.post(SUMS, [[1, 2, 3]], headers={"origin": "https://app.example"}).status_code == 401
    for origin in ("https://app.example.evil", "null", "http://app.example"):
        stranger = one.post(SUMS, [[1, 2, 3]], headers={**call, "origin": origin})
        assert "access-control-allow-origin" not in stranger.headers


def test_each_answer_is_one_line_of_the_log(client: Callable[..., Any]) -> None:
    """Whatever is in the path, and when parts were all sent; a log that takes nothing refuses nobody."""
    one = client("sums:1", "teller")
    into = io.StringIO()
    one.application.wrap(lambda handler: with_log(handler, into))
    one.post(SUMS, [[1, 2, 3]], headers={"x-request-id": "r-1"})
    one.post("/models/teller/count", 3)
    one.get("/no%0Awhere")
    lines = [json.loads(line) for line in into.getvalue().splitlines()]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", SUMS, 200),
        ("POST", "/models/teller/count", 200),
        ("GET", "/no\nwhere", 404),
    ]
    assert (lines[0]["id"], lines[0]["bytes"]) == ("r-1", 5)
    into.close()
    assert one.post(SUMS, [[1, 2, 3]]).json() == [6.0]


def test_a_call_is_explained_on_request(client: Callable[..., Any]) -> None:
    """Why it waited, and with what it was batched, in a header; without that, none."""
    one = client("sums:1")
    answer = one.post(SUMS, [[1, 2, 3], [4, 5, 6]], headers={"tiffin-explain": "1", "x-request-id": "a"})
    told = json.loads(answer.headers["tiffin-explain"])
    assert (answer.json(), told["batch_rows"], told["method"]) == ([6.0, 15.0], 2, "predict")
    assert "tiffin-explain" not in one.post(SUMS, [[1, 2, 3]]).headers


def test_requests_are_spans_whose_parent_is_the_callers(client: Callable[..., Any]) -> None:
    """Models are told of the span that was made, as the parent of what they do."""
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from tiffin_serve._tracing import with_spans

    kept, provider = export.InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    one = client("sums:1")
    seen = []
    one.application.wrap(lambda handler: lambda request: seen.append(request) or handler(request))
    one.application.wrap(lambda handler: with_spans(handler, provider))
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    assert one.post(SUMS, [[1, 2, 3]], headers={"traceparent": f"00-{trace}-{parent}-01"}).json() == [6.0]
    one.post(SUMS, [[13, 2, 3]])
    first, second = kept.get_finished_spans()
    assert (f"{first.context.trace_id:032x}", f"{first.parent.span_id:016x}") == (trace, parent)
    assert first.attributes["url.path"] == SUMS
    assert seen[0].trace_parent == f"00-{trace}-{first.context.span_id:016x}-01"
    assert (second.parent, second.status.is_ok) == (None, False)


@pytest.mark.parametrize("server", ["granian", "uvicorn"])
def test_a_server_speaks_tls_asks_for_tokens_and_keeps_a_log(
    serving: Callable[..., Any], certificate: tuple[Path, Path], tmp_path: Path, server: str
) -> None:
    """All options of the command at once, by a client that checks the certificate."""
    cert, key = certificate
    tokens, log = tmp_path / "tokens", tmp_path / "log"
    tokens.write_text("one\n\ntwo\n", encoding="utf-8")
    tokens.chmod(0o600)
    files = ["--certificate", str(cert), "--key", str(key), "--token-file", str(tokens), "--access-log", str(log)]
    one = serving("sums:1", "--server", server, *files)
    assert one.url.startswith("https://")
    context = ssl.create_default_context(cafile=str(cert))
    with httpx.Client(base_url=one.url, verify=context) as asking:
        assert asking.post(SUMS, json=[[1, 2, 3]]).status_code == 401
        told = asking.post(SUMS, json=[[1, 2, 3]], headers={"authorization": "Bearer two"})
        assert told.json() == [6.0]
    assert [json.loads(line)["status"] for line in log.read_text(encoding="utf-8").splitlines()] == [401, 200]


def test_what_a_gate_cannot_be_made_of_is_an_error_in_words(store: None, tmp_path: Path, models_folder: Path) -> None:
    """A certificate without a key, one that is none, tokens that everybody may read, or none."""
    (tmp_path / "none").write_text("\n", encoding="utf-8")
    (tmp_path / "open").write_text("token\n", encoding="utf-8")
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "none").chmod(0o600)
    environment = {**os.environ, "PYTHONPATH": str(models_folder)}
    for arguments, said in (
        (["--certificate", "open"], "needs both"),
        (["--certificate", "open", "--key", "open"], "no certificate with its key"),
        (["--token-file", "none"], "no token in"),
        (["--token-file", "open"], "chmod o-r"),
        (["--access-log", "nowhere/log"], "Cannot write"),
    ):
        command = [sys.executable, "-m", "tiffin", "serve", "sums:1", "--port", "0", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path, env=environment
        )
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (1, True, False), done.stderr
