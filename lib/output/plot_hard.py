"""Figures of what makes a picture hard: errors over two dials as maps, and the dials' effects as dots."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from lib.evaluation.scores import REGION_NAMES
from lib.experiments import hard
from lib.output.plot_systems import dots_of
from lib.output.style import WIDTH

COLUMNS = 3
NAMES = {**REGION_NAMES, "mad": "whole frame, MAD", "mse": "unknown pixels, MSE"}
LABELS = {
    "camouflage": "background's colours moved\ntowards the person's",
    "detail": "detail of the background\n(grey levels)",
}


def maps(scored: pd.DataFrame, measure: str, methods: Sequence[str]) -> Figure:
    """Mean error of each method at every setting, one panel a method, all of one scale, the numbers written in."""
    tables = {method: hard.grid(scored, method, measure) for method in methods}
    top = max(float(table.to_numpy().max()) for table in tables.values())
    lines = -(-len(methods) // COLUMNS)
    figure, axes = plt.subplots(lines, COLUMNS, figsize=(WIDTH, 2.35 * lines), squeeze=False, sharex=True, sharey=True)
    for axis, (method, table) in zip(axes.flat, tables.items(), strict=False):
        axis.imshow(table, cmap="Greys", vmin=0, vmax=1.4 * top, aspect="auto")
        for (row, column), value in np.ndenumerate(table.to_numpy()):
            colour = "white" if value > 0.8 * top else "black"
            axis.text(column, row, f"{value:.2f}".lstrip("0"), ha="center", va="center", color=colour, fontsize=8)
        axis.set_title(method, fontsize=8)
        axis.set(xticks=range(table.shape[1]), xticklabels=[f"{x:g}" for x in table.columns])
        axis.set(yticks=range(table.shape[0]), yticklabels=[f"{y:g}" for y in table.index])
    for axis in axes.flat[len(methods) :]:
        axis.set_axis_off()
    figure.supxlabel(LABELS["detail"].replace("\n", " "), fontsize=8)
    figure.supylabel(LABELS["camouflage"], fontsize=8)
    return figure


def effects(found: pd.DataFrame, label: str) -> Figure:
    """What each dial adds to the error of each method, with 95 % intervals; found: lib.experiments.hard.effects."""
    methods = list(dict.fromkeys(found.method))
    by_effect = {effect: found[found.effect == effect].set_index("method") for effect in hard.EFFECTS[:2]}
    return dots_of(by_effect, label, methods, about_zero=True)


def table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a measure and method: what each dial adds, and what both add beyond their sum, with their intervals.

    found: measure -> effects, as lib.experiments.hard gives them.
    """
    rows: dict[tuple[str, str], dict] = {}
    for measure, part in found.items():
        for row in part.to_dict("records"):
            own = rows.setdefault((measure, row["method"]), {"over": NAMES[measure], "method": row["method"]})
            own |= {
                row["effect"]: row["value"],
                f"{row['effect']} low": row["low"],
                f"{row['effect']} high": row["high"],
            }
    return pd.DataFrame(rows.values())
