"""What a notebook leaves: figures, tables, data files, and named values with the list of the files that it wrote."""

import io
import json
import re
import struct
import zlib
from math import isfinite
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.display import HTML, Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lib import base, provenance
from lib.base import figures_dir, reports_dir, write_atomically
from lib.report.style import DPI

Leaf = float | int | bool | str | dict | None  # a value; a dict is an estimate: value, sd, low, high, seeds, n

KEYWORD = "Panels"  # of the PNG text chunk that describes a figure
HEADER = 33  # bytes of a PNG's signature and first chunk
PICTURE, KEY = "picture of a gallery", "key of colours"  # ids of artists
MOST_POINTS = 400  # of a line that is described; longer ones are noise

_written: dict[Path, str] = {}  # file -> source of the cell that wrote it


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically and list it in this notebook's values file."""
    write_atomically(path, content)
    _list(path)


def _list(path: Path) -> None:
    shell = get_ipython()
    _written[path] = shell.history_manager.input_hist_raw[-1] if shell else ""


def save_figure(figure: Figure, run: str, name: str) -> None:
    """Write figures/<run>/<name>.png (200 dpi, with its description) and .pdf; the same figure gives the same bytes."""
    for kind, metadata in (
        ("png", {"Software": None}),
        ("pdf", {"CreationDate": None, "Creator": None, "Producer": None}),
    ):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
        content = buffer.getvalue()
        if kind == "png":
            content = _with_text(content, json.dumps(describe(figure), separators=(",", ":")))
        write_file(figures_dir(run) / f"{name}.{kind}", content)


def show(figure: Figure) -> None:
    """Show a figure in the notebook and close it."""
    display(figure)
    plt.close(figure)


def write_table(table: pd.DataFrame, run: str, name: str, caption: str, digits: int = 4) -> None:
    """Write reports/<run>/tables/<name>.csv (full precision) and .md (rounded), and show the table.

    Headers carry the units. The index is left out. caption: plain text, with `code` in backquotes.
    """
    markdown = f"{_rounded(table, digits).to_markdown(index=False, disable_numparse=True)}\n\n*{caption}*\n"
    folder = reports_dir(run) / "tables"
    write_csv(table, folder / f"{name}.csv")
    write_file(folder / f"{name}.md", markdown.encode())
    show_table(table, caption, digits)


def show_table(table: pd.DataFrame, caption: str = "", digits: int = 3) -> None:
    """Show a table without its index, and write nothing."""
    html = _rounded(table, digits).to_html(index=False, border=0)
    display(HTML(html), *([Markdown(f"*{caption}*")] if caption else []))


def say(markdown: str) -> None:
    """Show a sentence that quotes numbers from variables, as Markdown."""
    display(Markdown(markdown))


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write a compressed .npz for a later notebook."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_file(path, buffer.getvalue())


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a data file without its index."""
    write_file(path, table.to_csv(index=False, lineterminator="\n").encode())


def write_values(p: dict, notebook: str, answer: str, values: dict) -> None:
    """Write reports/<run>/values/<notebook>.json: the answer, the values by name, and how they were made.

    p: the notebook's parameters. values: name -> number, text, estimate, or a dict of such; NaN and infinity are written as
    null. The errors behind a mean (`sample` of an estimate) go under "samples", the files written so far under "files",
    each with the id of the cell that wrote it. ValueError for two values of one name.
    """
    flat = flatten(values, notebook)
    samples = {
        name: leaf["sample"] for name, leaf in flat.items() if isinstance(leaf, dict) and leaf.get("sample") is not None
    }
    source = base.ROOT / "notebooks" / f"{notebook}.ipynb"
    target = reports_dir(p["run"]) / "values" / f"{notebook}.json"
    _list(target)
    content = {
        "notebook": notebook,
        "answer": answer,
        "parameters": p,
        **provenance.commit(),
        "code": provenance.code_fingerprint(source) if source.is_file() else "",
        "files": _files(source),
        "values": {name: _plain(leaf) for name, leaf in flat.items()},
    } | ({"samples": samples} if samples else {})
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_atomically(target, (text + "\n").encode())


def _files(source: Path) -> dict[str, str]:
    """File -> id of the cell of a notebook that wrote it; "" where its source is not in the notebook."""
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"] if source.is_file() else []
    ids = {"".join(cell["source"]).rstrip("\n"): cell["id"] for cell in cells}
    inside = {path: cell for path, cell in _written.items() if path.is_relative_to(base.ROOT)}
    return {path.relative_to(base.ROOT).as_posix(): ids.get(cell, "") for path, cell in inside.items()}


def slug(text: str) -> str:
    """A part of a name: small letters, digits and underscores ("K-means, border" -> "k_means_border")."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def flatten(values: dict, prefix: str) -> dict[str, Leaf]:
    """Nested values -> one level, "prefix.part.part"; a dict with the key "value" is a leaf."""
    flat: dict[str, Leaf] = {}
    for key, value in values.items():
        name = f"{prefix}.{slug(str(key))}"
        if name in flat:
            raise ValueError(f"two values with the name {name}")
        if isinstance(value, dict) and "value" not in value:
            flat |= flatten(value, name)
        else:
            flat[name] = value
    return flat


