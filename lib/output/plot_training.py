"""The network and its training: Figure 2, Figure 3, the losses of the two-stage network, and the augmentation."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from lib.output.gallery import gallery
from lib.output.style import AS_PLACED, COLOURS, FAINT, FRAME, GUIDE, LOOKS, MARKERS, PARTS, SMALL, VERMILION, WIDTH

INPUT_CHANNELS = 4  # red, green, blue, trimap
REGIONS = {"all": "all pixels", "unknown": "unknown pixels"}
GUIDES = ("--", ":", "-.")  # of level lines in one panel, one behind the other
STEPS = ("stage1", "refined", "both")  # one behind the other; "longer" runs beside the last two


def stages(summary: pd.DataFrame) -> pd.DataFrame:
    """The convolutions of `lib.models.summary.summary`, those between two (un)poolings and of one width put together.

    Columns: part (head, encoder, decoder, alpha), convolutions, kernel (px), channels, height, width,
    parameters (of the convolutions), before ("", or the name of the pooling or unpooling right before it).
    """
    rows, before, inputs = [], "", INPUT_CHANNELS
    for layer in summary.itertuples():
        if layer.kind in ("MaxPool2d", "MaxUnpool2d"):
            before = layer.layer
        if layer.kind != "Conv2d":
            continue
        weights = layer.parameters - layer.channels  # without the biases
        part = layer.layer.split(".")[0].rstrip("0123456789")  # encoder3.6 is of the encoder
        one = {
            "part": part,
            "convolutions": 1,
            "channels": layer.channels,
            "kernel": round((weights / (inputs * layer.channels)) ** 0.5),
            "height": layer.height,
            "width": layer.width,
            "parameters": layer.parameters,
            "before": before,
        }
        if rows and not before and all(rows[-1][key] == one[key] for key in ("part", "kernel", "channels")):
            rows[-1]["convolutions"] += 1
            rows[-1]["parameters"] += layer.parameters
        else:
            rows.append(one)
        before, inputs = "", layer.channels
    return pd.DataFrame(rows)


def architecture(summary: pd.DataFrame) -> Figure:
    """Figure 2, drawn from `lib.models.summary.summary`: a box is a convolution, its height grows with the resolution.

    An arrow carries the positions of the maxima from a pooling to its unpooling.
    """
    table = stages(summary)
    figure, axis = plt.subplots(figsize=(WIDTH, 3.3), layout=AS_PLACED)
    axis.set(xlim=(0, WIDTH), ylim=(-1.0, 2.3), position=(0, 0, 1, 1))
    axis.axis("off")
    slot, line = (WIDTH - 0.1) / len(table), {"edgecolor": "black", "linewidth": 0.6}
    for number, stage in enumerate(table.itertuples()):
        centre, height = 0.05 + (number + 0.5) * slot, 0.12 + (stage.height / table.height.max()) ** 0.5
        left = centre - 0.075 * stage.convolutions + 0.015
        for box in range(stage.convolutions):
            axis.add_patch(Rectangle((left + 0.15 * box, 0), 0.12, height, facecolor=PARTS[stage.part], **line))
        text = f"{stage.channels} ch\n{stage.height}×{stage.width}\n{stage.convolutions} conv\nk = {stage.kernel}"
        axis.text(centre, -0.06, text, ha="center", va="top", fontsize=SMALL, linespacing=1.15)
    _index_arrows(axis, table, slot)
    handles = [Patch(facecolor=colour, label=name, **line) for name, colour in PARTS.items()]
    handles[-1].set_label("alpha prediction (ch: channels, k: kernel side in px)")
    axis.legend(handles=handles, loc="lower center", ncols=4)
    return figure


def _index_arrows(axis: plt.Axes, table: pd.DataFrame, slot: float) -> None:
    """From every pooling up, across and down to the unpooling of the same number, nested."""
    at = {name: 0.05 + number * slot for number, name in enumerate(table.before) if name}
    for pool in (name for name in at if name.startswith("pool")):
        number = int(pool.removeprefix("pool"))
        left, right, level = at[pool], at[f"un{pool}"], 2.05 - 0.22 * (number - 1)
        axis.plot([left, left, right], [0, level, level], color=VERMILION, linewidth=1)
        axis.annotate(
            "",
            xy=(right, 0),
            xytext=(right, level + 0.01),
            arrowprops={"arrowstyle": "-|>", "color": VERMILION, "linewidth": 1, "shrinkA": 0},
        )
        text = f"pool {number}: indices to unpool {number}"
        axis.text((left + right) / 2, level + 0.02, text, ha="center", va="bottom", fontsize=SMALL)


def loss_curves(history: pd.DataFrame, labels: dict[str, str], study: dict[str, float]) -> Figure:
    """Figure 3: training and test loss against steps; thin lines are seeds, thick ones their mean.

    history: one row an epoch with variant, seed, step, train_all, train_unknown, test_all, test_unknown
    (alpha-prediction loss, 0 to 1). labels: variant -> text. study: the study's last values, train and test.
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.4), sharex=True, sharey="row")
    for row, (region, region_name) in zip(axes, REGIONS.items(), strict=True):
        for axis, (side, side_name) in zip(row, {"train": "Training", "test": "Test"}.items(), strict=True):
            for variant, label in labels.items():
                _curve(axis, history[history.variant == variant], f"{side}_{region}", label)
            axis.axhline(study[side], linewidth=1, **GUIDE)
            # In the title, since no corner of a panel is free of curves in every run.
            axis.set_title(f"{side_name} loss, {region_name}\n(dashed: the study's final {study[side]:.3f})")
        row[0].set(ylabel="alpha-prediction loss", ylim=(0, None))
    for axis in axes[1]:
        axis.set(xlabel="steps of the optimiser", xlim=(0, None))
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(5, len(labels)))
    return figure


