"""Partial kwargs: refused where a method does not take them, overridden by whatever a call gives."""

import asyncio
import functools
import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.exceptions import PartialKwargsError, SignatureError
from tiffin.signatures import bind_partial, check_partial_kwargs, merge_partial_kwargs


class Model:
    """A model whose methods take arguments of every kind."""

    weight = 1.0

    def generate(self, prompt, temperature=1.0, *, top_k=5):
        """Return what it was given."""
        return prompt, temperature, top_k

    def anything(self, x, /, **kwargs):
        return x, kwargs

    def positional(self, x, scale=2, /, *rest):
        return x, scale, rest

    def __call__(self, x, threshold=0.5):
        return x, threshold


def test_arguments_that_methods_take_pass():
    """Named arguments, keyword-only ones, anything for **kwargs, and those of a callable model."""
    kwargs = {
        "generate": {"prompt": "hi", "temperature": 0.1, "top_k": 1},
        "anything": {"whatever": 1, "x": 2},
        "__call__": {"threshold": 0.1},
    }
    checked = check_partial_kwargs(Model(), kwargs)
    assert checked == kwargs
    assert checked["generate"] is not kwargs["generate"]
    assert check_partial_kwargs(Model(), None) == {}


def _signed(function):
    try:
        return bool(inspect.signature(function))
    except ValueError:
        return False


def test_a_builtin_without_signature_passes():
    """Where Python cannot tell the parameters, nothing is refused."""
    if _signed(int):
        pytest.skip("this Python knows the parameters of int")
    assert check_partial_kwargs(int, {"__call__": {"base": 2}}) == {"__call__": {"base": 2}}
    assert bind_partial(int, {"base": 2})("101") == 5


@pytest.mark.parametrize(
    ("kwargs", "says", "method"),
    [
        ({"genrate": {}}, "The model (Model) has no method 'genrate'. Did you mean 'generate'?", "genrate"),
        ({"weight": {}}, "'weight' of the model (Model) is not a method", "weight"),
        (
            {"generate": {"temprature": 1}},
            "Method 'generate' does not take an argument 'temprature'. Did you mean 'temperature'?",
            "generate",
        ),
        (
            {"generate": {"zzz": 1}},
            "does not take an argument 'zzz'. It takes prompt, temperature, top_k.",
            "generate",
        ),
        ({"generate": {"self": 1}}, "does not take an argument 'self'", "generate"),
        (
            {"positional": {"scale": 1}},
            "not take an argument 'scale' by name. It is positional-only. It takes no arguments by name.",
            "positional",
        ),
        ({"positional": {"rest": 1}}, "'*rest' collects positional arguments", "positional"),
        ({"__call__": {"threshhold": 1}}, "Did you mean 'threshold'?", "__call__"),
        ({"generate": ["temperature"]}, "partial_kwargs['generate']=['temperature'] is not a mapping", "generate"),
        ({"generate": {1: 2}}, "is not a mapping of names", "generate"),
        ({"generate": None}, "partial_kwargs['generate']=None is not a mapping", "generate"),
        ("generate", "partial_kwargs='generate' is not a mapping", ""),
    ],
)
def test_what_a_method_does_not_take_is_refused_by_name(kwargs, says, method):
    """The error names the method, the argument, and what was probably meant."""
    with pytest.raises(PartialKwargsError) as caught:
        check_partial_kwargs(Model(), kwargs)
    assert says in str(caught.value)
    assert caught.value.method == method
    assert isinstance(caught.value, SignatureError)


def test_call_needs_a_callable_model():
    """Partial kwargs for "__call__" of a model that cannot be called are refused."""
    with pytest.raises(PartialKwargsError, match=r"has no method '__call__'\. It is not callable"):
        check_partial_kwargs(object(), {"__call__": {"x": 1}})


def test_extra_wins_per_argument():
    """Merging keeps what is not contradicted, method by method, and changes neither side."""
    base = {"generate": {"temperature": 1, "top_k": 5}, "embed": {"layer": 2}}
    extra = {"generate": {"temperature": None}, "score": {"x": 1}}
    assert merge_partial_kwargs(base, extra) == {
        "generate": {"temperature": None, "top_k": 5},
        "embed": {"layer": 2},
        "score": {"x": 1},
    }
    assert base["generate"] == {"temperature": 1, "top_k": 5}
    assert merge_partial_kwargs(None, None) == {}
    assert merge_partial_kwargs(base, None) == base


kwargs_of_methods = st.dictionaries(
    st.sampled_from("fgh"), st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=3), max_size=3
)


@given(kwargs_of_methods, kwargs_of_methods, kwargs_of_methods)
def test_merging_in_any_grouping_is_the_same(one, two, three):
    """Merging is associative, and nothing is its neutral element."""
    merged = merge_partial_kwargs(merge_partial_kwargs(one, two), three)
    assert merged == merge_partial_kwargs(one, merge_partial_kwargs(two, three))
    assert merge_partial_kwargs(one, {}) == one == merge_partial_kwargs({}, one)


def plain(a, b="b", c="c", *rest, d="d", **more):
    return a, b, c, rest, d, more


def few(a, b="b", *, d="d"):
    return a, b, d


def strict(p, /, b="b", **more):
    return p, b, more


names = st.sampled_from(["a", "b", "c", "d", "e", "p"])
calls = st.dictionaries(names, st.integers(0, 9), max_size=4)


