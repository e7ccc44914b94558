"""Grids of pictures, their colour bar, and the softest window of a matte."""

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

from lib.report import save
from lib.report.style import AS_PLACED, DPI, ERROR_MAP, FRAME, SMALL, WIDTH

# In pixels of the saved figure: frame, gap spacing frames, space around text, a line of text, a colour bar.
EDGE, GAP, NEAR, LINE, BAR = 2, 4, 4, 27, 118
INSET = 0.01  # against a rounding error that stretches a picture over the next pixel


def gallery(rows: Mapping, notes: Mapping | None = None, scale: float | None = None, width: float = WIDTH) -> Figure:
    """A grid of framed pictures.

    rows: row label -> {column title: picture (h,w) or (h,w,3), uint8 or float in [0,1]}; labels and titles that are not
    text are not drawn. notes: row label -> {column title: text below the picture, or in place of a missing one}.
    scale: pixels of the saved figure for one pixel of a picture; None: panels fill `width` inches.
    """
    titles = list(dict.fromkeys(chain.from_iterable(rows.values())))
    left, y, spacing = _room(rows) + EDGE, _room(titles) + EDGE, GAP + 2 * EDGE
    fitted = (round(width * DPI) - left - EDGE + spacing) // len(titles) - spacing
    panels = {
        label: {title: _panel(picture, scale or fitted / picture.shape[1]) for title, picture in row.items()}
        for label, row in rows.items()
    }
    panel_width = max(panel.shape[1] for row in panels.values() for panel in row.values())
    figure = plt.figure(layout=AS_PLACED)
    figure.suppressComposite = True  # a PDF holds each picture by itself
    axis = figure.add_axes((0, 0, 1, 1))  # in pixels from the upper left corner
    axis.axis("off")
    lefts = {title: left + column * (panel_width + spacing) for column, title in enumerate(titles)}
    for title, x in lefts.items():
        _write(axis, title, (x + panel_width / 2, y - EDGE - NEAR), ("center", "bottom"))
    for label, row in panels.items():
        row_height, texts = max(panel.shape[0] for panel in row.values()), (notes or {}).get(label, {})
        _write(axis, label, (left - EDGE - NEAR, y + row_height / 2), ("right", "center"), rotation=90)
        for title, x in lefts.items():
            if title in row:
                image = _draw(axis, row[title], x + (panel_width - row[title].shape[1]) // 2, y)
                save.name_picture(image, _one_line(title, texts.get(title)), _one_line(label))
                _write(
                    axis,
                    texts.get(title),
                    (x + panel_width / 2, y + row[title].shape[0] + EDGE + NEAR),
                    ("center", "top"),
                )
            else:
                _write(axis, texts.get(title), (x, y), ("left", "top"))
        y += row_height + spacing + _room(texts.get(title) for title in row)
    right, bottom = left + len(titles) * (panel_width + spacing) - GAP - EDGE, y - GAP - EDGE
    axis.set(xlim=(0, right), ylim=(bottom, 0))
    _resize(figure, right, bottom)
    return figure


def grid(items: Sequence, columns: int) -> dict[int, dict[int, object]]:
    """Pictures, or their notes, in lines of `columns`, as `gallery` takes them."""
    return {start: dict(enumerate(items[start : start + columns])) for start in range(0, len(items), columns)}


def error_colormap(error: np.ndarray, top: float = 1.0) -> np.ndarray:
    """Absolute errors (h,w), 0 to `top`, as a picture (h,w,3) float; `colour_bar` is its key."""
    return colormaps[ERROR_MAP](error / top)[..., :3]


def colour_bar(figure: Figure, label: str, top: float = 1.0) -> Figure:
    """The same gallery with the key of `error_colormap` below it."""
    width, height = figure.get_size_inches() * DPI
    bar = BAR / (height + BAR)
    _resize(figure, width, height + BAR)
    figure.axes[0].set_position((0, bar, 1, 1 - bar))
    axis = figure.add_axes((0.2, 0.7 * bar, 0.6, 0.14 * bar), label=save.KEY)
    figure.colorbar(ScalarMappable(Normalize(0, top), ERROR_MAP), cax=axis, orientation="horizontal")
    axis.set_xlabel(label, fontsize=SMALL)
    axis.tick_params(labelsize=SMALL)
    return figure


def softest_window(alpha: np.ndarray, side: int) -> tuple[slice, slice]:
    """Rows and columns of the square of `side` px (at most the picture) with the most soft pixels, 12 < alpha < 242.

    alpha: (h,w) uint8.
    """
    height, width = (min(side, length) for length in alpha.shape)
    total = cv2.integral(((alpha > 12) & (alpha < 242)).astype(np.uint8))
    counts = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    row, column = (int(at) for at in np.unravel_index(np.argmax(counts), counts.shape))
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


def _one_line(name, note: str | None = None) -> str:
    """A name on one line: itself if it is text, else the first line of the note."""
    return " ".join((name if isinstance(name, str) else (note or "").split("\n")[0]).split())


def _draw(axis: plt.Axes, panel: np.ndarray, x: int, y: int) -> AxesImage:
    """One panel with its upper left corner at (x, y), the frame outside of it."""
    height, width = panel.shape[:2]
    inside = (x + INSET, x + width - INSET, y + height - INSET, y + INSET)
    image = axis.imshow(panel, extent=inside, aspect="auto", interpolation="nearest")
    corner, line = (x - EDGE / 2, y - EDGE / 2), {"edgecolor": FRAME, "linewidth": EDGE * 72 / DPI}
    axis.add_patch(Rectangle(corner, width + EDGE, height + EDGE, fill=False, **line))
    return image


def _write(axis: plt.Axes, text, position: tuple[float, float], anchor: tuple[str, str], rotation: int = 0) -> None:
    if isinstance(text, str):
        axis.text(*position, text, ha=anchor[0], va=anchor[1], rotation=rotation, fontsize=SMALL)


def _resize(figure: Figure, width: float, height: float) -> None:
    # Matplotlib cuts a pixel off where a rounding error puts the size below a whole number.
    figure.set_size_inches(np.nextafter(np.array([width, height]) / DPI, np.inf))
