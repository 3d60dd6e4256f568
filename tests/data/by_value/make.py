"""Make a sample of code by value with the Python that runs this; tests/pickling/test_past_code.py loads the samples.

Run: python tests/data/by_value/make.py, with each minor version of Python once, when it is new. A sample stays as it is: it
stands for models that were stored in its time. What is added later to the format goes into a sample of another name.
"""

from __future__ import annotations

import abc
import email.mime.text
import enum
import functools
import sys
import types
import typing
import xml.dom.minidom
from pathlib import Path
from typing import Any

import __main__
from tiffin import pickling

FACTOR = 3
Number = typing.NewType("Number", int)
T = typing.TypeVar("T", bound=int)


class Missing:
    def __reduce__(self) -> str:
        return "MISSING"


MISSING = Missing()


class Registered:
    table: typing.ClassVar[dict[str, type]] = {}

    def __init_subclass__(cls, *, tag: str) -> None:
        Registered.table[tag] = cls


class Meta(abc.ABCMeta):
    def __new__(cls, name: str, bases: tuple[type, ...], names: dict[str, Any]) -> Any:
        if "predict" not in names:
            raise TypeError("a model predicts")
        return super().__new__(cls, name, bases, names)


class Model(typing.Generic[T], metaclass=Meta):
    __slots__ = ("__dict__", "bias")

    def __init__(self, bias: Number) -> None:
        self.bias = bias

    def predict(self, x: int, missing: Any = MISSING) -> int:
        return FACTOR * x + self.bias if missing is MISSING else 0

    @functools.cache  # noqa: B019 - that it travels is what is tested
    def cached(self, x: int) -> int:
        return x + 1

    @functools.cached_property
    def lazy(self) -> type:
        return __class__  # type: ignore[name-defined,no-any-return]


class classproperty(property):
    def __get__(self, obj: Any, kind: Any = None) -> Any:
        return self.fget(kind)  # type: ignore[misc]


class Tagged(Registered, tag="a"):
    @classproperty
    def name(self) -> Any:
        return self.__name__  # type: ignore[attr-defined]


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796 - an alias


class Mode(enum.IntFlag):
    READ = 1
    WRITE = 2


class Failure(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.links: dict[Node, int] = {self: 1}

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.name == other.name


def counter() -> tuple[Any, Any]:
    count = 0

    def up() -> None:
        nonlocal count
        count += 1

    def get() -> int:
        return count

    return up, get


def through_main(x: int) -> int:
    return __main__.FACTOR * x


def lazily(x: int) -> int:
    import __main__ as program

    return program.FACTOR * x


def parse(texts: list[str]) -> list[str]:
    return [xml.dom.minidom.parseString(text).documentElement.tagName for text in texts]


Alias: Any = None
if sys.version_info >= (3, 12):
    exec("type Alias = int | list[Alias]")


if __name__ == "__main__":
    sample = {
        "packages": (lambda packages, text: packages[1].mime.text.MIMEText(text), email),
        "model": Model(Number(1)),
        "tagged": Tagged(),
        "colour": Colour.CRIMSON,
        "mode": Mode.READ | Mode.WRITE,
        "failure": Failure(7, "gone"),
        "node": Node("n"),
        "counter": counter(),
        "functions": (through_main, lazily, parse),
        "types": (types.FunctionType, Number, T),
        "variable": types.CellType(5),
        "alias": Alias,
    }
    pickling.dump(sample, Path(__file__).parent, name="{}.{}".format(*sys.version_info))
