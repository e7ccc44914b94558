"""Fill the placeholders of a text: Jinja2 in Markdown, for the article and for the README alike.

A placeholder is a function of the modules beside this one. What the text asks for and the run does not have ends the
build with the line of the text and the name.
"""

import traceback
from functools import partial
from pathlib import Path

import jinja2

from lib.base import ROOT, UserError
from workflow import values
from workflow.text import accounts, exhibits, provided, quoted
from workflow.text.source import Source

PLACEHOLDERS = {
    "n": quoted.number,
    "ci": quoted.interval,
    "pct": quoted.per_cent,
    "text": quoted.word,
    "says": quoted.says,
    "provided": provided.provided,
    "fact": quoted.fact,
    "fact_sd": quoted.fact_sd,
    "ref": exhibits.ref,
    "figure": exhibits.figure,
    "table": exhibits.table,
    "appendix": exhibits.appendix,
    "authors": accounts.authors,
    "made_when": accounts.made_when,
    "claims_table": accounts.claims_table,
    "slips_table": accounts.slips_table,
    "ours_table": accounts.ours_table,
    "steps_table": accounts.steps_table,
    "machine_table": accounts.machine_table,
    "parameters_table": accounts.parameters_table,
}
# Comments are <# ... #>: Pandoc's own attributes begin like Jinja's, {#refs}.
ENVIRONMENT = jinja2.Environment(
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    comment_start_string="<#",
    comment_end_string="#>",
)


def render(file: Path, run: str, kind: str = "html", root: Path = ROOT) -> str:
    """The Markdown of a text of this repository, filled from a run.

    kind: "html", "page" or "pdf" (workflow.text.source.Source); root: where reports/ and figures/ lie. In the text `run`
    is the run's name, `kind` as here, `p` its parameters by name, and the rest are PLACEHOLDERS.
    """
    return fill(Source(file.read_text(encoding="utf-8"), file.relative_to(root).as_posix(), run, kind, root))


def fill(source: Source) -> str:
    """The text of a source with its placeholders filled. UserError that names the line and what the run lacks."""
    names = {name: partial(function, source) for name, function in PLACEHOLDERS.items()}
    try:
        return ENVIRONMENT.from_string(source.text).render(
            run=source.run, kind=source.kind, p=values.parameters(source.report), **names
        )
    except jinja2.TemplateError as error:
        raise UserError(
            f"{source.file} line {_line(error)}: expected placeholders that workflow/text/render.py knows, "
            f"found: {error.message}; correct it."
        ) from error


def _line(error: jinja2.TemplateError) -> int:
    """The line of the text at which Jinja stopped."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return error.lineno
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == "<template>"]
    return lines[-1]
