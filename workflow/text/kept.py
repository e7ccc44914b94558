"""Placeholders for what is kept of runs that are not this one: files under reports/, by their path from there.

The README shows tables of several runs, so here a table is first taken (`rows_of`), then put together with others
(`beside`, or a list), and last set (`grid`).
"""

import json

import pandas as pd

from workflow.text.cells import compact
from workflow.text.exhibits import chosen
from workflow.text.source import Source


def kept(source: Source, file: str) -> dict | list | str:
    """`kept`: the content of a JSON file, or the text of another one without the empty lines around it."""
    text = source.existing(source.root / "reports" / file, file).read_text().strip()
    return json.loads(text) if file.endswith(".json") else text


def picture(source: Source, file: str) -> str:
    """`picture`: the path of a figure under figures/, from the repository's root."""
    return source.existing(source.root / "figures" / file, file).relative_to(source.root).as_posix()


def rows_of(
    source: Source, file: str, rows: list[str] | None = None, digits: int = 3, add: dict[str, str] | None = None
) -> pd.DataFrame:
    """`rows_of`: a table (CSV) as text cells, with rows chosen by their first cell; add: columns with one text in all."""
    frame = compact(source.csv(source.root / "reports" / file, file), digits)
    if rows:
        chosen(source, file, "rows", rows, list(frame.iloc[:, 0]))
        frame = frame.set_index(frame.columns[0], drop=False).loc[rows]
    return frame.assign(**(add or {}))


def beside(source: Source, frame: pd.DataFrame, other: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """`beside`: a table with columns of another one that has the same first cells; columns: name there -> name here."""
    first = frame.columns[0]
    chosen(source, "beside", "rows", list(frame[first]), list(other[first]))
    found = other.set_index(first).loc[list(frame[first]), list(columns)].rename(columns=columns)
    return pd.concat([frame.reset_index(drop=True), found.reset_index(drop=True)], axis=1)


def grid(
    source: Source, frames: pd.DataFrame | list[pd.DataFrame], columns: list[str] | dict[str, str] | None = None
) -> str:
    """`grid`: tables, one below the other, as one Markdown table; columns: the chosen ones, or name -> heading."""
    frame = pd.concat(frames) if isinstance(frames, list) else frames
    if columns:
        chosen(source, "grid", "columns", list(columns), list(frame.columns))
        frame = frame[list(columns)].rename(columns=columns if isinstance(columns, dict) else {})
    return frame.to_markdown(index=False, disable_numparse=True)
