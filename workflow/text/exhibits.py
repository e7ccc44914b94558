"""Placeholders for figures and tables of a run, numbered in the order of the text."""

import re

from lib.base import UserError
from workflow.text.alternative import alternative
from workflow.text.cells import compact, pipe_table
from workflow.text.source import Source


def ref(source: Source, name: str) -> str:
    """`ref`: a link to a figure or table: "Figure 3"."""
    for kind, numbers in source.numbers.items():
        if name in numbers:
            return f"[{kind.title()}\N{NO-BREAK SPACE}{numbers[name]}](#{name})"
    raise UserError(
        f"{source.line(name)}: expected a figure or table that the article shows, found {name!r}; correct the name."
    )


def figure(source: Source, name: str, caption: str) -> str:
    """`figure`: a figure with its number, its caption, and a link to the cell that made it."""
    path = source.existing(source.figures / f"{name}.{'pdf' if source.kind == 'pdf' else 'png'}", name)
    said = " ".join(caption.split())
    caption = f"**Figure {source.numbers['figure'][name]}.** {said} {made_here(source, name)}"
    where = path.as_posix() if source.kind != "pdf" else "/" + path.relative_to(source.root).as_posix()
    return f'![{caption}]({where}){{#{name} alt="{alternative(path.with_suffix(".png"), said)}"}}\n'


def table(
    source: Source,
    name: str,
    caption: str = "",
    columns: list[str] | None = None,
    rows: list[str] | None = None,
    digits: int = 3,
) -> str:
    """`table`: a table: chosen columns (of the compacted table), rows by their first cell, and a caption."""
    frame = compact(source.csv(source.report / "tables" / f"{name}.csv", name), digits)
    for wanted, known, what in ((columns, list(frame.columns), "columns"), (rows, list(frame.iloc[:, 0]), "rows")):
        chosen(source, name, what, wanted or [], known)
    if rows:
        frame = frame.set_index(frame.columns[0], drop=False).loc[rows]
    frame = frame[columns] if columns else frame
    caption = f"**Table {source.numbers['table'][name]}.** {' '.join((caption or own_caption(source, name)).split())}"
    return pipe_table(frame, name, f"{caption} {made_here(source, name)}")


def appendix(source: Source) -> str:
    """`appendix`: every table of the run that the text does not show, with its caption."""
    names = sorted(path.stem for path in (source.report / "tables").glob("*.csv"))
    left = [name for name in names if name not in source.numbers["table"] and name != "tab_claims"]
    parts = []
    for number, name in enumerate(left, 1):
        frame = compact(source.csv(source.report / "tables" / f"{name}.csv", name), 3)
        caption = f"**Table A{number}** (`{name}`)**.** {own_caption(source, name)}"
        parts.append(pipe_table(frame, name, f"{caption} {made_here(source, name)}"))
    return "\n\n".join(parts)


def chosen(source: Source, name: str, what: str, wanted: list[str], known: list[str]) -> None:
    """UserError when a text chooses columns or rows that a table does not have."""
    if unknown := [item for item in wanted if item not in known]:
        raise UserError(
            f"{source.line(name)}: expected {what} of {name} ({', '.join(known)}), found "
            f"{', '.join(unknown)}; correct the text."
        )


def own_caption(source: Source, name: str) -> str:
    """The caption that the notebook gave: the last line of the table's Markdown, without its own number."""
    path = source.existing(source.report / "tables" / f"{name}.md", name)
    return re.sub(r"^Table \d+\. ", "", path.read_text(encoding="utf-8").strip().splitlines()[-1].strip("*"))


def made_here(source: Source, name: str) -> str:
    """A link to the cell or notebook that wrote a figure or table; "" for what no notebook writes."""
    notebook, cell = source.cells.get(name, ("", ""))
    if not cell:
        return ""
    committed = source.kind == "pdf" or source.run == "paper"  # a clone has the executed notebooks, not their pages
    return f"[Made here.]({notebook}.ipynb)" if committed else f"[Made here.]({notebook}.html#{cell})"
