"""The article of a run: `python -m workflow.article --run quick` writes reports/<run>/paper.html and paper.pdf.

The text is Pandoc's Markdown with Jinja2 placeholders (workflow.text): reports/article/paper.md for the run that it is written
for, short.md for all others. What it quotes and the run does not have ends the build with the name of what is missing.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pypandoc
import typst

from lib.base import ROOT, UserError, reports_dir, write_atomically
from workflow import claim_tables, claims, record, values
from workflow.anonymous import anonymous
from workflow.page.build import answering, landmark
from workflow.text.provided import is_written_for
from workflow.text.render import fill
from workflow.text.source import Source

FOLDER = ROOT / "reports" / "article"
SOURCE, SHORT = FOLDER / "paper.md", FOLDER / "short.md"
# Sources that the PDF carries. Not the run's values: they would double its size.
ATTACHED = (SOURCE, FOLDER / "paper.typ", FOLDER / "references.bib", claims.CLAIMS)
# A number with decimals or a per cent sign in the text is a result; results come from the run.
TYPED = re.compile(r"(?<![\w.@/])\d+(?:\.\d+|\s?%)(?![\w/])")
ALTERNATIVE = re.compile(r'\]\((/[^)]+)\)\{#[\w-]+ alt="([^"]*)"\}')
# Of the tables of sentences, whose columns Typst would make equally wide.
WIDTHS = {
    "tab_claims": "(3.4fr, 1.15fr, 1.1fr, 1.6fr, 0.75fr)",
    "tab_ours": "(3fr, 1.4fr, 0.7fr, 1.6fr, 0.75fr)",
    "tab_slips": "(1.3fr, 1fr, 1fr)",
}
NOT_PROSE = re.compile(r"{[{%#].*?[}%#]}|`[^`]*`|\$[^$]+\$|\]\([^)]*\)|^---\n.*?^---$|@[\w:.-]+", re.S | re.M)


def typed_numbers(text: str) -> list[str]:
    """Results typed by hand in the article's source, as "line 12: 0.31"; placeholders, code and formulas excepted."""
    prose = NOT_PROSE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    return [
        f"line {number}: {found}"
        for number, line in enumerate(prose.splitlines(), 1)
        for found in TYPED.findall(line.replace("95 %", ""))
    ]


def build(run: str) -> list[Path]:
    """Write the index, the table of claims, abstract.md, paper.html and paper.pdf of a run; returns the files.

    UserError for a value, table or figure that the text names and the run lacks, for values older than the code,
    and for a result typed into the text.
    """
    text, file = SOURCE.read_text(encoding="utf-8"), SOURCE
    if not is_written_for(text, "reports/article/paper.md", run):
        text, file = SHORT.read_text(encoding="utf-8"), SHORT
    if typed := typed_numbers(text):
        raise UserError(
            f"reports/article/{file.name}: expected every result from a placeholder, found typed "
            f"{', '.join(typed)}; quote a value instead."
        )
    for name, reason in values.stale(reports_dir(run)).items():
        raise UserError(
            f"reports/{run}/values/{name}.json: expected values of the code that is here, found that "
            f"{reason}; run `make paper`."
        )
    folder = reports_dir(run)
    page, plain = (Source(text, f"reports/article/{file.name}", run, kind) for kind in ("page", "pdf"))
    tables, markdown = claim_tables.write(run), fill(plain)
    content = {
        "abstract.md": (_abstract(markdown) + "\n").encode(),
        "paper.html": answering(html(fill(page), run), page).encode(),
        "paper.pdf": pdf(markdown, ["/" + path.relative_to(ROOT).as_posix() for path in ATTACHED]),
    }
    for name, data in content.items():
        write_atomically(folder / name, data)
    return [record.write_index(run), *tables, *(folder / name for name in content)]


def html(markdown: str, run: str) -> str:
    """One self-contained HTML page: pictures and style inside, formulas as MathML, a table of contents."""
    page = _pandoc(
        markdown,
        "html5",
        "--standalone",
        "--embed-resources",
        "--toc",
        "--toc-depth=2",
        "--mathml",
        "--section-divs",
        f"--css={FOLDER / 'paper.css'}",
        "--metadata=document-css:false",
        f"--resource-path={reports_dir(run)}",
    )
    return landmark(anonymous(page, {}))


def pdf(markdown: str, sources: Sequence[str] = ()) -> bytes:
    """The PDF by Typst, tagged, with `sources` attached; the same text and pictures give the same bytes."""
    template = FOLDER / "paper.typ"
    options = [f"--variable=attached:{path}" for path in sources]
    # -smart: quotes as they are to be printed; of the one in "VGG-16's" Typst would make a prime.
    source = _pandoc(markdown, "typst-smart", "--standalone", f"--template={template}", *options)
    source = _with_plain_cells(_with_widths(_with_alternatives(source, markdown)))
    try:
        return typst.compile(source.encode(), root=str(ROOT), timestamp=0, ignore_system_fonts=True)
    except typst.TypstError as error:
        raise UserError(
            f"reports/article/paper.md: expected Typst to set it, found: {error}; look at paper.typ and "
            "at what the text brought."
        ) from error


def _with_alternatives(source: str, markdown: str) -> str:
    """Typst's source with the alternative texts of the Markdown's pictures, which pandoc leaves out."""
    for path, words in ALTERNATIVE.findall(markdown):
        source = source.replace(f'image("{path}"', f'image("{path}", alt: {json.dumps(words, ensure_ascii=False)}')
    return source


def _with_plain_cells(source: str) -> str:
    """Typst's source with cells that begin like an item of a list or a heading ("+ skip connections") as the words they are,
    which pandoc forgets."""
    source = re.sub(r"(?<=\[)([-+=/])(?= )", r"\\\1", source)
    return re.sub(r"(?<=\[)(\d+)\.(?= )", r"\1\\.", source)


def _with_widths(source: str) -> str:
    """Typst's source with WIDTHS in place of the number of columns."""
    for name, widths in WIDTHS.items():
        before, label, after = source.partition(f"] <{name}>")
        if label:
            head, columns, body = before.rpartition("columns: ")
            source = head + columns + widths + body[body.index(",") :] + label + after
    return source


def _pandoc(markdown: str, to: str, *options: str) -> str:
    # --columns: pandoc would read relative column widths into pipe tables that are wider than a line.
    return pypandoc.convert_text(
        markdown,
        to,
        format="markdown+pipe_tables+implicit_figures",
        extra_args=[
            "--citeproc",
            f"--bibliography={FOLDER / 'references.bib'}",
            "--metadata=link-citations:true",
            "--wrap=none",
            "--columns=100000",
            "--fail-if-warnings",
            *options,
        ],
    )


def _abstract(markdown: str) -> str:
    """The rendered abstract: the text of its section."""
    match = re.search(r"^# Abstract.*?\n(.*?)(?=^# )", markdown, re.S | re.M)
    if not match:
        raise UserError("reports/article/paper.md: expected a section `# Abstract`, found none; add it.")
    return match[1].strip()


if __name__ == "__main__":
    record.finish(__doc__, "article", build)
