"""What all figures share: width, resolution, colours and markers. No other module names a colour."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib import font_manager
from matplotlib.layout_engine import PlaceHolderLayoutEngine

WIDTH = 7.0  # inches: the text width of a page; wider figures would be shrunk and their labels with them
DPI = 200  # of saved figures: so many of their pixels lie on an inch
SMALL = 8  # points: the smallest text of a figure, that of all labels in it
# Okabe and Ito's palette, told apart by readers with any colour vision; black and grey are for references.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
MARKERS = "osD^v"  # of lines beside one another, in the order of COLOURS
BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, YELLOW = COLOURS
# Variants and methods: with the markers, they are told apart in black and white, too.
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
GUIDE = {"color": "black", "linestyle": "--"}  # a line to compare with: a mean, the study's number
FAINT = "0.8"  # lines that only part one thing from another
FRAME = "0.25"  # around a picture: darker than the unknown pixels of a trimap, which it often meets
ERROR_MAP = "magma"  # perceptually uniform and readable without colour vision
# No layout at all. With layout="none", matplotlib lays the figure out by its defaults after it was saved once.
AS_PLACED = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)


def apply() -> None:
    """Set matplotlib's defaults for every figure of the paper. Call once, before the first figure."""
    _own_fonts()
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


def _own_fonts() -> None:
    """Know the fonts that come with matplotlib, and no others: a system's DejaVu Sans, where there is one, may be another version,
    and the bytes of a figure would hang on the machine that draws it."""
    font_manager.fontManager.ttflist = []
    for path in sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")):
        font_manager.fontManager.addfont(path)
