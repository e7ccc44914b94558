"""The distributions of notebook 01."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from lib.output.style import COLOURS, GUIDE, WIDTH

BARS = {"edgecolor": "white", "linewidth": 0.4}


def coverage(alphas: np.ndarray) -> Figure:
    """Histogram of the share of each image that the person covers; alphas (n,1,H,W) uint8."""
    shares = np.asarray(alphas).mean((1, 2, 3)) / 255
    figure, axis = _narrow()
    axis.hist(shares, bins=np.linspace(0, 1, 26), **BARS)
    axis.axvline(shares.mean(), label=f"mean {shares.mean():.2f}", **GUIDE)
    axis.set(xlabel="share of the image that the person covers", ylabel="images", xlim=(0, 1))
    axis.legend()
    return figure


def group_sizes(groups: list[str]) -> Figure:
    """Images in each group, largest first."""
    sizes = np.sort(np.unique(groups, return_counts=True)[1])[::-1]
    figure, axis = _narrow()
    axis.bar(np.arange(1, len(sizes) + 1), sizes, width=1.0, **BARS)
    axis.set(xlabel="group, largest first", ylabel="images in the group", xlim=(0.4, len(sizes) + 0.6))
    axis.set_title(f"{len(sizes)} groups; the largest holds {sizes[0] / sizes.sum():.1%} of the images")
    return figure


def alpha_histogram(alphas: np.ndarray, rules: dict[str, tuple[int, int]]) -> Figure:
    """Share of pixels at each of 32 levels of alpha (n,1,H,W) uint8, logarithmic, with the rules' thresholds.

    rules: name -> alpha up to which a pixel is background, and from which it is foreground.
    """
    counts = np.bincount(np.asarray(alphas).ravel(), minlength=256)
    figure, axis = _narrow()
    axis.bar(np.arange(32) * 8 + 4, counts.reshape(32, 8).sum(1) / counts.sum(), width=8, **BARS)
    for (rule, thresholds), line in zip(rules.items(), ("-", "--"), strict=False):
        for threshold, name in zip(thresholds, (f"{rule} rule", None), strict=True):
            axis.axvline(threshold, **GUIDE | {"linestyle": line}, linewidth=1, label=name)
    axis.set(xlabel="alpha (0 ... 255)", ylabel="share of pixels", yscale="log", xlim=(-4, 260))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axis.legend(loc="upper center")
    return figure


def difficulty(overlap: np.ndarray, texture: np.ndarray) -> Figure:
    """Histograms of both numbers (n,), see lib.evaluation.difficulty; what is not finite is left out."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.2))
    labels = "share of colours in common", "background's texture (grey levels a pixel)"
    for axis, numbers, label, colour in zip(axes, (overlap, texture), labels, COLOURS, strict=False):
        numbers = numbers[np.isfinite(numbers)]
        axis.hist(numbers, bins=24, color=colour, **BARS)
        axis.axvline(np.median(numbers), label=f"median {np.median(numbers):.2f}", **GUIDE)
        axis.set(xlabel=label, ylabel="images")
        axis.legend()
    return figure


def _narrow() -> tuple[Figure, plt.Axes]:
    """One panel of 0.6 of the page's width."""
    return plt.subplots(figsize=(0.6 * WIDTH, 2.3))
