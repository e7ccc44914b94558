"""What a figure shows, as data inside its PNG: where its pictures and charts lie, their titles, and the points of its lines.

A page can then set two pictures of one figure over each other, follow a line, and say in words what there is to see.
"""

import json
import struct
import zlib
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure

KEYWORD = "Panels"  # of the PNG's text chunk
SIGNATURE, HEADER = 8, 25  # bytes of a PNG's signature and of its first chunk
MOST_POINTS = 400  # of a line; longer ones are pictures of noise that nobody reads off


def describe(figure: Figure) -> list[dict]:
    """One entry for each axes of a figure that was drawn, in the order in which they were added.

    kind: "picture" or "chart"; title; box: left, top, width, height as shares of the figure. Of a chart also: labels (of x and
    y), limits and scales (each of x and y), and lines: label, x, y.
    """
    return [_panel(axis) for axis in figure.axes if axis.get_visible() and (axis.axison or axis.images)]


def with_panels(png: bytes, panels: list[dict]) -> bytes:
    """The PNG with panels in a text chunk behind its header."""
    content = f"{KEYWORD}\0".encode("latin-1") + json.dumps(panels, separators=(",", ":")).encode("ascii")
    chunk = b"tEXt" + content
    whole = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[: SIGNATURE + HEADER] + whole + png[SIGNATURE + HEADER :]


def panels(png: bytes) -> list[dict]:
    """The panels of a PNG; none where it carries none."""
    at = SIGNATURE
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        content = png[at + 8 : at + 8 + length]
        if png[at + 4 : at + 8] == b"tEXt" and content.startswith(f"{KEYWORD}\0".encode("latin-1")):
            return json.loads(content.split(b"\0", 1)[1])
        at += length + 12
    return []


def _panel(axis: Axes) -> dict:
    left, bottom, width, height = (round(float(part), 5) for part in axis.get_position().bounds)
    found = {
        "title": axis.get_title() or axis.get_title("left"),
        "box": [left, round(1 - bottom - height, 5), width, height],
    }
    if axis.images:
        return {"kind": "picture", "side": axis.get_ylabel(), **found}
    return {
        "kind": "chart",
        **found,
        "labels": [axis.get_xlabel(), axis.get_ylabel()],
        "limits": [[float(end) for end in ends] for ends in (axis.get_xlim(), axis.get_ylim())],
        "scales": [axis.get_xscale(), axis.get_yscale()],
        "lines": _lines(axis),
    }


def _lines(axis: Axes) -> list[dict]:
    """Lines with a name, by their data; without those that cross the whole chart, like a control's level."""
    found = []
    for line in axis.lines:
        x, y = (list(values) for values in (line.get_xdata(orig=False), line.get_ydata(orig=False)))
        if line.get_label().startswith("_") or line.get_transform() != axis.transData or not 0 < len(x) <= MOST_POINTS:
            continue
        found.append(
            {
                "label": line.get_label(),
                "colour": line.get_color(),
                "x": [_short(value) for value in x],
                "y": [_short(value) for value in y],
            }
        )
    return found


def _short(value: float) -> float | None:
    """Six digits, which no eye tells from more; None for a gap in the line."""
    return float(f"{value:.6g}") if isfinite(value) else None
