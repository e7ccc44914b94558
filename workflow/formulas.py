"""Formulas as MathML, which browsers set by themselves: no script, no fonts, nothing from the network."""

import html
import re

import pypandoc

from lib.base import UserError

MARK = '<span class="math {kind}">{tex}</span>'
MARKED = re.compile(r'<span class="math (inline|display)">(.*?)</span>', re.S)


def mark(tex: str, kind: str) -> str:
    """A formula as it stands in a page until `to_mathml`. kind: "inline" or "display"."""
    return MARK.format(kind=kind, tex=html.escape(tex, quote=False))


def to_mathml(page: str) -> str:
    """The page with every marked formula as MathML that carries its TeX, for who copies it.

    All formulas go through one pandoc. UserError that names a formula which pandoc cannot read.
    """
    marked = list(dict.fromkeys(MARKED.findall(page)))
    made = dict(zip(marked, _converted([(kind, html.unescape(tex)) for kind, tex in marked]), strict=True))
    return MARKED.sub(lambda found: made[found.groups()], page)


def _converted(formulas: list[tuple[str, str]]) -> list[str]:
    if not formulas:
        return []
    fence = {"inline": "$", "display": "$$"}
    text = "\n\n".join(f"{fence[kind]}{' '.join(tex.split())}{fence[kind]}" for kind, tex in formulas)
    made = pypandoc.convert_text(text, "html5", format="markdown", extra_args=["--mathml", "--wrap=none"])
    paragraphs = [part.strip() for part in re.findall(r"<p>(.*?)</p>", made, re.S)]
    for (_, tex), paragraph in zip(formulas, paragraphs, strict=True):
        if not paragraph.startswith("<math"):
            raise UserError(f"formula: expected TeX that pandoc can set, found {tex!r}; write it more plainly.")
    return paragraphs
