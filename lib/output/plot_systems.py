"""Figures of the related systems: methods as dots with intervals, errors along a clip, an ablation, an animated clip."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image

from lib.base import figures_dir, write_atomically
from lib.output.style import COLOURS, FAINT, MARKERS, WIDTH


def dots(summaries: Mapping[str, pd.DataFrame], measure: str, label: str, methods: Sequence[str]) -> Figure:
    """One row a method, one mark a condition, with its 95 % interval, on a logarithmic axis.

    summaries: condition -> summary (lib.evaluation.scores.summarise). methods: from top to bottom; the name's last
    bracket is set in a line of its own.
    """
    rows = {condition: part[part.measure == measure].set_index("method") for condition, part in summaries.items()}
    return dots_of(rows, label, methods)


def dots_of(
    conditions: Mapping[str, pd.DataFrame], label: str, methods: Sequence[str], about_zero: bool = False
) -> Figure:
    """`dots` of tables that have a row a method (its index) and the columns value, low and high.

    about_zero: differences, on a linear axis with a line at zero.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 0.36 * len(methods) + 0.9))
    shift = np.linspace(-0.18, 0.18, len(conditions)) if len(conditions) > 1 else [0.0]
    for (condition, rows), by, marker, colour in zip(conditions.items(), shift, MARKERS, COLOURS, strict=False):
        for line, method in enumerate(methods):
            if method not in rows.index or np.isnan(rows.value[method]):
                continue
            value, low, high = rows.loc[method, ["value", "low", "high"]].astype(float)
            ends = [[value - low], [high - value]] if np.isfinite(low) else None
            name = condition if line == 0 else None
            axis.errorbar(value, line + by, xerr=ends, fmt=marker, color=colour, markersize=5, capsize=3, label=name)
    axis.set(ylim=(len(methods) - 0.5, -0.5), yticks=range(len(methods)), yticklabels=methods)
    if about_zero:
        axis.axvline(0, color="black", linewidth=0.8)
    else:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel(label)
    axis.grid(axis="x", color=FAINT, linewidth=0.6)
    if len(conditions) > 1:
        figure.legend(loc="outside upper right", ncols=len(conditions))
    return figure


def along(errors: Mapping[str, Mapping[str, np.ndarray]], labels: Mapping[str, str]) -> Figure:
    """Errors along a clip, one panel a measure, one line a method. errors: measure -> method -> (frames,)."""
    figure, axes = plt.subplots(1, len(errors), figsize=(WIDTH, 2.6), squeeze=False)
    for axis, (measure, by_method) in zip(axes[0], errors.items(), strict=True):
        for (method, values), marker in zip(by_method.items(), MARKERS, strict=False):
            frames = np.arange(1, len(values) + 1) + (measure == "dtssd")
            axis.plot(frames, values, marker=marker, markersize=4, label=method)
        top = max(float(np.max(values)) for values in by_method.values())
        axis.set(xlabel="frame", ylabel=labels[measure], ylim=(0, 1.1 * top))
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def arms(found: pd.DataFrame, measures: Mapping[str, str]) -> Figure:
    """The arms of an ablation: one panel a measure, one row an arm, means with 95 % intervals.

    found: columns arm, and for each measure itself, "<measure> low", "<measure> high". measures: measure -> label.
    """
    figure, axes = plt.subplots(1, len(measures), figsize=(WIDTH, 0.33 * len(found) + 0.9), sharey=True, squeeze=False)
    for axis, (measure, label) in zip(axes[0], measures.items(), strict=True):
        value = found[measure]
        ends = [value - found[f"{measure} low"], found[f"{measure} high"] - value]
        axis.errorbar(value, range(len(found)), xerr=ends, fmt="o", markersize=5, capsize=3)
        axis.set(xlabel=label, ylim=(len(found) - 0.5, -0.5), yticks=range(len(found)), yticklabels=found.arm)
        axis.grid(axis="x", color=FAINT, linewidth=0.6)
    return figure


def save_clip(frames: np.ndarray, run: str, name: str, rate: int = 12) -> bytes:
    """Write figures/<run>/<name>.webp, an animation of (T,H,W,3) uint8 RGB at `rate` frames a second; its bytes."""
    pictures, buffer = [Image.fromarray(frame) for frame in frames], io.BytesIO()
    pictures[0].save(
        buffer, "webp", save_all=True, append_images=pictures[1:], duration=1000 // rate, loop=0, quality=80, method=4
    )
    write_atomically(figures_dir(run) / f"{name}.webp", buffer.getvalue())
    return buffer.getvalue()
