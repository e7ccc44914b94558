"""Width, resolution, colours and markers of all figures."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib import font_manager
from matplotlib.layout_engine import PlaceHolderLayoutEngine

WIDTH = 7.0  # inches: the text width of a page
DPI = 200  # pixels an inch of saved figures
SMALL = 8  # points: labels, the smallest text
# Okabe and Ito's palette, for readers with any colour vision; black and grey are for references.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
MARKERS = "osD^v"  # of lines in one panel, in the order of COLOURS
BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, YELLOW = COLOURS
# Variants and methods; the markers serve readers in black and white.
LOOKS = {
    name: {"color": colour, "marker": marker}
    for name, colour, marker in (
        ("sgd", BLUE, "o"),
        ("sgd-da", SKY, "o"),
        ("adam", VERMILION, "s"),
        ("recipe", GREEN, "^"),
        ("recipe-da", PINK, "^"),
        ("recipe-group", ORANGE, "o"),
        ("recipe-random", ORANGE, "o"),
        ("K-means", BLUE, "o"),
        ("GMM", VERMILION, "^"),
    )
}
PARTS = {"head": YELLOW, "encoder": SKY, "decoder": GREEN, "alpha": PINK}  # of the network
POINT, SEED, MEAN = "0.55", BLUE, VERMILION  # of a distribution: one image, one seed, the mean and its interval
GUIDE = {"color": "black", "linestyle": "--"}  # a reference line
FAINT = "0.8"  # separators and grid lines
FRAME = "0.25"  # around a picture: darker than a trimap's unknown pixels
ERROR_MAP = "magma"  # perceptually uniform
# No layout at all. With layout="none", matplotlib applies its default layout after the first save.
AS_PLACED = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)


def apply() -> None:
    """Set matplotlib's defaults for every figure. Call once, before the first figure."""
    # Only the fonts that come with matplotlib: another version of DejaVu Sans on a system would change a figure's bytes.
    font_manager.fontManager.ttflist = []
    for path in sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")):
        font_manager.fontManager.addfont(path)
    plt.rcParams.update(
        {
            "font.size": 9,
            "axes.labelsize": 9,
            "axes.titlesize": 9,
            "xtick.labelsize": SMALL,
            "ytick.labelsize": SMALL,
            "legend.fontsize": SMALL,
            "legend.frameon": False,
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "image.interpolation": "nearest",
            "pdf.fonttype": 42,
            "svg.hashsalt": "matting",
        }
    )
