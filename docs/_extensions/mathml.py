"""Formulas as MathML, which browsers set by themselves: no script, no fonts, no network."""

from html import escape
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

PARTS = {"mfrac": 2, "msup": 2, "msub": 2, "mover": 2, "munder": 2, "msubsup": 3, "munderover": 3}
"""How many parts an element has; with fewer, browsers show an error."""


class FormulaError(SphinxError):
    """A formula that cannot be set."""

    category = "Formula"


def mathml(latex: str, display: str) -> str:
    r"""The formula as an element `math`, with its LaTeX for those who copy it.

    Raises:
        FormulaError: there is a command in it that is not known here.
    """
    try:
        found = convert(latex, display=display)
    except Exception as error:
        raise FormulaError(f"{latex}: {type(error).__name__}: {error}") from error
    if "\\" in found:
        raise FormulaError(f"{latex}: a command is left over: {found}")
    for element in ElementTree.fromstring(found).iter():
        name = element.tag.rpartition("}")[2]
        if len(element) != PARTS.get(name, len(element)):
            raise FormulaError(f"{latex}: a part is missing in {name}")
    return found.replace("<math ", f'<math alttext="{escape(latex)}" ', 1)


def visit_math(self: Any, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_displayed(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displayed, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