def _outcome(function, args, kwargs):
    try:
        return function(*args, **kwargs)
    except TypeError:
        return TypeError


@given(
    st.sampled_from([plain, few, strict, Model().generate, Model()]), calls, st.lists(st.integers(), max_size=5), calls
)
def test_binding_equals_one_call_with_the_merged_arguments(function, defaults, args, given_kwargs):
    """Defaults that the call does not give itself, by position or by keyword, are added; nothing else changes."""
    parameters = list(inspect.signature(function).parameters.values())
    by_position = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][: len(args)]
    only = {p.name for p in parameters if p.kind is p.POSITIONAL_ONLY}
    left = {name: value for name, value in defaults.items() if name not in by_position or name in only}
    expected = _outcome(function, args, {**left, **given_kwargs})
    assert _outcome(bind_partial(function, defaults), args, given_kwargs) == expected


def test_a_positional_argument_overrides_where_functools_partial_fails():
    """What a caller gives wins, however it is given."""
    bound = bind_partial(Model().generate, {"temperature": 0.1})
    assert bound("hi") == ("hi", 0.1, 5)
    assert bound("hi", temperature=0.7) == ("hi", 0.7, 5)
    assert bound("hi", 0.7) == ("hi", 0.7, 5)
    with pytest.raises(TypeError, match="multiple values"):
        functools.partial(Model().generate, temperature=0.1)("hi", 0.7)


def test_defaults_may_be_values_without_a_truth_value():
    """Arrays as defaults are passed on, never compared."""
    weights = np.ones(3)
    assert bind_partial(few, {"b": weights})(1)[1] is weights


def test_later_changes_of_the_mapping_do_not_reach_a_bound_function():
    """The defaults are those of the moment of binding, and a call cannot change them."""

    def greedy(**kwargs):
        kwargs["a"] += 1
        return kwargs["a"]

    defaults = {"a": 1}
    bound = bind_partial(greedy, defaults)
    defaults["a"] = 10
    assert [bound(), bound()] == [2, 2]


def test_the_signature_is_looked_up_once(monkeypatch):
    """Calls look up no signature: that is what costs a peer 7 % of each request."""
    bound = bind_partial(few, {"b": 1})
    monkeypatch.setattr(inspect, "signature", None)
    assert bound(0) == (0, 1, "d")


def test_a_function_without_defaults_is_returned_as_it_is():
    """Binding nothing costs nothing."""
    assert bind_partial(plain, {}) is plain


def test_name_docstring_and_signature_stay():
    """What the bound function says about itself is what the function says."""
    method = Model().generate
    bound = bind_partial(method, {"temperature": 0.1})
    assert bound.__name__ == "generate"
    assert bound.__doc__ == "Return what it was given."
    assert inspect.signature(bound) == inspect.signature(method)


def test_callable_objects_and_partials_are_bound_too():
    """A model that is itself callable gives a function that carries none of the model's state."""
    model = Model()
    model.secret = 1
    bound = bind_partial(model, {"threshold": 0.1})
    assert bound(1) == (1, 0.1)
    assert bound.__name__ == "Model"
    assert not hasattr(bound, "secret")
    assert bind_partial(functools.partial(few, 1), {"b": 2})() == (1, 2, "d")
    assert bind_partial(functools.partial(few, 1), {"b": 2})(3) == (1, 3, "d")


def test_asynchronous_and_streaming_functions_stay_recognisable():
    """A bound function is of the same kind as the function, as inspect tells it, and works as that kind."""

    async def coroutine(x, y=1):
        return x, y

    def generator(x, y=1):
        sent = yield x
        yield sent
        return y

    async def async_generator(x, y=1):
        try:
            yield x
            yield y
        finally:
            closed.append(y)

    class AsyncCallable:
        async def __call__(self, x, y=1):
            return x, y

    closed = []
    defaults = {"y": 2}
    for function in (coroutine, functools.partial(coroutine)):
        assert inspect.iscoroutinefunction(bind_partial(function, defaults))
    assert inspect.isgeneratorfunction(bind_partial(generator, defaults))
    assert inspect.isasyncgenfunction(bind_partial(async_generator, defaults))
    assert inspect.iscoroutinefunction(bind_partial(AsyncCallable(), defaults))
    assert not inspect.iscoroutinefunction(bind_partial(few, {"b": 1}))

    assert asyncio.run(bind_partial(coroutine, defaults)(0)) == (0, 2)
    assert asyncio.run(bind_partial(coroutine, defaults)(0, 5)) == (0, 5)
    assert asyncio.run(bind_partial(AsyncCallable(), defaults)(0)) == (0, 2)

    stream = bind_partial(generator, defaults)(0)
    assert next(stream) == 0
    assert stream.send("sent") == "sent"
    with pytest.raises(StopIteration) as stopped:
        next(stream)
    assert stopped.value.value == 2

    async def first():
        stream = bind_partial(async_generator, defaults)(0)
        item = await anext(stream)
        await stream.aclose()
        return item

    assert asyncio.run(first()) == 0
    assert closed == [2]


def test_a_positional_only_parameter_leaves_its_name_to_the_rest():
    """With f(p, /, **more), a default named p belongs to more, and a positional argument does not take it away."""
    assert bind_partial(strict, {"p": 1})(0) == (0, "b", {"p": 1})
