"""Pictures of the data: Figure 1, and the distributions of notebook 01."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from lib.output.style import COLOURS, WIDTH


def triple(image: np.ndarray, trimap: np.ndarray, alpha: np.ndarray) -> Figure:
    """Figure 1: input (H,W,3) uint8, trimap and target (H,W) uint8 side by side; pixels enlarged, not
    smoothed."""
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH * 0.8, 2.1))
    for axis, picture, title in zip(axes, (image, trimap, alpha), ("input", "trimap", "target (alpha)")):
        show_picture(axis, picture)
        axis.set_title(title)
    return figure


def coverage(alphas: np.ndarray) -> Figure:
    """Histogram of the share of each image that the person covers; alphas (n,1,H,W) uint8."""
    shares = np.asarray(alphas).mean((1, 2, 3)) / 255
    figure, axis = plt.subplots(figsize=(WIDTH * 0.6, 2.3))
    axis.hist(shares, bins=np.linspace(0, 1, 26), color=COLOURS[0], edgecolor="white")
    axis.axvline(shares.mean(), color="black", linestyle="--", label=f"mean {shares.mean():.2f}")
    axis.set(xlabel="share of the image that the person covers", ylabel="images", xlim=(0, 1))
    axis.legend()
    return figure


def group_sizes(groups: list[str]) -> Figure:
    """Images in each group, largest first."""
    sizes = np.sort(np.unique(groups, return_counts=True)[1])[::-1]
    figure, axis = plt.subplots(figsize=(WIDTH * 0.6, 2.3))
    axis.bar(
        np.arange(1, len(sizes) + 1), sizes, width=1.0, color=COLOURS[0], edgecolor="white", linewidth=0.4
    )
    axis.set(xlabel="group, largest first", ylabel="images in the group", xlim=(0.4, len(sizes) + 0.6))
    axis.set_title(f"{len(sizes)} groups; the largest holds {sizes[0] / sizes.sum():.1%} of the images")
    return figure


def alpha_histogram(alphas: np.ndarray, rules: dict[str, tuple[int, int]]) -> Figure:
    """Share of pixels at each of 32 levels of alpha, logarithmic, with the thresholds of the trimap rules."""
    counts = np.bincount(np.asarray(alphas).ravel(), minlength=256)
    shares = counts.reshape(32, 8).sum(1) / counts.sum()
    figure, axis = plt.subplots(figsize=(WIDTH * 0.6, 2.4))
    axis.bar(np.arange(32) * 8 + 4, shares, width=8, color=COLOURS[0], edgecolor="white", linewidth=0.4)
    for (rule, thresholds), style in zip(rules.items(), ("-", "--")):
        for number, threshold in enumerate(thresholds):
            axis.axvline(
                threshold,
                color="black",
                linestyle=style,
                linewidth=1,
                label=None if number else f"{rule} rule",
            )
    axis.set(xlabel="alpha (0 ... 255)", ylabel="share of pixels", yscale="log", xlim=(-4, 260))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axis.legend(loc="upper center")
    return figure


def trimap_rules(image: np.ndarray, alpha: np.ndarray, trimaps: dict[str, np.ndarray]) -> Figure:
    """One image with its alpha, and the trimap of each rule and radius; (H,W[,3]) uint8."""
    pictures = {"input": image, "alpha": alpha, **trimaps}
    figure, axes = plt.subplots(1, len(pictures), figsize=(WIDTH, 1.55))
    for axis, (title, picture) in zip(axes, pictures.items()):
        show_picture(axis, picture)
        axis.set_title(title, fontsize=8)
    return figure


def show_picture(axis: plt.Axes, picture: np.ndarray) -> None:
    """A picture (H, W[, 3]) uint8 without ticks and frame, its pixels enlarged, not smoothed."""
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
