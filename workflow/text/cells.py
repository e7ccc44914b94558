"""Tables for the article and the README: means, deviations and intervals in one cell, and Pandoc's pipe tables."""

import io
import re

import pandas as pd


def compact(frame: pd.DataFrame, digits: int) -> pd.DataFrame:
    """Text cells; "x", "x sd", "x low", "x high" become one column "x": mean ± sd [low, high]."""
    parts = {}
    for column in frame.columns:
        base = re.sub(r" (sd|low|high)$", "", column)
        if base != column and base in frame.columns:
            continue
        measured = {f"{column} sd", f"{column} low"} & set(frame.columns)
        cells = _written(frame[column], digits, bool(measured))
        if f"{column} sd" in frame.columns:
            cells = [
                f"{cell} ± {_cell(sd, digits)}" if _cell(sd, digits) else cell
                for cell, sd in zip(cells, frame[f"{column} sd"], strict=True)
            ]
        if {f"{column} low", f"{column} high"} <= set(frame.columns):
            ends = zip(frame[f"{column} low"], frame[f"{column} high"], strict=True)
            cells = [
                f"{cell} [{_cell(low, digits)}, {_cell(high, digits)}]" if _cell(low, digits) else cell
                for cell, (low, high) in zip(cells, ends, strict=True)
            ]
        parts[column] = cells
    shown = pd.DataFrame(parts)
    return _fold_plain_interval(shown)


def _fold_plain_interval(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns named only "low" and "high" belong to "mean" or "difference"."""
    base = next((name for name in ("difference", "mean") if name in frame.columns), None)
    if base is None or not {"low", "high"} <= set(frame.columns):
        return frame
    frame[base] = [
        f"{value} [{low}, {high}]" if low else value
        for value, low, high in zip(frame[base], frame["low"], frame["high"], strict=True)
    ]
    return frame.drop(columns=["low", "high"])


def _written(column: pd.Series, digits: int, measured: bool) -> list[str]:
    """The cells of a column: rounded, but numbers that someone chose (0.0001, 1e-06) as they were chosen."""
    if _are_counts(column):
        return [_cell(value, 0) for value in column]
    if not measured and _are_chosen(column):
        return ["" if pd.isna(value) else f"{value:g}" for value in column]
    return [_cell(value, digits) for value in column]


def _are_chosen(column: pd.Series) -> bool:
    """Whether no number of a column has more than two digits that count: a measured one has."""
    known = column.dropna()
    return pd.api.types.is_float_dtype(column) and bool(
        (known == known.map(lambda number: float(f"{number:.2g}"))).all()
    )


def _are_counts(column: pd.Series) -> bool:
    """Whether all numbers of a column are whole, which CSV with an empty cell gives as floats."""
    known = column.dropna()
    return pd.api.types.is_float_dtype(column) and (known % 1 == 0).all() and (known >= 1).all()


def _cell(value, digits: int) -> str:
    if isinstance(value, float):
        if pd.isna(value):
            return ""
        return f"{int(value)}" if value.is_integer() and abs(value) > 1 else f"{value:.{digits}f}"
    return str(value)


def pipe_table(frame: pd.DataFrame, name: str, caption: str) -> str:
    """A pipe table with a caption and an anchor; columns of numbers are set to the right."""
    text = frame.astype(str).map(lambda cell: cell.replace("|", "/").replace("\n", " "))
    numeric = [all(re.match(r"^[-+\N{MINUS SIGN}\d.±\[\], %]*$", cell) for cell in text[column]) for column in text]
    buffer = io.StringIO()
    buffer.write("| " + " | ".join(text.columns) + " |\n")
    buffer.write("|" + "|".join("---:" if right else ":---" for right in numeric) + "|\n")
    for row in text.itertuples(index=False):
        # A line of a narrow cell may end before an interval, never inside it.
        cells = [
            re.sub(r"\[([^],]+), ([^]]+)\]", "[\\1,\N{NO-BREAK SPACE}\\2]", c) if right else c
            for c, right in zip(row, numeric, strict=True)
        ]
        buffer.write("| " + " | ".join(cells) + " |\n")
    # The div scrolls by itself on a narrow screen, and by the keyboard; the anchor stands on it.
    return f'::: {{.table #{name} tabindex="0" role="region" aria-label="Table {name}"}}\n{buffer.getvalue()}\n: {caption}\n:::\n'
