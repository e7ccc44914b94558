"""Looks that all figures share."""

import matplotlib.pyplot as plt
from cycler import cycler

WIDTH = 7.0  # inches: the text width of a page; wider figures would be shrunk and their labels with them
# Okabe and Ito's palette, told apart by readers with any colour vision; black and grey are for references.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")


def apply() -> None:
    """Set matplotlib's defaults for every figure of the paper. Call once, before the first figure."""
    plt.rcParams.update({
        "font.size": 9, "axes.labelsize": 9, "axes.titlesize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8,
        "legend.fontsize": 8, "legend.frameon": False, "axes.prop_cycle": cycler(color=COLOURS),
        "axes.spines.top": False, "axes.spines.right": False, "figure.constrained_layout.use": True,
        "figure.dpi": 110, "image.interpolation": "nearest", "pdf.fonttype": 42, "svg.hashsalt": "matting"})
