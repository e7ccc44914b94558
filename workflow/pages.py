"""An executed notebook as a web page that asks the network for nothing, with contents and the way back to the article."""

import html

import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from workflow import formulas

# nbconvert's own template loads RequireJS, MathJax and Mermaid from elsewhere. No output here needs a script.
TEMPLATE = """{% extends "lab/index.html.j2" %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""
STYLE = (
    "nav.contents{max-width:60em;margin:1em auto;padding:.6em 1.2em;border-left:3px solid #0072b2;"
    "font:14px/1.5 sans-serif}nav.contents ol{margin:.2em 0;padding-left:1.4em}"
    "@media print{nav.contents{display:none}}"
)


def page(notebook: nbformat.NotebookNode) -> str:
    """The notebook's HTML; every cell has the anchor `cell-id=<id>`, which the article links to."""
    exporter = HTMLExporter(
        template_name="lab", raw_template=TEMPLATE, embed_images=True, filters={"markdown2html": _markdown}
    )
    body, _ = exporter.from_notebook_node(notebook)
    return with_contents(formulas.to_mathml(body))


class _Renderer(IPythonRenderer):
    """Markdown as nbconvert renders it, its formulas marked for `formulas.to_mathml`."""

    def inline_math(self, body: str) -> str:
        return formulas.mark(body, "inline")

    def block_math(self, body: str) -> str:
        return formulas.mark(body, "display")


def _markdown(source: str) -> str:
    return MarkdownWithMath(renderer=_Renderer(escape=False, embed_images=True)).render(source)


def with_contents(body: str) -> str:
    """The page with a list of its second-level headings in front, and links to the article and the index."""
    headings = [
        (heading["id"], heading.get_text().rstrip("¶"))
        for heading in BeautifulSoup(body, "html.parser").find_all("h2")
        if heading.get("id")
    ]
    rows = "".join(f'<li><a href="#{html.escape(name)}">{html.escape(text)}</a></li>' for name, text in headings)
    contents = (
        f'<style>{STYLE}</style><nav class="contents" aria-label="Contents">'
        f'<a href="paper.html">The article</a> · <a href="index.html">All pages</a><ol>{rows}</ol></nav>'
    )
    before, tag, after = body.partition("<main>")
    return f"{before}{contents}{tag}{after}" if tag else contents + body
