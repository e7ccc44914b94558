"""The results: Figures 4 to 6, error maps by pixel position, paired differences, and error against difficulty."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from lib.evaluation import scores
from lib.evaluation.difficulty import DIFFICULTIES
from lib.output.gallery import colour_bar, error_colours, gallery, grid
from lib.output.style import LOOKS, MEAN, POINT, SEED, WIDTH

CASES = ("best", "median", "worst")
MAX_POINTS = 1000
LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # a label across a line covers it


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


def error_notes(rows: dict[str, dict[str, np.ndarray]], truth: str = "truth") -> dict[str, dict[str, str]]:
    """For `gallery`: below each alpha that is predicted, its mean absolute error over what the panel shows.

    rows: as for `gallery`; a row's `truth` is (h, w) uint8, its predictions are (h, w) float in [0, 1].
    """
    return {
        case: {
            title: f"error {absolute_error(picture, row[truth]).mean():.3f}"
            for title, picture in row.items()
            if picture.dtype != np.uint8 and picture.ndim == 2
        }
        for case, row in rows.items()
    }


def comparison(
    pictures: dict[str, np.ndarray], predictions: dict[str, np.ndarray], alpha: np.ndarray, note: str
) -> Figure:
    """One test image: inputs and truth, every prediction, and below each prediction its error map.

    pictures: label -> (H, W, 3) or (H, W) uint8. predictions: label -> (H, W) float in [0, 1].
    alpha: (H, W) uint8. note: text for the empty corner below the pictures.
    """
    errors = {label: absolute_error(predicted, alpha) for label, predicted in predictions.items()}
    rows = {1: pictures | predictions, "error": {label: error_colours(error) for label, error in errors.items()}}
    notes = {label: f"{error.mean():.3f}" for label, error in errors.items()}
    figure = gallery(rows, {"error": {next(iter(pictures)): note} | notes})
    return colour_bar(figure, "absolute error of alpha (number below a map: its mean over all pixels)")


def error_maps(maps: dict[str, np.ndarray], columns: int = 4) -> Figure:
    """Mean absolute error by pixel position, one panel a method, one colour scale. maps: label -> (H, W)."""
    top = max(float(values.max()) for values in maps.values())
    pictures = [error_colours(values, top) for values in maps.values()]
    notes = [f"{label}\nmean {values.mean():.3f}" for label, values in maps.items()]
    figure = gallery(grid(pictures, columns), grid(notes, columns))
    return colour_bar(figure, "mean absolute error over the test images", top)


def paired_differences(groups: pd.DataFrame) -> Figure:
    """Differences of paired images, with mean and interval, one row a comparison, all on one scale.

    groups: columns label (str), values (array (seeds, images)), mean, low, high (float), of one quantity; low and high
    are None where there is no interval (one image, one seed). A grey point is one image (mean over seeds; of more than
    1,000, every k-th by rank); a tick is the mean of one seed.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 0.75 * len(groups) + 0.7))
    axis.axvline(0, color="black", linewidth=0.8)
    limit = 1e-6
    for line, row in enumerate(groups.itertuples()):
        values = np.asarray(row.values, dtype=float)
        points, seeds = _thin(np.sort(np.nanmean(values, axis=0))), np.nanmean(values, axis=1)
        heights = line + np.random.default_rng(0).uniform(-0.2, 0.2, len(points))
        axis.scatter(points, heights, s=8, color=POINT, alpha=0.6, linewidths=0, rasterized=len(points) > 500)
        axis.scatter(seeds, np.full(len(seeds), line), marker="|", s=160, color=SEED)
        low, high = (row.mean if pd.isna(end) else end for end in (row.low, row.high))
        ends = [[max(0, row.mean - low)], [max(0, high - row.mean)]]
        axis.errorbar(row.mean, line, xerr=ends, fmt="D", color=MEAN, markersize=5, capsize=4, linewidth=2)
        axis.text(0, line - 0.3, row.label, transform=axis.get_yaxis_transform(), va="bottom", bbox=LABEL)
        limit = np.nanmax(np.abs([limit, *points, *seeds, low, high]))
    axis.set(xlim=(-1.08 * limit, 1.08 * limit), ylim=(len(groups) - 0.6, -0.75), yticks=[])
    axis.spines["left"].set_visible(False)
    axis.set_xlabel(
        "difference of the mean absolute error (negative: augmentation helps)\n"
        "points: test images; ticks: seeds; diamonds: means with 95 % intervals"
    )
    return figure


def _thin(ranked: np.ndarray, most: int = MAX_POINTS) -> np.ndarray:
    """At most `most` of the sorted values, evenly spaced by rank, both ends kept."""
    if len(ranked) <= most:
        return ranked
    return ranked[np.linspace(0, len(ranked) - 1, most).round().astype(int)]


def failures(scored: pd.DataFrame, hardness: pd.DataFrame, bins: int = 5) -> Figure:
    """Error over all pixels of each test image against each difficulty, and means of bins of equal count.

    scored: lib.evaluation.scores of methods with one seed; hardness: one row an image, in the same order.
    """
    errors = {
        method: pd.Series(scores.matrix(scored, method, "all")[0], index=hardness.index)
        for method in scored.method.unique()
    }
    figure, axes = plt.subplots(1, len(DIFFICULTIES), figsize=(WIDTH, 2.9), sharey=True)
    for axis, (name, label) in zip(axes, DIFFICULTIES.items(), strict=True):
        order = hardness[name].dropna().sort_values(kind="stable").index
        parts = [part for part in np.array_split(order, bins) if len(part)]
        for method, error in errors.items():
            looks = LOOKS[method]
            # Thousands of points as vectors would make a PDF that no viewer scrolls.
            axis.scatter(hardness[name], error, s=10, alpha=0.45, linewidths=0, rasterized=len(error) > 1000, **looks)
            means = [(hardness[name].loc[part].mean(), error.loc[part].mean()) for part in parts]
            axis.plot(*zip(*means, strict=True), markersize=6, markeredgecolor="black", label=method, **looks)
        axis.set_xlabel(label.replace(" (", "\n("))
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("mean |alpha error|, all pixels")
    handles, labels = axes[0].get_legend_handles_labels()  # below: within a panel it would cover points
    labels = [f"{label}, means of fifths" for label in labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(errors))
    return figure
