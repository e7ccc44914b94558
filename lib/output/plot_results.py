"""Pictures of the results: Figures 4 to 6, error maps by pixel position, and paired differences."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

WIDTH = 7.0  # inches: one column of a page
ERROR_MAP = "magma"  # perceptually uniform and readable without colour vision
CASES = ("best", "median", "worst")
MAX_POINTS = 1000


def rank_cases(errors: np.ndarray) -> dict[str, int]:
    """Positions of the best, median and worst of `errors` (n,) float, by rank; ties go to the lower position.

    The median is the image at rank ceil(n / 2), so that it is an image and not a mean of two.
    """
    order = np.argsort(errors, kind="stable")
    return {"best": int(order[0]), "median": int(order[(len(order) - 1) // 2]), "worst": int(order[-1])}


def absolute_error(predicted: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """|alpha_p - alpha_g| as float32 in [0, 1]; predicted float in [0, 1], alpha uint8, of one shape."""
    return np.abs(predicted.astype(np.float32) - alpha.astype(np.float32) / 255)


def mean_error_map(predicted: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Mean absolute error by pixel position, (H, W) float64, over all leading axes of (..., H, W) arrays."""
    error = absolute_error(predicted, alpha)
    return error.reshape(-1, *error.shape[-2:]).mean(axis=0, dtype=np.float64)


def comparison(pictures: dict[str, np.ndarray], predictions: dict[str, np.ndarray], alpha: np.ndarray,
               note: str) -> Figure:
    """One test image: inputs and truth, every prediction, and below each prediction its error map.

    pictures: label -> (H, W, 3) or (H, W) uint8. predictions: label -> (H, W) float in [0, 1].
    alpha: (H, W) uint8. note: text for the empty corner below the pictures.
    """
    columns = len(pictures) + len(predictions)
    figure, axes = plt.subplots(2, columns, figsize=(WIDTH, 2 * WIDTH / columns + 1.05), layout="constrained")
    for axis, (label, picture) in zip(axes[0], pictures.items(), strict=False):
        _picture(axis, picture / 255, label)
    for axis in axes[1, : len(pictures)]:
        axis.axis("off")
    corner = axes[1, 0].text(0, 1, note, transform=axes[1, 0].transAxes, va="top", fontsize=8)
    corner.set_in_layout(False)  # else the layout would widen the column to the text
    errors = {label: absolute_error(predicted, alpha) for label, predicted in predictions.items()}
    for column, (label, predicted) in enumerate(predictions.items(), start=len(pictures)):
        _picture(axes[0, column], predicted, label)
        _picture(axes[1, column], errors[label], f"{errors[label].mean():.3f}", ERROR_MAP)
    mappable = axes[1, -1].images[0]
    bar = figure.colorbar(mappable, ax=list(axes[1]), location="bottom", fraction=0.08, aspect=50, pad=0.02,
                          shrink=0.7)
    bar.set_label("absolute error of alpha (number above: its mean over all pixels)", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def error_maps(maps: dict[str, np.ndarray], columns: int = 4) -> Figure:
    """Mean absolute error by pixel position, one panel a method, one colour scale. maps: label -> (H, W)."""
    rows = -(-len(maps) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, rows * (WIDTH / columns + 0.15)),
                                layout="constrained", squeeze=False)
    top = max(float(values.max()) for values in maps.values())
    for axis in axes.flat:
        axis.axis("off")
    for axis, (label, values) in zip(axes.flat, maps.items(), strict=False):
        _picture(axis, values, f"{label}\nmean {values.mean():.3f}", ERROR_MAP, top)
    bar = figure.colorbar(axes[0, 0].images[0], ax=axes, location="right", fraction=0.03, pad=0.01)
    bar.set_label("mean absolute error over the test images", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def paired_differences(groups: pd.DataFrame) -> Figure:
    """Differences of paired images, with mean and interval, one row a comparison.

    groups: columns label (str), values (array (seeds, images)), mean, low, high (float). A grey point is one
    image (mean over seeds; of more than 1,000, every k-th by rank); a tick is the mean of one seed.
    """
    figure, axes = plt.subplots(len(groups), 1, figsize=(WIDTH, 0.95 * len(groups) + 0.6), sharex=False,
                                layout="constrained", squeeze=False)
    for axis, row in zip(axes[:, 0], groups.itertuples(), strict=True):
        values = np.asarray(row.values, dtype=float)
        points = _thin(np.sort(np.nanmean(values, axis=0)))
        jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(points))
        axis.scatter(points, jitter, s=8, color="0.55", alpha=0.6, linewidths=0, rasterized=len(points) > 500)
        seeds = np.nanmean(values, axis=1)
        axis.scatter(seeds, np.zeros(len(seeds)), marker="|", s=160, color="#0072B2")
        axis.errorbar(row.mean, 0, xerr=[[max(0, row.mean - row.low)], [max(0, row.high - row.mean)]],
                      fmt="D", color="#D55E00", markersize=5, capsize=4, linewidth=2)
        axis.axvline(0, color="black", linewidth=0.8)
        limit = 1.08 * max(np.abs(points).max(), abs(row.low), abs(row.high), 1e-6)
        axis.set(xlim=(-limit, limit), ylim=(-0.5, 0.5), yticks=[])
        axis.set_title(row.label, fontsize=9, loc="left")
        axis.tick_params(labelsize=8)
        axis.spines[["left", "top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("difference of the mean absolute error (negative: augmentation helps)\n"
                           "grey: a test image; blue: a seed; orange: mean and 95 % interval", fontsize=9)
    return figure


def _thin(ranked: np.ndarray, most: int = MAX_POINTS) -> np.ndarray:
    """At most `most` of the sorted values, evenly spaced by rank, both ends kept."""
    if len(ranked) <= most:
        return ranked
    return ranked[np.linspace(0, len(ranked) - 1, most).round().astype(int)]


def _picture(axis, values: np.ndarray, title: str, colours: str = "gray", top: float = 1.0) -> None:
    """One picture, pixel for pixel; smoothing would invent detail that a 28 px alpha does not have."""
    axis.imshow(values, cmap=colours, vmin=0, vmax=top, interpolation="nearest")
    axis.set_title(title, fontsize=8, pad=3)
    axis.axis("off")
