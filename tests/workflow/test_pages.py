"""A notebook's page: it asks the network for nothing, and a browser sets its formulas without a script."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib.base import ROOT, UserError
from workflow import formulas, pages
from workflow.steps import NOTEBOOKS

MATHML = "http://www.w3.org/1998/Math/MathML"


@pytest.fixture(scope="module")
def soup():
    prose = "# T\n\nShare $x<1$, `not $this$ here`.\n\n$$ I = \\alpha F + (1 - \\alpha) B $$\n\n## The loss"
    outputs = [
        new_output("display_data", {"text/markdown": "**Answer.** $\\hat\\alpha$"}),
        new_output("stream", text="$1 and $2"),
    ]
    cells = [new_markdown_cell(prose), new_code_cell("price = '$a$'", execution_count=1, outputs=outputs)]
    return BeautifulSoup(pages.page(new_notebook(cells=cells)), "html.parser")


def test_a_page_loads_nothing(soup):
    assert soup.find_all("script") == []
    loaded = [tag[name] for tag in soup.find_all(True) for name in ("src", "href") if tag.name != "a" and tag.get(name)]
    assert [address for address in loaded if not address.startswith("data:")] == []
    styles = "".join(style.get_text() for style in soup.find_all("style"))
    assert not re.search(r"@import|url\(['\"]?(?!data:|#)", styles)


def test_formulas_are_mathml_and_code_is_left_alone(soup):
    formulas_ = soup.find_all("math")
    assert [one["xmlns"] for one in formulas_] == [MATHML] * 3
    assert [one["display"] for one in formulas_] == ["inline", "block", "inline"]
    assert [one.annotation.get_text() for one in formulas_] == [
        "x<1",
        "I = \\alpha F + (1 - \\alpha) B",
        "\\hat\\alpha",
    ]
    assert [mi.get_text() for mi in formulas_[1].find_all("mi")] == list("IαFαB")
    assert soup.code.get_text() == "not $this$ here"
    assert "price = '$a$'" in soup.get_text() and "$1 and $2" in soup.get_text()


def test_a_formula_that_cannot_be_set_is_named():
    with pytest.raises(UserError, match=r"formula: expected TeX that pandoc can set, found '\\\\frac\{1\}'"):
        formulas.to_mathml(formulas.mark("\\frac{1}", "inline"))
    assert formulas.to_mathml("<p>none</p>") == "<p>none</p>"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_formula_of_the_notebooks_can_be_set(name):
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells
    page = pages.page(
        new_notebook(cells=[new_markdown_cell(cell.source) for cell in cells if cell.cell_type == "markdown"])
    )
    assert 'class="math' not in page and "$" not in BeautifulSoup(page, "html.parser").main.get_text()
