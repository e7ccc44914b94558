"""Figures of sweeps: one list of values as dots, two as a map, and a training's error against its steps."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from lib.experiments import sweeps
from lib.report.style import COLOURS, FAINT, GUIDE, MARKERS, WIDTH

APART = 0.05  # a mean of seeds further from each other than this is nobody's error
ERROR = "mean |alpha error|"
REGIONS = {"all": "all pixels", "unknown": "unknown pixels"}


def sweep(found: pd.DataFrame, vary: Sequence[str]) -> Figure:
    """Test error after the last step, one panel a region: of one varied name a dot a seed and a bar at their mean, of two a
    map of the means with the numbers written in, or the least and the largest where seeds lie APART. The trimap, returned as alpha, is a dashed line, or named above the map.

    found: lib.experiments.sweeps.results.
    """
    draw = _dots if len(vary) == 1 else _map
    height = 2.6 if len(vary) == 1 else 1.05 + 0.36 * found[vary[0]].nunique() + 0.25
    figure, axes = plt.subplots(1, len(REGIONS), figsize=(WIDTH, height), squeeze=False)
    ends = sweeps.last(found, vary)
    for axis, (region, label) in zip(axes[0], REGIONS.items(), strict=True):
        controls = ends.groupby(list(vary), sort=False)[f"control_{region}"].first()
        draw(axis, ends, vary, f"test_{region}", controls, label)
    if draw is _map:
        axes[0][1].set(yticklabels=[], ylabel="")  # those of the first panel
    else:
        axes[0][0].set_ylabel(ERROR)
        figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _dots(axis: plt.Axes, ends: pd.DataFrame, vary: Sequence[str], name: str, controls: pd.Series, label: str) -> None:
    values = list(ends[vary[0]].unique())
    places = [values.index(value) for value in ends[vary[0]]]
    axis.scatter(places, ends[name], s=18, color=COLOURS[0], label="a seed")
    means = ends.groupby(vary[0], sort=False)[name].mean()  # in the order of the values
    middles = np.arange(len(values))
    axis.hlines(means, middles - 0.25, middles + 0.25, color=COLOURS[1], label="mean of the seeds")
    if controls.nunique() == 1:
        axis.axhline(controls.iloc[0], label="trimap as alpha", **GUIDE)
    else:  # of pictures of another size: to each its own
        axis.hlines(
            controls, middles - 0.4, middles + 0.4, label="trimap as alpha", colors=GUIDE["color"], linestyles="--"
        )
    axis.set(
        xticks=range(len(values)), xticklabels=[_word(value) for value in values], xlabel=_word(vary[0]), title=label
    )
    axis.set(xlim=(-0.6, len(values) - 0.4), ylim=(0, 1.08 * max(controls.max(), ends[name].max())))
    axis.grid(axis="y", color=FAINT, linewidth=0.6)


def _map(axis: plt.Axes, ends: pd.DataFrame, vary: Sequence[str], name: str, controls: pd.Series, label: str) -> None:
    order = [list(ends[each].unique()) for each in vary]
    table, least, largest = (
        ends.pivot_table(index=vary[0], columns=vary[1], values=name, aggfunc=how).reindex(
            index=order[0], columns=order[1]
        )
        for how in ("mean", "min", "max")
    )
    top = float(np.nanmax(table))
    axis.imshow(table, cmap="Greys", vmin=0, vmax=1.5 * top, aspect="auto")
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        colour = "white" if value > 0.85 * top else "black"
        ends_of = least.iat[row, column], largest.iat[row, column]
        parts = [f"{end:.2f}" for end in ends_of] if ends_of[1] - ends_of[0] > APART else [f"{value:.3f}"]
        text = "\u2013".join(part.lstrip("0") for part in parts)
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axis.set(xticks=range(len(order[1])), xticklabels=[_word(value) for value in order[1]], xlabel=_word(vary[1]))
    axis.set(yticks=range(len(order[0])), yticklabels=[_word(value) for value in order[0]], ylabel=_word(vary[0]))
    own = " to ".join(f"{end:.3f}" for end in sorted({controls.min(), controls.max()}))
    axis.set_title(f"{ERROR}, {label}\n(trimap as alpha: {own})", fontsize=8)


def _word(value: object) -> str:
    """A value, or a name, as it is written at an axis."""
    return sweeps.word(value).replace("_", " ")


def against_steps(found: pd.DataFrame, name: str, labels: dict) -> Figure:
    """Test error against steps, one panel a region, one line a value of the varied `name` (value -> label): means over
    seeds, bands from the least to the largest; faint, the training loss. Dashed: the trimap as alpha."""
    figure, axes = plt.subplots(1, len(REGIONS), figsize=(WIDTH, 2.6 + 0.14 * len(labels)), squeeze=False)
    for axis, (region, label) in zip(axes[0], REGIONS.items(), strict=True):
        for (value, own), colour, marker in zip(labels.items(), COLOURS, MARKERS, strict=False):
            by_step = found[found[name] == value].groupby("steps")
            tested, trained = by_step[f"test_{region}"], by_step[f"train_{region}"].mean()
            mean = tested.mean()
            axis.fill_between(mean.index, tested.min(), tested.max(), color=colour, alpha=0.2, linewidth=0)
            axis.plot(mean.index, mean, color=colour, marker=marker, markersize=4, label=f"{own}, test")
            hollow = {"marker": marker, "markersize": 3, "markerfacecolor": "none"}
            axis.plot(trained.index, trained, color=colour, linestyle=":", label=f"{own}, training", **hollow)
        axis.axhline(float(found[f"control_{region}"].iloc[0]), label="trimap as alpha", **GUIDE)
        axis.set(xscale="log", xlabel="steps of the optimiser", title=label)
        axis.set_ylim(bottom=0)
        axis.grid(color=FAINT, linewidth=0.6)
    axes[0][0].set_ylabel(ERROR)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
