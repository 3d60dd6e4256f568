"""Language models, called by the client of OpenAI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tiffin_serve._writing import Written

openai = pytest.importorskip("openai", reason="openai is not installed; make setup brings it")


@pytest.fixture
def ask(serving: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Return a function that serves tags in their own process, and returns a client of it."""
    clients = []

    def connect(*arguments: str) -> Any:
        one = serving(*arguments, "--openai")
        clients.append(openai.OpenAI(base_url=f"{one.url}/v1", api_key="none", max_retries=0))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_the_client_of_openai_lists_chats_completes_and_embeds(ask: Callable[..., Any]) -> None:
    """As a whole and in parts; by every name that a model has; what cannot write is not listed."""
    client = ask("writer", "open", "sums:prod")
    assert {"writer", "open"} <= {model.id for model in client.models.list()}
    assert "sums" not in {model.id for model in client.models.list()}
    assert client.models.retrieve("writer").owned_by == "tiffin"
    messages = [
        {"role": "system", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "hello there"}]},
    ]
    whole = client.chat.completions.create(model="writer", messages=messages, temperature=0.5)
    assert whole.choices[0].message.content == "user said hello there "
    assert (whole.choices[0].finish_reason, whole.object) == ("stop", "chat.completion")
    chunks = list(client.chat.completions.create(model="writer", messages=messages, stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["user ", "said ", "hello ", "there ", None]
    assert (chunks[0].choices[0].delta.role, chunks[-1].choices[0].finish_reason) == ("assistant", "stop")
    text = client.completions.create(model="writer", prompt="one two three", max_tokens=2)
    assert (text.choices[0].text, text.choices[0].finish_reason) == ("one two ", "length")
    two = client.completions.create(model="writer", prompt=["a b", "c d"], stop=[" "])
    assert [choice.text for choice in two.choices] == ["a", "c"]
    parts = client.completions.create(model="writer", prompt="one two three four", stream=True, stop="o thr")
    assert "".join(part.choices[0].text for part in parts) == "one tw"
    for form in ("float", "base64"):
        rows = client.embeddings.create(model="writer", input=["banana", "x"], encoding_format=form)
        assert client.embeddings.create(model="writer", input="banana").data[0].embedding == [6.0, 3.0]
        assert len(rows.data) == 2


def test_what_a_model_may_take_is_tried(ask: Callable[..., Any]) -> None:
    """The number of tokens is kept here where a model does not; another option that it does not take is refused."""
    client = ask("open")
    said = client.completions.create(model="open", prompt="x", max_tokens=2, temperature=0)
    assert (said.choices[0].text, said.choices[0].finish_reason) == ("ab", "length")
    said = client.completions.create(model="open", prompt="x", temperature=0.5, top_p=0.9)
    assert said.choices[0].text == "abc[('do_sample', True), ('temperature', 0.5), ('top_p', 0.9)]"
    with pytest.raises(openai.BadRequestError, match="does not take 'seed'"):
        client.completions.create(model="open", prompt="x", seed=1)


def test_errors_are_those_that_the_client_knows(ask: Callable[..., Any]) -> None:
    """By their classes, with their words; in the middle of a stream, too; secrets stay in the house."""
    client = ask("writer", "sums:prod")
    with pytest.raises(openai.NotFoundError, match="No model 'nix'"):
        client.completions.create(model="nix", prompt="x")
    for given, said in (
        ({"model": "sums", "prompt": "x"}, "no method that streams"),
        ({"model": "writer", "prompt": [1, 2]}, "no text"),
        ({"model": "writer", "prompt": "x", "n": 2}, "'n' is 2"),
        ({"model": "writer", "prompt": "x", "logprobs": 1}, "'logprobs'"),
        ({"model": "writer", "prompt": "x", "top_p": 0.5}, "does not take 'top_p'"),
        ({"model": "writer", "prompt": "x", "max_tokens": 0}, "'max_tokens'"),
    ):
        with pytest.raises(openai.BadRequestError, match=said):
            client.completions.create(**given)
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.chat.completions.create(model="writer", messages=[{"role": "user"}])
    with pytest.raises(openai.InternalServerError, match="could not be answered") as failed:
        client.completions.create(model="writer", prompt="fail")
    assert "secret" not in str(failed.value)
    with pytest.raises(openai.APIError, match="could not be answered"):
        list(client.completions.create(model="writer", prompt="a b fail", stream=True))


def test_a_stream_that_is_closed_ends_the_model(
    ask: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client breaks off, and the model's generator is closed."""
    log = tmp_path / "log"
    monkeypatch.setenv("TELLER_LOG", str(log))
    client = ask("writer")
    with client.completions.create(model="writer", prompt="a " * 1_000_000, stream=True) as stream:
        assert next(iter(stream)).choices[0].text == "a "
    while not log.exists() or not log.read_text(encoding="utf-8"):
        httpx.get(str(client.base_url).replace("/v1/", "/livez"))


@pytest.mark.parametrize("stops", [["bc"], ["cd", "bc"], ["abcd", "bce"]])
def test_a_stop_is_found_however_the_pieces_are_cut(loop: Callable[..., Any], stops: list[str]) -> None:
    """Nothing of it is given out before it is known that it is none."""

    async def items(pieces: list[str]) -> AsyncIterator[str]:
        for piece in pieces:
            yield piece

    async def read(pieces: list[str]) -> str:
        return "".join([piece async for piece in Written(items(pieces), stops, None)])

    text = "xabcabce"
    wanted = text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]
    for first in range(len(text)):
        for second in range(first, len(text)):
            assert loop(read([text[:first], text[first:second], text[second:]])) == wanted
