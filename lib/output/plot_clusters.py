"""Pictures of clustering: example rows, and error against difficulty."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.evaluation.difficulty import DIFFICULTIES
from lib.output.style import WIDTH

COLOURS = {"K-means": "#0072B2", "GMM": "#D55E00"}  # Okabe and Ito: told apart without colour vision
MARKERS = {"K-means": "o", "GMM": "^"}


def examples(rows: dict[str, dict[str, np.ndarray]], notes: dict[str, dict[str, str]]) -> Figure:
    """One row of pictures a case; pixels enlarged, not smoothed.

    rows: case -> {title: picture}, (H,W,3) uint8 RGB or (H,W) uint8; notes: case -> {title: text below}.
    """
    titles = list(next(iter(rows.values())))
    figure, axes = plt.subplots(len(rows), len(titles), figsize=(WIDTH, 1.45 * len(rows) + 0.2),
                                squeeze=False)
    for number, (line, (case, pictures)) in enumerate(zip(axes, rows.items())):
        for axis, title in zip(line, titles):
            axis.imshow(pictures[title], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.set_xlabel(notes[case].get(title, ""), fontsize=8)
            axis.spines[:].set(visible=True, color="0.6", linewidth=0.5)  # white ends where the page begins
            if number == 0:
                axis.set_title(title)
        line[0].set_ylabel(case)
    return figure


def failures(errors: dict[str, pd.DataFrame], hardness: pd.DataFrame, bins: int = 5) -> Figure:
    """Error over all pixels of each test image against each difficulty, and means of bins of equal count."""
    figure, axes = plt.subplots(1, len(DIFFICULTIES), figsize=(WIDTH, 2.7), sharey=True)
    for axis, (name, label) in zip(axes, DIFFICULTIES.items()):
        for method, error in errors.items():
            looks = {"color": COLOURS[method], "marker": MARKERS[method]}
            # Thousands of points as vectors would make a PDF that no viewer scrolls.
            axis.scatter(hardness[name], error["all"], s=10, alpha=0.45, linewidths=0,
                         rasterized=len(error) > 1000, **looks)
            order = hardness[name].dropna().sort_values(kind="stable").index
            parts = [part for part in np.array_split(order, bins) if len(part)]
            means = [(hardness[name].loc[part].mean(), error["all"].loc[part].mean()) for part in parts]
            axis.plot(*zip(*means), markersize=6, markeredgecolor="black", label=method, **looks)
        axis.set_xlabel(label.replace(" (", "\n("))
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("mean |alpha error|, all pixels")
    axes[-1].legend(title="mean of fifths")
    return figure
