"""Four processes share one runner: their calls merge into the same batches.

The forest takes 9 ms for one row and 15 ms for a hundred, so merging is what makes it fast.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
from collections import Counter
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import tiffin

CLIENTS, CALLERS, CALLS = 4, 32, 5


def client(address: str, answers: multiprocessing.Queue, everybody: multiprocessing.Barrier) -> None:
    """Attach to the runner, and let many callers ask it at once."""
    rows, _ = load_digits(return_X_y=True)

    async def caller(runner: tiffin.runners.AttachedRunner, number: int) -> list[tuple[int, int]]:
        seen = []
        for call in range(CALLS):
            row = rows[(number * CALLS + call) % len(rows)][None]
            explained = await runner.predict.options(explain=True).async_run(row)
            seen.append((explained.explanation.batch, explained.explanation.batch_rows))
        return seen

    async def main() -> list[tuple[int, int]]:
        everybody.wait()
        async with tiffin.Runner.attach(address) as runner:
            batches = await asyncio.gather(*(caller(runner, number) for number in range(CALLERS)))
            return [batch for seen in batches for batch in seen]

    answers.put((os.getpid(), asyncio.run(main())))


def main(folder: Path) -> None:
    rows, digits = load_digits(return_X_y=True)
    forest = RandomForestClassifier(100, random_state=0).fit(rows, digits)
    model = tiffin.save("digits", forest)

    spawn = multiprocessing.get_context("spawn")
    answers, everybody = spawn.Queue(), spawn.Barrier(CLIENTS)
    with model.to_runner(max_batch_size=100) as runner:
        address = runner.listen(folder / "socket" / "digits")
        processes = [spawn.Process(target=client, args=(address, answers, everybody)) for _ in range(CLIENTS)]
        for process in processes:
            process.start()
        by_process = dict(answers.get(timeout=120) for _ in processes)
        for process in processes:
            process.join(timeout=60)

    batches = {batch: rows for seen in by_process.values() for batch, rows in seen}
    shared = sum(len({pid for pid, seen in by_process.items() if batch in dict(seen)}) > 1 for batch in batches)
    calls = sum(len(seen) for seen in by_process.values())
    print(
        f"{calls} calls of {len(by_process)} processes in {len(batches)} batches; {shared} held rows of several processes"
    )
    for rows_in_batch, count in sorted(Counter(batches.values()).items(), reverse=True)[:8]:
        print(f"  {count} of {rows_in_batch} rows")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["TIFFIN_HOME"] = home
        main(Path(home))
