"""A language model of the library transformers behind `tiffin serve --openai`, called by the client of OpenAI."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tiffin

pytestmark = pytest.mark.slow
openai = pytest.importorskip("openai", reason="openai is not installed")
pytest.importorskip("transformers", reason="transformers is not installed; tools/setup.sh --heavy brings it")
pytest.importorskip("tiffin_transformers")
pytest.importorskip("tiffin_serve")


@pytest.fixture
def client(store_home: Path) -> Iterator[Any]:
    """Return a client of a server with a tiny model in it."""
    from tiny_language_model import text_generation

    tiffin.save("tiny", text_generation())
    command = [sys.executable, "-m", "tiffin", "serve", "tiny", "--openai", "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "See also" in line:
                break
        assert "See also" in said[-1], "".join(said)
        url = next(line.split()[-1] for line in said if "Serving on" in line)  # before it there may be bars of progress
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
            yield made
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()  # type: ignore[union-attr]  # it is a pipe


def test_a_model_of_transformers_answers_the_client_of_openai(client: Any) -> None:
    """As a whole and in parts it writes the same; the chat's template is the model's own."""
    assert "tiny" in {model.id for model in client.models.list()}
    asked = {"model": "tiny", "prompt": "hello world", "max_tokens": 8}
    whole = client.completions.create(**asked).choices[0].text
    parts = [part.choices[0].text for part in client.completions.create(**asked, stream=True)]
    assert whole
    assert "".join(parts) == whole
    assert len(parts) > 2
    messages = [{"role": "user", "content": "hello world"}]
    said = client.chat.completions.create(model="tiny", messages=messages, max_tokens=8, temperature=0)
    assert said.choices[0].message.content
    chunks = client.chat.completions.create(model="tiny", messages=messages, max_tokens=8, temperature=0, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == said.choices[0].message.content
    with pytest.raises(openai.APIStatusError):
        client.completions.create(model="tiny", prompt="hello", seed=1)
