"""Pictures of the two-stage network: its losses step by step, and hair pixel for pixel."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from lib.experiments.fullsize import ARMS
from lib.output.style import COLOURS, WIDTH

CROP = 80  # px of a crop that is shown


def losses(history: pd.DataFrame) -> Figure:
    """Training loss and test error of all steps, one behind the other. history: of `lib.experiments.fullsize.run_all`."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.8), layout="constrained")
    titles = {"train_alpha": "alpha-prediction loss, training crops", "test_mse": "MSE, whole test images"}
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        for colour, arm in zip(COLOURS, ARMS, strict=False):
            _arm(axis, history[history.arm == arm], column, colour, "with augmentation" if arm == "da" else "without")
        axis.set(title=title, xlabel="epoch", ylim=(0, None))
    axes[0].legend(loc="lower left")
    return figure


def _arm(axis, history: pd.DataFrame, column: str, colour: str, name: str) -> None:
    """The steps that lead to both stages as one line; stage 1 trained as long dotted beside it."""
    before = 0
    for step in ("stage1", "refined", "both"):
        means = history[history.step == step].groupby("epoch")[column].mean()
        axis.plot(before + means.index, means, color=colour, marker="o", markersize=3,
                  label=name if step == "stage1" else None)
        if step == "stage1":
            longer = history[history.step == "longer"].groupby("epoch")[column].mean()
            axis.plot(len(means) + longer.index, longer, color=colour, linestyle=":", marker="o", markersize=2,
                      label="stage 1 trained on" if len(longer) else None)
        before += len(means)
        axis.axvline(before + 0.5, color="0.8", linewidth=0.8)


def hair_square(alpha: np.ndarray, side: int = CROP) -> tuple[slice, slice]:
    """The square with the most soft alpha (12 < alpha < 242) in an (H,W) uint8 matte; `side` at most the picture's."""
    side = min(side, *alpha.shape)
    soft = ((alpha > 12) & (alpha < 242)).astype(np.float64)
    sums = np.pad(soft, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    return slice(int(row), int(row) + side), slice(int(column), int(column) + side)


def hair(cases: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Rows of crops, pixel for pixel. cases: row label -> {title: (h,w,3) or (h,w) float in [0,1]}."""
    columns = len(next(iter(cases.values())))
    figure, axes = plt.subplots(len(cases), columns, figsize=(WIDTH, len(cases) * (WIDTH / columns + 0.1) + 0.3),
                                layout="constrained", squeeze=False)
    for number, (row, (case, pictures)) in enumerate(zip(axes, cases.items(), strict=True)):
        for axis, (title, picture) in zip(row, pictures.items(), strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if number == 0:
                axis.set_title(title, fontsize=8)
        row[0].set_ylabel(case, fontsize=8)
    return figure
