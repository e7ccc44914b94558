"""What a figure shows, as data inside its PNG: where its pictures and charts lie, their titles, and the points of its lines.

A page can then set two pictures of one figure over each other, follow a line, and say in words what there is to see.
"""

import json
import struct
import zlib
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

KEYWORD = "Panels"  # of the PNG's text chunk
SIGNATURE, HEADER = 8, 25  # bytes of a PNG's signature and of its first chunk
PICTURE, KEY = "picture of a gallery", "key of colours"  # what tells such artists from others
MOST_POINTS = 400  # of a line; longer ones are pictures of noise that nobody reads off


def describe(figure: Figure) -> list[dict]:
    """One entry for each axes of a figure that was drawn, in the order in which they were added; of a gallery's axes, which
    holds many pictures, one for each.

    kind: "picture", "chart", or "key" (of colours); title; box: left, top, width, height as shares of the figure. Of a picture
    also: side, the name of its row. Of a chart also: labels (of x and y), limits and scales (each of x and y), and lines: label,
    x, y.
    """
    found = []
    for axis in figure.axes:
        if not axis.get_visible() or not (axis.axison or axis.images):
            continue
        named = [image for image in axis.images if image.get_gid() == PICTURE]
        found += [_picture(axis, image) for image in named] or [_panel(axis)]
    return found


def name_picture(image: AxesImage, title: str, side: str) -> None:
    """Make one of several pictures in one axes an entry of its own."""
    image.set_gid(PICTURE)
    image.set_label(f"{title}\0{side}")


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


def _picture(axis: Axes, image: AxesImage) -> dict:
    """A picture by where it lies in its axes."""
    left, right, bottom, top = image.get_extent()
    corners = axis.transData.transform([(left, top), (right, bottom)])
    (left, top), (right, bottom) = axis.figure.transFigure.inverted().transform(corners)
    title, side = image.get_label().split("\0")
    box = [round(float(part), 5) for part in (left, 1 - top, right - left, top - bottom)]
    return {"kind": "picture", "side": side, "title": title, "box": box}


def _panel(axis: Axes) -> dict:
    left, bottom, width, height = (round(float(part), 5) for part in axis.get_position().bounds)
    found = {
        "title": axis.get_title() or axis.get_title("left"),
        "box": [left, round(1 - bottom - height, 5), width, height],
    }
    if axis.images:
        return {"kind": "picture", "side": axis.get_ylabel(), **found}
    return {
        "kind": "key" if axis.get_label() == KEY else "chart",
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
