"""Kinds of values of an installed adapter, whose package the caller and its worker import at different times."""

from __future__ import annotations

from typing import Any

ADAPTER = """
    from tiffin import hookimpl
    from tiffin.values import ValueKind

    class Kind(ValueKind):
        name, types = "fw.T", ["fw.T"]
        def send(self, value): return value.data
        def receive(self, parts):
            import fw
            return fw.T(parts)

    @hookimpl
    def context_info(): return {"types": ["fw.Model"]}
    @hookimpl
    def save(path): raise NotImplementedError
    @hookimpl
    def load(path): raise NotImplementedError
    @hookimpl
    def values(): return [Kind()]
"""
FRAMEWORK = """
    class T:
        def __init__(self, data): self.data = data
"""
PROGRAM = """
    import sys, tiffin

    class Model(tiffin.Runnable):
        def __init__(self):
            {worker}
        @tiffin.Runnable.method
        def data(self, value):
            return value.data
        @tiffin.Runnable.method
        def modules(self):
            return sorted(name for name in sys.modules if name in ("fw", "tiffin.plugins", "tiffin_fw"))

    {before}
    with tiffin.Runner(Model, backend="process") as runner:
        print(*runner.modules.run())
        import fw
        print(runner.data.run(fw.T([1, 2])))
"""


def test_a_worker_that_imports_the_package_takes_its_values(site: Any) -> None:
    """The caller starts it before it imports the package itself, and the worker asks the adapter all the same."""
    site.install("tiffin-fw", adapters={"fw": "tiffin_fw"}, tiffin_fw=ADAPTER, fw=FRAMEWORK)
    said = site.run(PROGRAM.format(worker="import fw", before=""))
    assert said.split("\n")[:2] == ["fw tiffin.plugins tiffin_fw", "[1, 2]"]


def test_a_worker_that_never_imports_the_package_says_what_is_missing(site: Any) -> None:
    """Its adapter would import the framework into every worker, whether a model uses it or not."""
    site.install("tiffin-fw", adapters={"fw": "tiffin_fw"}, tiffin_fw=ADAPTER, fw=FRAMEWORK)
    catching = (
        "try:\n            runner.data.run(fw.T([1, 2]))\n        except tiffin.exceptions.UnsendableError as error:\n"
    )
    program = PROGRAM.format(worker="pass", before="import fw").rpartition("print(runner.data")[0] + catching
    said = site.run(program + "            print(error)\n")
    assert "a value of the kind 'fw.T'" in said
    assert "import its package there" in said


def test_a_worker_that_needs_no_plugin_imports_none(site: Any) -> None:
    """Each start would pay for it."""
    site.install("tiffin-fw", adapters={"fw": "tiffin_fw"}, tiffin_fw=ADAPTER, fw=FRAMEWORK)
    program = PROGRAM.format(worker="pass", before="").rpartition("        import fw")[0]
    assert site.run(program).split("\n")[0] == ""
