"""Pictures of notebook 01 that show the images themselves: the wall, hair at its own size, a clip, the difficulty."""

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lib.output.plot_data import show_picture
from lib.output.style import COLOURS, WIDTH

DPI = 200  # of saved figures (lib.output.notebook): so many of a picture's pixels lie on an inch
HAIR = 220  # pixels of the side of a cut-out


def wall(samples: list, columns: int = 8) -> Figure:
    """Many samples (lib.data.source.Sample) side by side, the image alone."""
    lines = -(-len(samples) // columns)
    height, width = samples[0].image.shape[:2]
    figure, axes = plt.subplots(lines, columns, figsize=(WIDTH, lines * WIDTH / columns * height / width * 1.02),
                                squeeze=False, layout="constrained")
    for axis, sample in zip(axes.flat, samples):
        show_picture(axis, sample.image)
    for axis in axes.flat[len(samples):]:
        axis.axis("off")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    return figure


def hair(rows: dict[str, list[np.ndarray]]) -> Figure:
    """Cut-outs (s, s[, 3]) uint8 of equal size, a row for each key, one pixel of the picture on one of the saved
    figure."""
    count, side = len(next(iter(rows.values()))), next(iter(rows.values()))[0].shape[0] / DPI
    gap, margin = 0.04, 0.22
    size = margin + count * (side + gap), len(rows) * (side + gap)
    figure = plt.figure(figsize=size, layout="none")
    for line, (title, pictures) in enumerate(rows.items()):
        low = 1 - (line * (side + gap) + side) / size[1]
        for column, picture in enumerate(pictures):
            axis = figure.add_axes(((margin + column * (side + gap)) / size[0], low, side / size[0], side / size[1]))
            show_picture(axis, picture)
            if column == 0:
                axis.set_ylabel(title, fontsize=8)
    return figure


def softest(alpha: np.ndarray, side: int = HAIR) -> tuple[slice, slice]:
    """Rows and columns of the square (or what fits) of alpha (H, W) uint8 with the most soft pixels."""
    height, width = (min(side, length) for length in alpha.shape)
    soft = ((alpha > 12) & (alpha < 242)).astype(np.float64)
    total = cv2.integral(soft)
    counts = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    row, column = (int(place) for place in np.unravel_index(np.argmax(counts), counts.shape))
    return slice(row, row + height), slice(column, column + width)


def clip(clips: list[list], every: int = 2) -> Figure:
    """Clips (lists of lib.data.source.Sample), each as a line of images and a line of alphas, every so many frames."""
    shown = [frames[::every] for frames in clips]
    columns, (height, width) = len(shown[0]), shown[0][0].alpha.shape
    figure, axes = plt.subplots(2 * len(shown), columns, squeeze=False, layout="constrained",
                                figsize=(WIDTH, 2 * len(shown) * WIDTH / columns * height / width * 1.02))
    for line, frames in enumerate(shown):
        for column, frame in enumerate(frames):
            show_picture(axes[2 * line, column], frame.image)
            show_picture(axes[2 * line + 1, column], frame.alpha)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    return figure


def difficulty(overlap: np.ndarray, texture: np.ndarray) -> Figure:
    """Histograms of both numbers (n,), see lib.evaluation.difficulty."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.2), layout="constrained")
    for axis, numbers, label, colour in zip(axes, (overlap, texture), (
            "share of colours in common", "background's texture (grey levels a pixel)"),
            COLOURS):
        numbers = numbers[np.isfinite(numbers)]
        axis.hist(numbers, bins=24, color=colour, edgecolor="white", linewidth=0.4)
        axis.axvline(np.median(numbers), color="black", linestyle="--", label=f"median {np.median(numbers):.2f}")
        axis.set(xlabel=label, ylabel="images")
        axis.legend()
    return figure
