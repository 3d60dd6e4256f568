"""What goes in and out of a service's functions: classes, files, images, several arguments."""

from __future__ import annotations

import dataclasses
import enum
import io
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import attrs
import httpx
import numpy as np
import pytest

from tiffin_serve import RequestError, ServeError, Service
from tiffin_serve.io import JSON, Descriptor, Fields, File, Image, Multipart, NumpyNdarray, Text

pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed; make setup brings it")


class Colour(enum.Enum):
    """One of two."""

    RED = "red"
    BLUE = "blue"


@attrs.define
class Leaf:
    """A class of attrs."""

    width: float
    _hidden: int = 0


@dataclasses.dataclass
class Flower:
    """A dataclass with others in it."""

    name: str
    leaves: list[Leaf]
    colour: Colour | None = None


class Order(pydantic.BaseModel):
    """A class of pydantic."""

    item: str
    count: int = pydantic.Field(default=1, ge=1)


class Basket(pydantic.BaseModel):
    """One with another in it."""

    orders: list[Order]


def post(loop: Callable[..., Any], service: Service, path: str, **options: Any) -> httpx.Response:
    """Send one request to a service in this process."""

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.asgi()), base_url="http://service"
        ) as client:
            return await client.post(path, **options)

    found: httpx.Response = loop(send())
    return found


def test_json_becomes_the_classes_that_annotations_name() -> None:
    """Of attrs, dataclasses and pydantic, one within the other, and they are written as they were."""
    body = b'{"name":"rose","leaves":[{"width":1,"hidden":2}],"colour":"red"}'
    made = JSON(Flower).read(body)
    assert made == Flower("rose", [Leaf(1.0, 2)], Colour.RED)
    assert json.loads(JSON().write(made)) == {
        "name": "rose",
        "leaves": [{"width": 1.0, "_hidden": 2}],
        "colour": "red",
    }
    basket = JSON(Basket).read(b'{"orders": [{"item": "tea"}]}')
    assert basket.orders[0] == Order(item="tea", count=1)
    assert JSON().write(basket) == b'{"orders":[{"item":"tea","count":1}]}'
    assert "$ref" not in json.dumps(JSON(Basket).schema)
    assert JSON(Flower).schema["required"] == ["name", "leaves"]


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (Flower, '{"name": "rose"}', "lacks 'leaves'"),
        (Flower, '{"name": "rose", "leaves": [], "size": 1}', "no field 'size'"),
        (
            Flower,
            '{"name": "rose", "leaves": [{"width": "x"}]}',
            "inputs.leaves[0].width: expected float, found a text",
        ),
        (Flower, '{"name": 1, "leaves": []}', "expected str, found a number"),
        (Flower, '{"name": "rose", "leaves": [], "colour": "green"}', "green"),
        (Order, '{"item": "tea", "count": 0}', "count: Input should be greater than or equal to 1"),
        (Order, "[]", "Input should be a valid dictionary"),
        (dict[str, int], '{"a": true}', "expected int, found a truth value"),
        (list[str], '{"a": 1}', "found an object"),
        (Literal["a", 1], "true", "found a truth value"),
        (int | str, "1.5", "found a number"),
        (Annotated[bool, "yes"], "1", "expected bool"),
    ],
)
def test_what_an_annotation_does_not_allow_is_a_422_that_says_where(kind: Any, body: str, said: str) -> None:
    """Nothing is converted unseen, and no unknown field is dropped."""
    with pytest.raises(RequestError) as refused:
        JSON(kind).read(body.encode())
    assert (refused.value.status, said in str(refused.value)) == (422, True), str(refused.value)


def test_several_arguments_are_the_fields_of_an_object(loop: Callable[..., Any]) -> None:
    """Each is checked as it would be alone; those with a default may be missing."""
    service = Service("several")

    @service.api
    def scaled(rows: np.ndarray, label: str, factor: float = 2.0) -> dict[str, Any]:
        return {"label": label, "rows": rows * factor}

    assert post(loop, service, "/scaled", json={"rows": [[1, 2]], "label": "a"}).json() == {
        "label": "a",
        "rows": [[2, 4]],
    }
    assert post(loop, service, "/scaled", json={"rows": [[1]], "label": "a", "factor": 3}).json()["rows"] == [[3.0]]
    for body, said in (
        ({"rows": [[1]]}, "lacks 'label'"),
        ({"rows": "x", "label": "a"}, "rows: "),
        ({"rows": [[1]], "label": 1}, "label: "),
        ({"rows": [[1]], "label": "a", "size": 1}, "no 'size'"),
        ([1], "no object"),
    ):
        refused = post(loop, service, "/scaled", json=body)
        assert (refused.status_code, said in refused.json()["error"]) == (422, True), refused.text
    loop(service.stop())


