# SHIM: failures and error_maps move into notebooks 02 and 05
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from lib.evaluation import scores
from lib.experiments.difficulty import DIFFICULTIES
from lib.report.figures import absolute_error, comparison, error_notes, paired_differences, rank_cases  # noqa: F401
from lib.report.gallery import colour_bar, error_colormap as error_colours, gallery, grid
from lib.report.style import LOOKS, WIDTH


def mean_error_map(predicted: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Mean absolute error by pixel position, (H, W) float64, over all leading axes of (..., H, W) arrays."""
    error = absolute_error(predicted, alpha)
    return error.reshape(-1, *error.shape[-2:]).mean(axis=0, dtype=np.float64)


def error_maps(maps: dict[str, np.ndarray], columns: int = 4) -> Figure:
    """Mean absolute error by pixel position, one panel a method, one colour scale. maps: label -> (H, W)."""
    top = max(float(values.max()) for values in maps.values())
    pictures = [error_colours(values, top) for values in maps.values()]
    notes = [f"{label}\nmean {values.mean():.3f}" for label, values in maps.items()]
    figure = gallery(grid(pictures, columns), grid(notes, columns))
    return colour_bar(figure, "mean absolute error over the test images", top)


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
