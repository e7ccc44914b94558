"""A notebook's page: it asks the network for nothing, and a browser sets its formulas without a script."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib.base import ROOT, UserError
from workflow import pages
from workflow.steps import NOTEBOOKS

MATHML = "http://www.w3.org/1998/Math/MathML"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def page_of(folder, *cells) -> BeautifulSoup:
    path = folder / "01_x.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), path)
    return BeautifulSoup(pages.page(path), "html.parser")


@pytest.fixture(scope="module")
def soup(tmp_path_factory):
    prose = "# T\n\nShare $x<1$, `not $this$ here`.\n\n$$ I = \\alpha F + (1 - \\alpha) B $$\n\n## The loss"
    outputs = [
        new_output("display_data", {"text/markdown": "**Answer.** $\\hat\\alpha$", "text/plain": "<Markdown object>"}),
        new_output(
            "display_data", {"text/html": "<table><tr><td>0.5</td></tr></table>", "text/plain": "<HTML object>"}
        ),
        new_output("display_data", {"image/png": PNG, "text/plain": "<Figure size>"}),
        new_output("stream", text="$1 and $2"),
    ]
    code = new_code_cell("price = '$a$'", execution_count=1, outputs=outputs, id="01-price")
    return page_of(tmp_path_factory.mktemp("page"), new_markdown_cell(prose), code)


def test_a_page_loads_nothing(soup):
    assert soup.find_all("script") == []
    loaded = [tag[name] for tag in soup.find_all(True) for name in ("src", "href") if tag.name != "a" and tag.get(name)]
    assert len(loaded) == 1 and loaded[0].startswith("data:image/png;base64,")
    styles = "".join(style.get_text() for style in soup.find_all("style"))
    assert not re.search(r"@import|url\(['\"]?(?!data:|#)", styles)


def test_formulas_are_mathml_and_code_is_left_alone(soup):
    formulas = soup.find_all("math")
    assert [one["xmlns"] for one in formulas] == [MATHML] * 3
    assert [one["display"] for one in formulas] == ["inline", "block", "inline"]
    assert [one.annotation.get_text().strip() for one in formulas] == [
        "x<1",
        "I = \\alpha F + (1 - \\alpha) B",
        "\\hat\\alpha",
    ]
    assert soup.p.find_next("code").get_text() == "not $this$ here"
    assert "price = '$a$'" in soup.get_text() and "$1 and $2" in soup.get_text()


def test_outputs_are_shown_once_and_cells_and_headings_can_be_linked_to(soup):
    cell = soup.find(id="01-price")
    assert cell.strong.get_text() == "Answer." and cell.td.get_text() == "0.5" and cell.img
    assert "object>" not in soup.get_text() and "Figure size" not in soup.get_text()
    links = [link["href"] for link in soup.find_all("a", href=True)]
    assert links[:2] == ["paper.html", "index.html"] and "#the-loss" in links


def test_a_formula_that_cannot_be_set_is_named(tmp_path):
    with pytest.raises(UserError, match=r"01_x.ipynb: expected a notebook that pandoc can set, found: .*\\frac\{1\}"):
        page_of(tmp_path, new_markdown_cell("$\\frac{1}$"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_formula_of_the_notebooks_can_be_set(name, tmp_path):
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells
    page = page_of(tmp_path, *(new_markdown_cell(cell.source) for cell in cells if cell.cell_type == "markdown"))
    for code in page.find_all("code"):
        code.decompose()
    assert "$" not in page.get_text()
