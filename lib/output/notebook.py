"""What a notebook leaves behind: figures, tables, and sentences made of numbers (its values: lib.output.values)."""

import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure

from lib.base import figures_dir, reports_dir, write_atomically
from lib.output import described
from lib.output.style import DPI


def save_figure(fig: Figure, run: str, name: str, *more: dict) -> None:
    """Write figures/<run>/<name>.png (200 dpi) and .pdf; the same figure gives the same bytes.

    The PNG says what it shows (lib.output.described), and carries what a page may show `more` (lib.output.frames).
    """
    folder = figures_dir(run)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, metadata in (
        ("png", {"Software": None}),
        ("pdf", {"CreationDate": None, "Creator": None, "Producer": None}),
    ):
        buffer = io.BytesIO()
        fig.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
        content = buffer.getvalue()
        if kind == "png":
            content = described.with_panels(content, [*described.describe(fig), *more])
        write_atomically(folder / f"{name}.{kind}", content)


def show(fig: Figure) -> None:
    """Show a figure in the notebook and close it."""
    display(fig)
    plt.close(fig)


def write_table(table: pd.DataFrame, run: str, name: str, caption: str, digits: int = 4) -> None:
    """Write reports/<run>/tables/<name>.csv (full precision), .md and .tex (rounded), and show it.

    Headers carry the units. The index is left out: put what identifies a row into a column. The LaTeX table
    needs the package booktabs. caption: plain text, with `code` in backquotes.
    """
    folder = reports_dir(run) / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    rounded = table.map(lambda value: _rounded(value, digits)).fillna("")
    latex = rounded.to_latex(
        index=False, escape=True, caption=_latex_text(caption), label=f"tab:{name}", position="tbp"
    )
    markdown = f"{rounded.to_markdown(index=False, disable_numparse=True)}\n\n*{caption}*\n"
    write_atomically(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n").encode())
    write_atomically(folder / f"{name}.md", markdown.encode())
    write_atomically(folder / f"{name}.tex", latex.encode())
    _display_table(rounded, caption)


def show_table(table: pd.DataFrame, caption: str = "", digits: int = 3) -> None:
    """Show a table in the notebook and write nothing: for what belongs to an explanation, not to the paper.

    As in `write_table`, the index is left out.
    """
    _display_table(table.map(lambda value: _rounded(value, digits)).fillna(""), caption)


def _display_table(rounded: pd.DataFrame, caption: str) -> None:
    display(HTML(rounded.to_html(index=False, border=0)), *([Markdown(f"*{caption}*")] if caption else []))


def _rounded(value, digits: int) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _latex_text(text: str) -> str:
    # pandas escapes the cells but not the caption, whose "95 %" would comment out its own closing brace.
    return re.sub("`([^`]*)`", r"\\texttt{\1}", re.sub("[%&_#$]", r"\\\g<0>", text))


def say(markdown: str) -> None:
    """Show a sentence that quotes numbers from variables, as Markdown."""
    display(Markdown(markdown))


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write a compressed .npz for a later notebook, atomically."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a data file that is no table of the paper (the splits), atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, table.to_csv(index=False, lineterminator="\n").encode())
