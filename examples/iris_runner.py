"""A runner of a stored model: two hundred callers at once, one row each, answered in a few batches."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import tiffin


async def main() -> None:
    rows, species = load_iris(return_X_y=True)
    model = tiffin.save("iris_clf", LogisticRegression(max_iter=500).fit(rows, species))

    async with model.to_runner(max_batch_size=100) as runner:
        predict = runner.predict.options(explain=True)
        answers = await asyncio.gather(*(predict.async_run(rows[i % 150 : i % 150 + 1]) for i in range(200)))

        right = sum(answer.result[0] == species[i % 150] for i, answer in enumerate(answers))
        sizes = Counter((answer.explanation.batch, answer.explanation.batch_rows) for answer in answers)
        print(f"{len(answers)} calls, {right} right, in {len(sizes)} batches")
        for (batch, batch_rows), calls in sorted(sizes.items()):
            print(f"  batch {batch}: {calls} calls, {batch_rows} rows")
        print(answers[-1].explanation)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["TIFFIN_HOME"] = home
        asyncio.run(main())
