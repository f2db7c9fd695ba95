"""The site: `python -m sphinx -W --keep-going docs docs/_build/html`."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "_extensions")]

import build_course  # noqa: E402

from mobilenet_lab import __version__  # noqa: E402

project = "mobilenet_lab"
author = "the authors of mobilenet_lab"
version = release = __version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "docstrings",
    "flowcharts",
    "mathml",
    "outside",
]
exclude_patterns = ["_build", "_extensions"]

html_theme = "furo"
html_title = "mobilenet_lab"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
nb_execution_mode = "off"  # build_course has executed them
nb_merge_streams = True

nitpicky = True  # types in signatures lead somewhere, but for other people's
nitpick_ignore_regex = [
    ("py:.*", r"(collections|contextlib|fractions|pathlib|random|types|matplotlib|torch)\..*"),
    ("py:.*", r"Path|nn\.Module|ExportedProgram|pandas\.DataFrame"),
    ("py:.*", r"mobilenet_lab\.analysis\.Key"),  # a type variable
]
smartquotes_action = "D"  # quotation marks and dots stay as typed
default_role = "code"  # docstrings mark code as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", lambda app: build_course.write_all())