def _curve(axis: plt.Axes, rows: pd.DataFrame, column: str, label: str) -> None:
    """All seeds of one variant and their mean in one panel."""
    table, looks = rows.pivot(index="step", columns="seed", values=column), LOOKS[rows.variant.iloc[0]]
    for seed in table.columns:
        axis.plot(table.index, table[seed], color=looks["color"], linewidth=0.7, alpha=0.6, marker=".", markersize=2)
    axis.plot(
        table.index,
        table.mean(axis=1),
        linewidth=2,
        markersize=4,
        markevery=max(1, len(table) // 10),
        label=label,
        **looks,
    )


def error_by_steps(reached: pd.DataFrame, labels: dict[str, str], controls: dict[str, dict[str, float]]) -> Figure:
    """Test error against steps, these on a logarithmic scale: the mean over seeds, and a band from lowest to highest.

    reached: rows with variant, seed, step, test_all, test_unknown (lib.experiments.thumbnail.by_step). labels: variant
    -> text. controls: name -> region -> error (0 to 1), a level line each.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2), sharex=True)
    for axis, (region, region_name) in zip(axes, REGIONS.items(), strict=True):
        for variant, label in labels.items():
            rows = reached[reached.variant == variant]
            table, looks = rows.pivot(index="step", columns="seed", values=f"test_{region}"), LOOKS[variant]
            axis.plot(table.index, table.mean(axis=1), label=label, linewidth=1.5, markersize=4, **looks)
            axis.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=looks["color"], alpha=0.2)
        for (name, errors), dashes in zip(controls.items(), GUIDES, strict=False):
            axis.axhline(errors[region], label=name, linewidth=1, **(GUIDE | {"linestyle": dashes}))
        axis.set(title=f"Test error, {region_name}", xscale="log", xlabel="steps of the optimiser", ylim=(0, None))
        _name_steps(axis, sorted(set(reached.step)))
    axes[0].set_ylabel("mean absolute error of alpha")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def graphical_abstract(
    pictures: dict[str, np.ndarray], reached: pd.DataFrame, control: dict[str, float], printed: float
) -> Figure:
    """Above, what one training makes of one image on its way; below, its error against steps and what a control scores.

    pictures: title -> (h, w) or (h, w, 3) float in [0, 1]; reached: of one variant, as for `error_by_steps`; control:
    region -> error of the trimap returned as alpha; printed: the study's test loss.
    """
    figure = plt.figure(figsize=(WIDTH, 4.0))
    rows = figure.add_gridspec(2, len(pictures), height_ratios=(1, 2.4))
    for place, (title, picture) in enumerate(pictures.items()):
        axis = figure.add_subplot(rows[0, place])
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set(title=title, xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color=FRAME, linewidth=0.7)
    axis = figure.add_subplot(rows[1, :])
    for (region, name), colour, marker in zip(REGIONS.items(), COLOURS, MARKERS, strict=False):
        table = reached.pivot(index="step", columns="seed", values=f"test_{region}")
        axis.plot(table.mean(axis=1), color=colour, marker=marker, markersize=4, label=f"the network, {name}")
        axis.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=colour, alpha=0.2)
        axis.axhline(control[region], color=colour, linestyle="--", linewidth=1, label=f"its trimap, returned: {name}")
    axis.axhline(printed, label="the study prints, region not said", **(GUIDE | {"linestyle": ":"}))
    axis.set(xscale="log", ylim=(0, None), xlabel="steps of the optimiser", ylabel="mean absolute error of alpha")
    _name_steps(axis, sorted(set(reached.step)))
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _name_steps(axis: plt.Axes, steps: list[int]) -> None:
    """Ticks at the steps themselves, those too near to the one before without a name."""
    named: list[int] = []
    for step in steps:
        if not named or step >= 1.6 * named[-1]:
            named.append(step)
    axis.set_xticks(named, [f"{step:,}" for step in named])
    axis.minorticks_off()


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
