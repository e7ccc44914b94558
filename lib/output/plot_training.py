"""Pictures of the network and its training: Figure 2, Figure 3 and examples of the augmentation."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

WIDTH = 7.0  # inches: one column of a page
# Okabe and Ito's palette: told apart without colour vision and, with the markers, in black and white.
COLOURS = {"sgd": "#0072B2", "sgd-da": "#56B4E9", "adam": "#D55E00", "recipe": "#009E73",
           "recipe-da": "#CC79A7", "recipe-group": "#E69F00", "recipe-random": "#E69F00"}
MARKERS = {"sgd": "o", "sgd-da": "o", "adam": "s", "recipe": "^", "recipe-da": "^"}
PART_COLOURS = {"head": "#F0E442", "encoder": "#56B4E9", "decoder": "#009E73", "alpha": "#CC79A7"}
INPUT_CHANNELS = 4  # red, green, blue, trimap
REGIONS = {"all": "all pixels", "unknown": "unknown pixels"}


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
        one = {"part": layer.layer.split(".")[0], "convolutions": 1, "channels": layer.channels,
               "kernel": round((weights / (inputs * layer.channels)) ** 0.5), "height": layer.height,
               "width": layer.width, "parameters": layer.parameters, "before": before}
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
    figure, axis = plt.subplots(figsize=(WIDTH, 3.3), layout="none")
    axis.set(xlim=(0, WIDTH), ylim=(-1.0, 2.3), position=(0, 0, 1, 1))
    axis.axis("off")
    slot = (WIDTH - 0.1) / len(table)
    tall = table.height.max()
    for number, stage in enumerate(table.itertuples()):
        centre, height = 0.05 + (number + 0.5) * slot, 0.12 + 1.0 * (stage.height / tall) ** 0.5
        width = 0.12 * stage.convolutions + 0.03 * (stage.convolutions - 1)
        for box in range(stage.convolutions):
            axis.add_patch(Rectangle((centre - width / 2 + 0.15 * box, 0), 0.12, height,
                                     facecolor=PART_COLOURS[stage.part], edgecolor="black", linewidth=0.6))
        text = (f"{stage.channels} ch\n{stage.height}×{stage.width}\n{stage.convolutions} conv\n"
                f"k = {stage.kernel}")
        axis.text(centre, -0.06, text, ha="center", va="top", fontsize=8, linespacing=1.15)
    _index_arrows(axis, table, slot)
    handles = [Patch(facecolor=colour, edgecolor="black", linewidth=0.6, label=name)
               for name, colour in PART_COLOURS.items()]
    handles[-1].set_label("alpha prediction (ch: channels, k: kernel side in px)")
    axis.legend(handles=handles, loc="lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _index_arrows(axis, table: pd.DataFrame, slot: float) -> None:
    """From every pooling up, across and down to the unpooling of the same number, nested."""
    at = {name: 0.05 + number * slot for number, name in enumerate(table.before) if name}
    pools = [name for name in at if name.startswith("pool")]
    for pool in pools:
        number = int(pool.removeprefix("pool"))
        left, right, level = at[pool], at[f"un{pool}"], 2.05 - 0.22 * (number - 1)
        axis.plot([left, left, right], [0, level, level], color="#D55E00", linewidth=1)
        axis.annotate("", xy=(right, 0), xytext=(right, level + 0.01),
                      arrowprops={"arrowstyle": "-|>", "color": "#D55E00", "linewidth": 1, "shrinkA": 0})
        text = f"pool {number}: indices to unpool {number}"
        axis.text((left + right) / 2, level + 0.02, text, ha="center", va="bottom", fontsize=8)


def loss_curves(history: pd.DataFrame, labels: dict[str, str], study: dict[str, float]) -> Figure:
    """Figure 3: training and test loss by epoch; thin lines are seeds, thick ones their mean.

    history: one row an epoch with variant, seed, epoch, train_all, train_unknown, test_all, test_unknown
    (alpha-prediction loss, 0 to 1). labels: variant -> text. study: the study's last values, train and test.
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.4), sharex=True, sharey="row", layout="constrained")
    for row, (region, region_name) in zip(axes, REGIONS.items(), strict=True):
        for axis, side in zip(row, ("train", "test"), strict=True):
            for variant in labels:
                rows = history[history.variant == variant]
                _curve(axis, rows, f"{side}_{region}", variant, labels[variant])
            axis.axhline(study[side], color="0.25", linewidth=1, linestyle="--")
            # In the title, since no corner of a panel is free of curves in every run.
            axis.set_title(f"{'Training' if side == 'train' else 'Test'} loss, {region_name}\n"
                           f"(dashed: the study's final {study[side]:.3f})", fontsize=9)
            axis.tick_params(labelsize=8)
        row[0].set_ylabel("alpha-prediction loss", fontsize=9)
        row[0].set_ylim(bottom=0)
    last = int(history.epoch.max())
    for axis in axes[1]:
        axis.set_xlabel("epoch", fontsize=9)
        axis.set_xticks(sorted({1, *range(0, last + 1, max(1, last // 5))} - {0}))
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=8, frameon=False)
    return figure


def _curve(axis, rows: pd.DataFrame, column: str, variant: str, label: str) -> None:
    """All seeds of one variant and their mean in one panel."""
    table = rows.pivot(index="epoch", columns="seed", values=column)
    colour = COLOURS[variant]
    for seed in table.columns:
        axis.plot(table.index, table[seed], color=colour, linewidth=0.7, alpha=0.6,
                  marker=".", markersize=2)
    axis.plot(table.index, table.mean(axis=1), color=colour, linewidth=2, marker=MARKERS.get(variant, "o"),
              markersize=4, markevery=max(1, len(table) // 10), label=label)


def augmentation_examples(examples: list[dict]) -> Figure:
    """Pairs of one training image before and after augmentation, with its alpha and trimap below.

    examples: dicts with `before` and `after`, each a tuple image (H, W, 3), alpha (H, W), trimap (H, W),
    float in [0, 1], and `note`, a short text (flip, angle).
    """
    columns = 2 * len(examples)
    figure, axes = plt.subplots(3, columns, figsize=(WIDTH, 3 * WIDTH / columns + 0.2), layout="constrained",
                                squeeze=False)
    for number, example in enumerate(examples):
        for side, name in enumerate(("before", "after")):
            for axis, picture in zip(axes[:, 2 * number + side], example[name], strict=True):
                axis.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
            title = "before" if name == "before" else example["note"]
            axes[0, 2 * number + side].set_title(title, fontsize=8)
    for axis, name in zip(axes[:, 0], ("image", "alpha", "trimap"), strict=True):
        axis.set_ylabel(name, fontsize=9)
    return figure
