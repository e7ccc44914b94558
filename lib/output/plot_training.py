# SHIM: stage_losses and augmentation_examples move into notebooks 06 and 04
import numpy as np  # noqa: F401
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from lib.report.figures import REGIONS, architecture as _architecture, error_by_steps, graphical_abstract, loss_curves  # noqa: F401
from lib.report.gallery import gallery
from lib.report.style import COLOURS, FAINT, MARKERS, WIDTH
from lib.report.tables import stages

STEPS = ("stage1", "refined", "both")


def architecture(summary):
    return _architecture(stages(summary))


def stage_losses(history: pd.DataFrame) -> Figure:
    """Training loss and test error of the two-stage network's steps, one behind the other; means over seeds.

    history: of `lib.experiments.fullsize.run_all`, with arm, step, epoch, seed, train_alpha (loss), test_mse.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.8))
    titles = {"train_alpha": "alpha-prediction loss, training crops", "test_mse": "MSE, whole test images"}
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        for colour, marker, arm in zip(COLOURS, MARKERS, history.arm.unique(), strict=False):
            looks = {"color": colour, "marker": marker}
            _steps(axis, history[history.arm == arm], column, looks, "with augmentation" if arm == "da" else "without")
        axis.set(title=title, xlabel="epoch", ylim=(0, None))
    axes[0].legend(loc="lower left")
    return figure


def _steps(axis: plt.Axes, history: pd.DataFrame, column: str, looks: dict, name: str) -> None:
    """The steps that lead to both stages as one line; stage 1 trained as long dotted beside it."""
    means, before = history.groupby(["step", "epoch"])[column].mean(), 0
    for step in STEPS:
        one = means[step]
        axis.plot(before + one.index, one, markersize=4, **looks, label=name if not before else None)
        before += len(one)
        axis.axvline(before + 0.5, color=FAINT, linewidth=0.8)
    if "longer" in history.step.values:
        start = len(means[STEPS[0]])
        axis.plot(
            start + means["longer"].index,
            means["longer"],
            linestyle=":",
            markersize=3,
            label="stage 1 trained on",
            **looks,
        )


def augmentation_examples(examples: list[dict]) -> Figure:
    """Pairs of one training image before and after augmentation, with its alpha and trimap below.

    examples: dicts with `before` and `after`, each a tuple image (H, W, 3), alpha (H, W), trimap (H, W),
    float in [0, 1], and `note`, a short text (flip, angle).
    """
    rows = {"image": {}, "alpha": {}, "trimap": {}}
    for number, example in enumerate(examples, 1):
        for side, title in (("before", "before"), ("after", example["note"])):
            for row, picture in zip(rows.values(), example[side], strict=True):
                row[f"{number}: {title}"] = picture
    return gallery(rows)
