"""Pictures side by side: one grid for every figure that shows pictures, and the window with the most hair in it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import cv2
import numpy as np
from matplotlib import colormaps, pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from lib.output import described
from lib.output.style import AS_PLACED, DPI, ERROR_MAP, FRAME, SMALL, WIDTH

# All in pixels of the saved figure: the frame, from frame to frame, before and behind text, a line of text.
EDGE, GAP, NEAR, LINE = 2, 4, 4, 27
BAR = 118  # the height of a colour bar with its label
# A picture that ends a rounding error behind a pixel's border would be stretched over the next pixel.
INSET = 0.01


def gallery(rows: Mapping, notes: Mapping | None = None, scale: float | None = None, width: float = WIDTH) -> Figure:
    """A grid of pictures with a thin frame around each, so that a white alpha doesn't bleed into the page.

    rows: label of a row -> {title of a column: picture}; pictures (h, w) or (h, w, 3), uint8 or float in [0, 1].
    A row may lack pictures. Labels and titles that are no text keep places apart and aren't drawn.
    notes: label -> {title: text below the picture, or in its place where it is lacking}.
    scale: pixels of the saved figure for one pixel of a picture; 1 is pixel for pixel. None: all panels are equally
    wide and fill `width` inches. Enlarged pixels stay sharp; where a picture is shrunk, its pixels are averaged.
    """
    titles = list(dict.fromkeys(chain.from_iterable(rows.values())))
    left, y, between = _room(rows) + EDGE, _room(titles) + EDGE, GAP + 2 * EDGE
    fit = (round(width * DPI) - left - EDGE + between) // len(titles) - between
    panels = {
        label: {title: _panel(picture, scale or fit / picture.shape[1]) for title, picture in row.items()}
        for label, row in rows.items()
    }
    wide = max(panel.shape[1] for row in panels.values() for panel in row.values())
    figure = plt.figure(layout=AS_PLACED)
    figure.suppressComposite = True  # in a PDF, each picture by itself and not all as one
    axis = figure.add_axes((0, 0, 1, 1))  # its coordinates are pixels, counted from the upper left corner
    axis.axis("off")
    places = {title: left + column * (wide + between) for column, title in enumerate(titles)}
    for title, x in places.items():
        _write(axis, title, (x + wide / 2, y - EDGE - NEAR), ("center", "bottom"))
    for label, row in panels.items():
        high, below = max(panel.shape[0] for panel in row.values()), (notes or {}).get(label, {})
        _write(axis, label, (left - EDGE - NEAR, y + high / 2), ("right", "center"), rotation=90)
        for title, x in places.items():
            if title in row:
                image = _draw(axis, row[title], x + (wide - row[title].shape[1]) // 2, y)
                described.name_picture(image, _said(title, below.get(title)), _said(label))
                _write(axis, below.get(title), (x + wide / 2, y + row[title].shape[0] + EDGE + NEAR), ("center", "top"))
            else:
                _write(axis, below.get(title), (x, y), ("left", "top"))
        y += high + between + _room(below.get(title) for title in row)
    right, bottom = left + len(titles) * (wide + between) - GAP - EDGE, y - GAP - EDGE
    axis.set(xlim=(0, right), ylim=(bottom, 0))
    _resize(figure, right, bottom)
    return figure


def grid(items: Sequence, columns: int) -> dict[int, dict[int, object]]:
    """Pictures, or their notes, line by line as `gallery` takes them, without labels and titles."""
    return {start: dict(enumerate(items[start : start + columns])) for start in range(0, len(items), columns)}


def error_colours(error: np.ndarray, top: float = 1.0) -> np.ndarray:
    """Absolute errors (h, w), 0 to `top`, as a picture (h, w, 3) float; `colour_bar` is its key."""
    return colormaps[ERROR_MAP](error / top)[..., :3]


def colour_bar(figure: Figure, label: str, top: float = 1.0) -> Figure:
    """The same gallery with the key of `error_colours` below it."""
    width, height = figure.get_size_inches() * DPI
    bar = BAR / (height + BAR)
    _resize(figure, width, height + BAR)
    figure.axes[0].set_position((0, bar, 1, 1 - bar))
    axis = figure.add_axes((0.2, 0.7 * bar, 0.6, 0.14 * bar), label=described.KEY)
    figure.colorbar(ScalarMappable(Normalize(0, top), ERROR_MAP), cax=axis, orientation="horizontal")
    axis.set_xlabel(label, fontsize=SMALL)
    axis.tick_params(labelsize=SMALL)
    return figure


def softest(alpha: np.ndarray, side: int) -> tuple[slice, slice]:
    """Rows and columns of the square with the most soft pixels (12 < alpha < 242), the first of equals.

    alpha: (h, w) uint8. side: in pixels; along an axis on which the picture is shorter, the window is all of it.
    """
    height, width = (min(side, length) for length in alpha.shape)
    total = cv2.integral(((alpha > 12) & (alpha < 242)).astype(np.uint8))
    counts = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    row, column = (int(place) for place in np.unravel_index(np.argmax(counts), counts.shape))
    return slice(row, row + height), slice(column, column + width)


def _room(texts: Iterable) -> int:
    """Pixels that texts side by side need across their lines."""
    lines = [text.count("\n") + 1 for text in texts if isinstance(text, str)]
    return max(lines) * LINE + 2 * NEAR if lines else 0


def _panel(picture: np.ndarray, scale: float) -> np.ndarray:
    """A picture as its panel shows it, (h scale, w scale, 3) uint8."""
    levels = picture if picture.dtype == np.uint8 else np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    size = [max(1, round(length * scale)) for length in levels.shape[1::-1]]
    rule = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST_EXACT
    levels = cv2.resize(np.ascontiguousarray(levels), size, interpolation=rule)
    return levels if levels.ndim == 3 else np.stack([levels] * 3, axis=-1)


def _said(name, note: str | None = None) -> str:
    """A row's or a picture's name on one line: its own where that is text, else the first line of the note below it."""
    return " ".join((name if isinstance(name, str) else (note or "").split("\n")[0]).split())


def _draw(axis: plt.Axes, panel: np.ndarray, x: int, y: int) -> AxesImage:
    """One panel with its upper left corner at (x, y), the frame outside of it."""
    height, width = panel.shape[:2]
    inside = (x + INSET, x + width - INSET, y + height - INSET, y + INSET)
    image = axis.imshow(panel, extent=inside, aspect="auto", interpolation="nearest")
    axis.add_patch(
        Rectangle(
            (x - EDGE / 2, y - EDGE / 2),
            width + EDGE,
            height + EDGE,
            fill=False,
            edgecolor=FRAME,
            linewidth=EDGE * 72 / DPI,
        )
    )
    return image


def _write(axis: plt.Axes, text, place: tuple[float, float], anchor: tuple[str, str], rotation: int = 0) -> None:
    if isinstance(text, str):
        axis.text(*place, text, ha=anchor[0], va=anchor[1], rotation=rotation, fontsize=SMALL)


def _resize(figure: Figure, width: float, height: float) -> None:
    # Matplotlib cuts a pixel off where a rounding error puts the size below a whole number.
    figure.set_size_inches(np.nextafter(np.array([width, height]) / DPI, np.inf))
