"""A runner of one's own: no stored model, three kinds of methods, in a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np

import tiffin


class Words(tiffin.Runnable):
    """Looks up vectors of words; made once in each worker."""

    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = False

    def __init__(self, size: int) -> None:
        self.vectors = {word: np.full(size, len(word), dtype=np.float32) for word in ("tea", "lunch", "tiffin")}

    @tiffin.Runnable.method(batchable=True)
    def embed(self, words: list[str]) -> list[float]:
        """Answer many callers' words at once: one number for each word."""
        return [float(self.vectors[word].mean()) for word in words]

    @tiffin.Runnable.method(batchable=True, batch_dim=0)
    def scale(self, batch: np.ndarray, *, factor: float = 1.0) -> np.ndarray:
        """Calls with another factor never share a batch."""
        return batch * factor

    @tiffin.Runnable.method
    def spell(self, word: str) -> Iterator[str]:
        """Stream one item after the other; such calls are not merged."""
        yield from word


async def main() -> None:
    runner = tiffin.Runner(Words, name="words", backend="process", runnable_init_params={"size": 8})
    async with runner:
        calls = [runner.embed.async_run([word]) for word in ("tea", "lunch", "coffee", "tiffin")]
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            # One caller asked for a word that is not there: only that caller gets the error.
            print(answer if isinstance(answer, list) else f"{type(answer).__name__}: {answer}".splitlines()[0])
        print(await runner.scale.async_run(np.ones((2, 2)), factor=3.0))
        print("-".join([letter async for letter in await runner.spell.async_run("tiffin")]))


if __name__ == "__main__":
    asyncio.run(main())
