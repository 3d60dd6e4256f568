"""Sphinx's settings. Warnings are errors: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext import napoleon

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core" / "src"))

from tiffin.version import __version__

project = "Tiffin"
author = "The Tiffin developers"
project_copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "**/__pycache__"]
root_doc = "index"
default_role = "code"  # docstrings mark code with single backticks, as Markdown does

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist", "attrs_inline"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"Tiffin {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tiffin.css"]
html_logo = html_favicon = "_static/tiffin.svg"
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"


def setup(app: Sphinx) -> None:
    """Let napoleon read the docstrings of properties as those of methods.

    Else it takes what stands before the first colon for a type: "The full tag: name and version".
    """
    for listener in list(app.events.listeners["autodoc-process-docstring"]):
        if listener.handler is napoleon._process_docstring:
            app.disconnect(listener.id)

    def process(app: Sphinx, what: str, *rest: Any) -> None:
        napoleon._process_docstring(app, "method" if what == "property" else what, *rest)

    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-process-signature", _show_signature)


def _show_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write `...` for a default that stands for "not given", and whose own form says nothing."""
    return signature and signature.replace("<object object>", "...").replace("=NOTHING", "=..."), returns
