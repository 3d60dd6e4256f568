"""What a model writes, while it writes: `generate` runs in a thread of its own, and ends once nobody reads any more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList, TextStreamer
from transformers.generation.streamers import BaseStreamer


def tokens(generate: Callable[..., Any], arguments: Mapping[str, Any]) -> Iterator[int]:
    """Yield the tokens that a model writes after one prompt, without it."""
    return _streamed(generate, arguments, _Tokens)


def pieces(generate: Callable[..., Any], arguments: Mapping[str, Any], tokenizer: Any) -> Iterator[str]:
    """Yield the text that a model writes after one prompt, in pieces that end where no later token changes them."""
    return _streamed(generate, arguments, lambda put: _Pieces(put, tokenizer))


class _Tokens(BaseStreamer):  # type: ignore[misc]
    def __init__(self, put: Callable[[Any], None]) -> None:
        self._put, self._prompt = put, True

    def put(self, value: Any) -> None:
        """Take in the prompt, then one token after the other."""
        if not self._prompt:
            for token in value.flatten().tolist():
                self._put(token)
        elif value.ndim > 1 and len(value) > 1:
            raise ValueError(f"A stream is of one prompt, and there are {len(value)}: call generate for several")
        self._prompt = False

    def end(self) -> None:
        """Do nothing: the end of `generate` says it."""


class _Pieces(TextStreamer):  # type: ignore[misc]
    def __init__(self, put: Callable[[Any], None], tokenizer: Any) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._put = put

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Hand on a piece."""
        if text:
            self._put(text)


class _UntilGone(StoppingCriteria):  # type: ignore[misc]
    def __init__(self, gone: threading.Event) -> None:
        self._gone = gone

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        return torch.full((len(input_ids),), self._gone.is_set(), dtype=torch.bool, device=input_ids.device)


def _streamed(generate: Callable[..., Any], arguments: Mapping[str, Any], make: Callable[..., Any]) -> Iterator[Any]:
    # Without a bound: the numbers of tokens has one, and a full queue would hold a model that nobody reads any more.
    found: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    gone = threading.Event()

    def write() -> None:
        criteria = StoppingCriteriaList([*arguments.get("stopping_criteria", ()), _UntilGone(gone)])
        streamer = make(lambda piece: found.put(("piece", piece)))
        try:
            with torch.no_grad():
                generate(**{**arguments, "streamer": streamer, "stopping_criteria": criteria})
        # Whatever it is, it is raised where the stream is read.
        except BaseException as error:  # noqa: BLE001
            found.put(("error", error))
        else:
            found.put(("end", None))

    thread = threading.Thread(target=write, name="tiffin-generate", daemon=True)
    thread.start()
    try:
        while (said := found.get())[0] == "piece":
            yield said[1]
        if said[0] == "error":
            raise said[1]
    finally:
        gone.set()
        thread.join()