def test_parts_become_arguments(loop: Callable[..., Any]) -> None:
    """Files, images and JSON together, as browsers send them; what is malformed is a 4xx."""
    pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed; make setup brings it")
    service = Service("parts")

    def measured(picture: Any, note: str = "none") -> dict[str, Any]:
        return {"size": picture.size, "note": note}

    measured.__annotations__["picture"] = pillow.Image
    service.api(measured)

    @service.api(input=Multipart(rows=NumpyNdarray(), raw=File(as_bytes=True)), output=Multipart(a=Text(), b=JSON()))
    def both(rows: Any, raw: bytes) -> dict[str, Any]:
        return {"a": raw.decode(), "b": rows.sum()}

    measured_bytes = io.BytesIO()
    pillow.new("RGB", (3, 2)).save(measured_bytes, "PNG")
    found = post(
        loop, service, "/measured", files={"picture": ("a.png", measured_bytes.getvalue()), "note": (None, "hi")}
    )
    assert found.json() == {"size": [3, 2], "note": "hi"}
    found = post(loop, service, "/both", files={"rows": ("", b"[1, 2]"), "raw": ("x", b"\r\n--\r\n")})
    assert found.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="a"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\r\n--\r\n\r\n' in found.content
    typed = {"content-type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\n'
    for body, headers, status in (
        (b"{}", {"content-type": "application/json"}, 415),
        (b"{}", {"content-type": "multipart/form-data"}, 400),
        (b"", typed, 400),
        (part + b"a\r\n", typed, 400),
        (b"--x\r\n\r\na\r\n--x--", typed, 400),
        (part + b"a\r\n--x--", typed, 422),
        ((part + b"a\r\n") * 2 + b"--x--", typed, 422),
        (b"--x\r\n" * 1000, typed, 413),
        ((part + b"a\r\n") * 500 + b"--x--", typed, 413),
        (part.replace(b'"note"', b'"picture"') + b"GIF89a\r\n--x--", typed, 400),
    ):
        refused = post(loop, service, "/measured", content=body, headers=headers)
        assert refused.status_code == status, (body[:80], refused.text)
    loop(service.stop())


def test_an_image_is_bounded_by_its_pixels_and_its_format() -> None:
    """A small file can stand for a very large image; a format that was not asked for is not read."""
    pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed; make setup brings it")
    into = io.BytesIO()
    pillow.new("L", (100, 100)).save(into, "PNG")
    assert Image(mode="RGB").read(into.getvalue()).mode == "RGB"
    for descriptor, status in ((Image(pixels=9999), 413), (Image(formats=["JPEG"]), 400)):
        with pytest.raises(RequestError) as refused:
            descriptor.read(into.getvalue())
        assert refused.value.status == status
    with pytest.raises(RequestError):
        Image().read(into.getvalue()[:60])
    written = Image(media_type="image/jpeg").write(np.zeros((4, 4), np.uint8))
    assert Image(formats=["JPEG"]).read(written).size == (4, 4)


def test_files_are_read_and_written() -> None:
    """As a file, or as bytes."""
    assert File().read(b"abc").read() == b"abc"
    assert File(as_bytes=True).read(b"abc") == b"abc"
    assert File().write(io.BytesIO(b"abc")) == File().write(b"abc") == b"abc"


def test_arguments_that_do_not_fit_their_descriptor_are_refused_when_it_is_made() -> None:
    """Names that differ, arguments without names, what has no form in JSON."""

    class Own(Descriptor):
        def read(self, body: bytes) -> int:
            return len(body)

    def two(a: Any, b: Any) -> Any: ...
    def any_number(*a: Any) -> Any: ...

    service = Service("wrong")
    for function, given in (
        (two, JSON()),
        (two, Fields(a=JSON())),
        (two, Multipart(a=JSON(), c=JSON())),
        (any_number, None),
    ):
        with pytest.raises(ServeError):
            service.api(input=given)(function)
    with pytest.raises(ServeError, match="no form in JSON"):
        Fields(a=Own())
    with pytest.raises(ServeError, match="no form in JSON"):
        Fields(a=File())