def describe(figure: Figure) -> list[dict]:
    """One entry for each axes of a drawn figure, in the order in which they were added; of a gallery, one for each picture.

    kind: "picture", "chart" or "key" (of colours); title; box: left, top, width, height as shares of the figure. A picture also
    has side, the name of its row. A chart also has labels, limits and scales (of x and y), and lines: label, colour, x, y.
    """
    entries = []
    for axes in figure.axes:
        if axes.get_visible() and (axes.axison or axes.images):
            pictures = [image for image in axes.images if image.get_gid() == PICTURE]
            entries += [_describe_picture(axes, image) for image in pictures] or [_describe_axes(axes)]
    return entries


def name_picture(image: AxesImage, title: str, side: str) -> None:
    """Make one of several pictures in one axes an entry of its own."""
    image.set_gid(PICTURE)
    image.set_label(f"{title}\0{side}")


def _rounded(table: pd.DataFrame, digits: int) -> pd.DataFrame:
    return table.map(
        lambda value: "" if pd.isna(value) else f"{value:.{digits}f}" if isinstance(value, float) else str(value)
    )


def _plain(value):
    """JSON types only, without samples: numpy scalars as Python's, NaN and infinity as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items() if key != "sample"}
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not isfinite(value) else value


def _with_text(png: bytes, text: str) -> bytes:
    # Matplotlib takes metadata before it lays a figure out; so the chunk is added to the finished file.
    chunk = b"tEXt" + f"{KEYWORD}\0{text}".encode("ascii")
    return b"".join(
        [png[:HEADER], struct.pack(">I", len(chunk) - 4), chunk, struct.pack(">I", zlib.crc32(chunk)), png[HEADER:]]
    )


def _describe_picture(axes: Axes, image: AxesImage) -> dict:
    left, right, bottom, top = image.get_extent()
    corners = axes.transData.transform([(left, top), (right, bottom)])
    (left, top), (right, bottom) = axes.figure.transFigure.inverted().transform(corners)
    title, side = image.get_label().split("\0")
    box = [round(float(part), 5) for part in (left, 1 - top, right - left, top - bottom)]
    return {"kind": "picture", "side": side, "title": title, "box": box}


def _describe_axes(axes: Axes) -> dict:
    left, bottom, width, height = (round(float(part), 5) for part in axes.get_position().bounds)
    box = [left, round(1 - bottom - height, 5), width, height]
    entry = {"title": axes.get_title() or axes.get_title("left"), "box": box}
    if axes.images:
        return {"kind": "picture", "side": axes.get_ylabel(), **entry}
    lines = [
        {
            "label": line.get_label(),
            "colour": line.get_color(),
            "x": _short(line.get_xdata(orig=False)),
            "y": _short(line.get_ydata(orig=False)),
        }
        for line in axes.lines
        if not line.get_label().startswith("_")
        and line.get_transform() == axes.transData  # a control's level crosses the whole chart
        and 0 < len(line.get_xdata()) <= MOST_POINTS
    ]
    return {
        "kind": "key" if axes.get_label() == KEY else "chart",
        **entry,
        "labels": [axes.get_xlabel(), axes.get_ylabel()],
        "limits": [[float(end) for end in ends] for ends in (axes.get_xlim(), axes.get_ylim())],
        "scales": [axes.get_xscale(), axes.get_yscale()],
        "lines": lines,
    }


def _short(data: np.ndarray) -> list[float | None]:
    return [float(f"{value:.6g}") if isfinite(value) else None for value in data]
