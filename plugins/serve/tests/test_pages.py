"""The pages for people, in a real browser: what they show, what a call answers, what they ask for, what strangers write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import browser
import tiffin

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.PROGRAM is None, reason="chromium is not installed; apt-get install chromium brings it"),
]
EVIL = "<img src=x onerror=\"document.title='evil'\"><script>document.title='evil'</script>"
PICTURES = os.environ.get("TIFFIN_PICTURES", "")
"""A folder to keep what pages look like, for people to look at."""


@pytest.fixture
def page() -> Iterator[browser.Browser]:
    """Return a page of a browser."""
    with browser.browsing() as one:
        yield one


def fill_and_call(page: browser.Browser, path: str, body: str | None) -> str:
    """Open the form of a path, write a body unless the example will do, and return the answer."""
    block = f"[...document.querySelectorAll('h3')].find((one) => one.textContent === 'POST {path}').parentElement"
    page.run(f"{block}.querySelector('details:last-of-type').open = true")
    if body is not None:
        page.run(f"{block}.querySelector('textarea').value = {body!r}")
        page.run(f"{block}.querySelector('textarea').dispatchEvent(new Event('input', {{bubbles: true}}))")
    page.run(f"{block}.querySelector('form').requestSubmit()")
    page.wait(f"/^\\d{{3}}, /.test({block}.querySelector('[role=status]').textContent)")
    found: str = page.run(f"{block}.querySelector('[role=log]').textContent")
    return found


def test_a_person_tries_a_call_and_sees_what_happens(
    page: browser.Browser, serving: Callable[..., Any], models_folder: Path
) -> None:
    """The example that is filled in is answered, streams come as they are made, and numbers follow."""
    import served_models as models

    save: Callable[..., Any] = tiffin.save
    save("strange", models.Words(), signatures={"predict": {}}, labels={"note": EVIL}, card=EVIL)
    one = serving("sums:prod", "teller", "strange")
    page.show(one.url)
    page.wait("document.querySelectorAll('h3').length >= 5")
    assert page.wait("document.getElementById('state').textContent === 'ready'")
    assert fill_and_call(page, "/models/sums/predict", None) == "[0.0]"
    assert "expected array" in fill_and_call(page, "/models/sums/predict", "[[1]]")
    assert fill_and_call(page, "/models/teller/count", "2").endswith("event: end\ndata: {}\n\n")
    page.run("setInterval(() => fetch('/models/sums/predict', {method: 'POST', body: '[[1,2,3]]'}), 50)")
    page.wait("[...document.querySelectorAll('dd')].some((one) => Number(one.textContent) > 1)")
    assert page.run("document.title") == "Models served by Tiffin"
    assert page.run("document.querySelectorAll('main img, main script').length") == 0
    assert EVIL in page.run("document.body.innerText")
    assert {url.split("/", 3)[2] for url in page.requested if not url.startswith("data:")} == {f"127.0.0.1:{one.port}"}
    assert page.complaints == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_fits_a_desk_and_a_telephone_by_day_and_night(
    page: browser.Browser, serving: Callable[..., Any], tmp_path: Path, width: int, dark: bool, path: str
) -> None:
    """Nothing is wider than the window, and nothing that is to be pressed is too small for a finger."""
    one = serving("sums:prod", "words", "matcher")
    page.show(one.url + path, width=width, dark=dark)
    page.wait("document.querySelectorAll('h3').length >= 5")
    page.run("document.querySelector('.call details, section > details:last-of-type').open = true")
    page.run("document.querySelector('form').requestSubmit()")
    page.wait("/^\\d{3}, /.test(document.querySelector('form [role=status]').textContent)")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run(
        "[...document.querySelectorAll('button')].every((one) => !one.offsetHeight || one.offsetHeight >= 44)"
    )
    kept = Path(PICTURES) if PICTURES else tmp_path
    page.picture(kept / f"page{path.replace('/', '-')}-{width}-{'dark' if dark else 'light'}.png")
    assert page.complaints == []


def test_the_readmes_picture_shows_a_model_that_is_called(
    page: browser.Browser, serving: Callable[..., Any], tmp_path: Path
) -> None:
    """A flower is tried while calls come in; TIFFIN_PICTURES keeps the picture, to be put into docs/_static."""
    pytest.importorskip(
        "tiffin_sklearn", reason="the picture's model is scikit-learn's: tiffin-sklearn is not installed"
    )
    from PIL import Image
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    iris = load_iris()
    model = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)
    card = "Tells three kinds of iris by the lengths and widths of their sepals and petals."
    tiffin.save("iris", model, labels={"stage": "trial"}, input_example=iris.data[:2], card=card)
    tiffin.models.set_alias("iris", "prod")
    one = serving("iris:prod")
    page.show(one.url)
    page.wait("document.querySelector('h3') !== null")
    asked = "{method: 'POST', body: '[[5.1, 3.5, 1.4, 0.2]]'}"
    page.run(f"for (let i = 0; i < 6; i++) (async () => {{ while (true) await fetch('/models/iris', {asked}) }})(); 0")
    page.wait(f"document.querySelector('polyline').points.length >= {6 if PICTURES else 2}")
    assert fill_and_call(page, "/models/iris/predict", "[[5.1, 3.5, 1.4, 0.2], [6.9, 3.2, 5.7, 2.3]]") == "[0,2]"
    assert "6.9, 3.2, 5.7, 2.3" in page.run("[...document.querySelectorAll('pre')].at(-1).textContent")
    assert page.run("Number(document.querySelector('dd').textContent)") > 1
    picture = (Path(PICTURES) if PICTURES else tmp_path) / "serving.png"
    page.picture(picture)
    with Image.open(picture) as taken:
        taken.convert("RGB").quantize(64).save(picture, optimize=True)
    assert picture.stat().st_size < 100_000
    readme = Path(__file__).parents[3] / "README.md"
    assert "](docs/_static/serving.png)" in readme.read_text(encoding="utf-8")


def test_a_page_asks_for_the_token(page: browser.Browser, serving: Callable[..., Any], tmp_path: Path) -> None:
    """Until one is entered it shows nothing of what is served; a wrong one is asked for again."""
    tokens = tmp_path / "tokens"
    tokens.write_text("secret\n", encoding="utf-8")
    tokens.chmod(0o600)
    one = serving("sums:prod", "--token-file", str(tokens))
    page.show(one.url)
    asked = "document.querySelector('main label')?.textContent.includes('Another')"
    for given, wanted in (("wrong", asked), ("secret", "document.querySelector('h3') !== null")):
        page.wait("document.getElementById('token') !== null")
        page.run(f"document.getElementById('token').value = '{given}'")
        page.run("document.querySelector('form').requestSubmit()")
        page.wait(wanted)
    assert fill_and_call(page, "/models/sums/predict", None) == "[0.0]"
