"""Language models in the form that clients of OpenAI speak: chat and text completions, embeddings, the list of models.

https://platform.openai.com/docs/api-reference. Which methods of a model are called is said in `_writers`.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import numpy as np

from tiffin_serve._application import Application, Handler, json_response
from tiffin_serve._errors import RequestError, as_request_error
from tiffin_serve._json_forms import JSON, read_json, write_json
from tiffin_serve._requests import Request, Response, StreamedResponse
from tiffin_serve._running import Method
from tiffin_serve._served import Served, Shelf
from tiffin_serve._streams import EVENTS, UNSTORED, Stream, event, json_event
from tiffin_serve._writing import Written, options_of, stops_of, without

EMBEDDERS = ("embed", "encode")
"""Methods that make rows of numbers of a list of texts."""
_DONE = event("[DONE]")
_REFUSED = ("tools", "functions", "logprobs", "top_logprobs", "echo", "suffix", "audio", "prediction")
"""Fields of requests that ask for what is not done here; to leave them out unseen would be a wrong answer."""
_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
_MOST_PROMPTS = 64


def add_openai(application: Application, shelf: Shelf, root: str = "/v1") -> None:
    """Route the endpoints that clients of OpenAI call.

    Args:
        application: gets the routes.
        shelf: what is served.
        root: where the paths begin.
    """

    async def models(request: Request) -> Response:
        listed = [_model(name, one) for name, one in shelf.by_name.items() if _is_for(one)]
        return json_response({"object": "list", "data": listed})

    def one_model(name: str, one: Served) -> Handler:
        async def model(request: Request) -> Response:
            return json_response(_model(name, one))

        return model

    async def chat(request: Request) -> Response:
        asked = await _asked(request)
        method = _method(shelf, asked, writer_of, "that streams texts: stream, generate or chat")
        return await _complete(request, asked, method, [_messages(asked)], chat=True)

    async def complete(request: Request) -> Response:
        asked = await _asked(request)
        method = _method(shelf, asked, writer_of, "that streams texts: stream or generate")
        return await _complete(request, asked, method, _texts(asked, "prompt"), chat=False)

    async def embed(request: Request) -> Response:
        asked = await _asked(request)
        method = _method(shelf, asked, embedder_of, f"called {' or '.join(EMBEDDERS)}")
        texts = _texts(asked, "input")
        rows = np.asarray(await method.of(request).call(texts), np.float32)
        if rows.ndim != 2 or len(rows) != len(texts):
            raise RequestError(500, f"The model made an array of shape {rows.shape} of {len(texts)} texts")
        written: Any = _base64 if asked.get("encoding_format") == "base64" else np.ndarray.tolist
        data = [{"object": "embedding", "index": number, "embedding": written(row)} for number, row in enumerate(rows)]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return json_response({"object": "list", "data": data, "model": asked["model"], "usage": usage})

    application.route("GET", f"{root}/models", _told(models))
    for name, one in shelf.by_name.items():
        if _is_for(one):
            application.route("GET", f"{root}/models/{name}", _told(one_model(name, one)))
    application.route("POST", f"{root}/chat/completions", _told(chat))
    application.route("POST", f"{root}/completions", _told(complete))
    application.route("POST", f"{root}/embeddings", _told(embed))


# Which methods


def writer_of(one: Served) -> Method | None:
    """Return the method of a model that writes: it streams texts, given a text, or a chat as a list of messages."""
    for name in ("stream", "generate", "chat"):
        method = one.methods.get(name)
        if method is not None and method.streams:
            return method
    return None


def embedder_of(one: Served) -> Method | None:
    """Return the method of a model that embeds: it returns a row of numbers for each of a list of texts."""
    found = (one.methods.get(name) for name in EMBEDDERS)
    return next((method for method in found if method is not None and not method.streams), None)


def _is_for(one: Served) -> bool:
    return writer_of(one) is not None or embedder_of(one) is not None


def _method(shelf: Shelf, asked: Mapping[str, Any], find: Callable[[Served], Method | None], words: str) -> Method:
    name = asked.get("model")
    one = shelf.by_name.get(name) if isinstance(name, str) else None
    if one is None:
        raise RequestError(
            404, f"No model {str(name)[:130]!r} is served here", fix="GET /v1/models lists those there are"
        )
    method: Method | None = find(one)
    if method is None:
        raise RequestError(400, f"Model {name!r} has no method {words}", why=f"It has: {', '.join(one.methods)}")
    return method


def _model(name: str, one: Served) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _seconds(one), "owned_by": "tiffin"}


def _seconds(one: Served) -> int:
    made = one.model.info.creation_time
    return int(made.timestamp())


# What comes


async def _asked(request: Request) -> dict[str, Any]:
    asked = read_json(await request.body())
    if type(asked) is not dict:
        raise RequestError(400, "The request is no object")
    for name in _REFUSED:
        if asked.get(name):
            raise RequestError(400, f"{name!r} is not known here", fix="Leave it out")
    for name in ("n", "best_of"):
        if asked.get(name) not in (None, 1):
            raise RequestError(400, f"{name!r} is {str(asked[name])[:40]}", fix="Ask for one at a time")
    form = asked.get("response_format")
    if form is not None and form != {"type": "text"}:
        raise RequestError(400, "'response_format' is not text", why="Nothing here makes a model write in a form")
    return asked


def _texts(asked: Mapping[str, Any], field: str) -> list[str]:
    value = asked.get(field)
    texts = [value] if isinstance(value, str) else value
    if type(texts) is not list or not texts or not all(isinstance(text, str) for text in texts):
        raise RequestError(400, f"{field!r} is no text, and no list of texts", why="Tokens are not known here")
    if field == "prompt" and len(texts) > _MOST_PROMPTS:
        raise RequestError(400, f"There are {len(texts)} prompts", fix=f"Send {_MOST_PROMPTS} at most")
    return texts


def _messages(asked: Mapping[str, Any]) -> list[dict[str, str]]:
    messages = asked.get("messages")
    if type(messages) is not list or not messages:
        raise RequestError(400, "'messages' is no list of messages")
    made = []
    for number, message in enumerate(messages):
        content = message.get("content") if type(message) is dict else None
        if type(content) is list:
            parts: list[Any] = [
                part.get("text") if type(part) is dict and part.get("type") == "text" else None for part in content
            ]
            content = "".join(parts) if all(isinstance(part, str) for part in parts) else None
        if not isinstance(content, str) or not isinstance(message.get("role"), str):
            raise RequestError(400, f"messages[{number}] has no role, or a content that is no text")
        made.append({"role": message["role"], "content": content})
    return made


# What is answered


async def _complete(
    request: Request, asked: Mapping[str, Any], method: Method, prompts: list[Any], *, chat: bool
) -> Response:
    streams = asked.get("stream", False)
    if type(streams) is not bool or (streams and len(prompts) > 1):
        raise RequestError(400, "'stream' is true for one prompt, or false")
    options, most = options_of(asked, method.about.parameters)
    stops = stops_of(asked)
    kind = "chat.completion" if chat else "text_completion"
    head = {"id": f"{'chatcmpl' if chat else 'cmpl'}-{secrets.token_hex(12)}", "created": int(time.time())}
    head |= {"model": asked["model"], "object": f"{kind}.chunk" if streams and chat else kind}

    async def begin(prompt: Any) -> Written:
        return await _begin(method.of(request), prompt, options, stops, most)

    if streams:
        written = await begin(prompts[0])
        stream = Stream(_Chunks(written, head, chat=chat), json_event, _DONE, _failed)
        return StreamedResponse(200, stream, [("content-type", EVENTS), *UNSTORED])
    choices = [await _whole(await begin(prompt)) for prompt in prompts]
    told = [
        {
            "index": number,
            "finish_reason": finish,
            "logprobs": None,
            **({"message": {"role": "assistant", "content": text}} if chat else {"text": text}),
        }
        for number, (text, finish) in enumerate(choices)
    ]
    return json_response({**head, "choices": told})


async def _begin(method: Method, prompt: Any, options: dict[str, Any], stops: list[str], most: int | None) -> Written:
    """Have a model begin to write. What it takes besides the prompt is not always known before."""
    given = dict(options)
    for _ in range(len(options) + 3):
        written = Written(method.call(prompt, **given), stops, most)
        try:
            await written.begin()
        # Of what a worker raises only the words are left.
        except Exception as error:
            found = _UNEXPECTED.search(str(error))
            if found is None or found[1] not in given:
                raise
            given = without(given, found[1], options)
        else:
            return written
    raise RequestError(400, f"The model does not take {', '.join(options)}", fix="Leave them out")


async def _whole(written: Written) -> tuple[str, str]:
    text = "".join([piece async for piece in written])
    return text, written.finish


class _Chunks:
    """The chunks of a streamed answer: pieces of text, and a last one with the reason for the end."""

    def __init__(self, written: Written, head: Mapping[str, Any], *, chat: bool) -> None:
        self._written, self._head, self._chat = written, head, chat
        self._first, self._over = True, False

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self

    async def __anext__(self) -> dict[str, Any]:
        if self._over:
            raise StopAsyncIteration
        try:
            piece = await anext(self._written)
        except StopAsyncIteration:
            self._over = True
            return self._chunk("", self._written.finish)
        return self._chunk(piece, None)

    def _chunk(self, piece: str, finish: str | None) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
        if self._chat:
            delta = {"role": "assistant"} if self._first else {}
            choice["delta"] = delta if finish else {**delta, "content": piece}
        else:
            choice["text"] = piece
        self._first = False
        return {**self._head, "choices": [choice]}

    async def aclose(self) -> None:
        """End what is written."""
        await self._written.aclose()


def _base64(row: np.ndarray) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def _error(error: Exception) -> tuple[RequestError, dict[str, Any]]:
    """Return an error as such clients read it."""
    known = as_request_error(error)
    kind = "invalid_request_error" if known.status < 500 else "server_error"
    code = "model_not_found" if known.status == 404 else None
    return known, {"error": {"message": str(known), "type": kind, "param": None, "code": code}}


def _failed(error: Exception) -> bytes:
    return json_event(_error(error)[1])


def _told(handler: Handler) -> Handler:
    """Answer errors as such clients read them."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        # Whatever a model raises is answered.
        except Exception as error:  # noqa: BLE001
            known, told = _error(error)
            return Response(known.status, write_json(told), JSON + list(known.headers.items()))

    return answer
