"""Figures: the network, curves against steps, dots with intervals, comparisons of mattes, histograms, sweeps."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image

from lib.base import figures_dir, write_atomically
from lib.report.gallery import colour_bar, error_colormap, gallery
from lib.report.style import (
    AS_PLACED,
    COLOURS,
    FAINT,
    GUIDE,
    LOOKS,
    MARKERS,
    MEAN,
    PARTS,
    POINT,
    SEED,
    SMALL,
    VERMILION,
    WIDTH,
)

REGIONS = {"all": "all pixels", "unknown": "unknown pixels"}
LINES = ("--", ":", "-.")  # of reference lines in one panel
MAX_POINTS = 1000  # of a strip of images


# ---------------------------------------------------------------------------------------------------------- the network


def architecture(stages: pd.DataFrame) -> Figure:
    """Figure 2: a box is a convolution, an arrow carries the positions of the maxima from a pooling to its unpooling.

    stages: a row a stage with part (head, encoder, decoder, alpha), convolutions, kernel, channels, height, width, and
    before ("", or the name of the pooling or unpooling in front of it).
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 3.3), layout=AS_PLACED)
    axis.set(xlim=(0, WIDTH), ylim=(-1.0, 2.3), position=(0, 0, 1, 1))
    axis.axis("off")
    slot, line = (WIDTH - 0.1) / len(stages), {"edgecolor": "black", "linewidth": 0.6}
    for number, stage in enumerate(stages.itertuples()):
        centre, height = 0.05 + (number + 0.5) * slot, 0.12 + (stage.height / stages.height.max()) ** 0.5
        left = centre - 0.075 * stage.convolutions + 0.015
        for box in range(stage.convolutions):
            axis.add_patch(Rectangle((left + 0.15 * box, 0), 0.12, height, facecolor=PARTS[stage.part], **line))
        text = f"{stage.channels} ch\n{stage.height}×{stage.width}\n{stage.convolutions} conv\nk = {stage.kernel}"
        axis.text(centre, -0.06, text, ha="center", va="top", fontsize=SMALL, linespacing=1.15)
    x = {name: 0.05 + number * slot for number, name in enumerate(stages.before) if name}
    for number in range(1, len(x) // 2 + 1):
        left, right, level = x[f"pool{number}"], x[f"unpool{number}"], 2.05 - 0.22 * (number - 1)
        arrow = {"arrowstyle": "-|>", "color": VERMILION, "linewidth": 1, "shrinkA": 0}
        axis.plot([left, left, right], [0, level, level], color=VERMILION, linewidth=1)
        axis.annotate("", xy=(right, 0), xytext=(right, level + 0.01), arrowprops=arrow)
        text = f"pool {number}: indices to unpool {number}"
        axis.text((left + right) / 2, level + 0.02, text, ha="center", va="bottom", fontsize=SMALL)
    handles = [Patch(facecolor=colour, label=name, **line) for name, colour in PARTS.items()]
    handles[-1].set_label("alpha prediction (ch: channels, k: kernel side in px)")
    axis.legend(handles=handles, loc="lower center", ncols=4)
    return figure


# --------------------------------------------------------------------------------------------------------------- curves


def loss_curves(history: pd.DataFrame, labels: Mapping[str, str], study: Mapping[str, float]) -> Figure:
    """Training and test loss against steps; thin lines are seeds, thick ones their mean.

    history: variant, seed, step, train_all, train_unknown, test_all, test_unknown. labels: variant -> text. study: the
    study's last values, train and test.
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.4), sharex=True, sharey="row")
    for row, (region, region_name) in zip(axes, REGIONS.items(), strict=True):
        for axis, (side, side_name) in zip(row, {"train": "Training", "test": "Test"}.items(), strict=True):
            for variant, label in labels.items():
                looks, rows = LOOKS[variant], history[history.variant == variant]
                table = rows.pivot(index="step", columns="seed", values=f"{side}_{region}")
                axis.plot(table, color=looks["color"], linewidth=0.7, alpha=0.6, marker=".", markersize=2)
                every = max(1, len(table) // 10)
                axis.plot(table.mean(axis=1), linewidth=2, markersize=4, markevery=every, label=label, **looks)
            axis.axhline(study[side], linewidth=1, **GUIDE)
            axis.set_title(f"{side_name} loss, {region_name}\n(dashed: the study's final {study[side]:.3f})")
        row[0].set(ylabel="alpha-prediction loss", ylim=(0, None))
    for axis in axes[1]:
        axis.set(xlabel="steps of the optimiser", xlim=(0, None))
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(5, len(labels)))
    return figure


def error_by_steps(
    reached: pd.DataFrame, labels: Mapping[str, str], controls: Mapping[str, Mapping[str, float]]
) -> Figure:
    """Test error against steps (logarithmic): the mean over seeds, and a band from lowest to highest.

    reached: variant, seed, step, test_all, test_unknown. labels: variant -> text. controls: name -> region -> error, a
    horizontal line each.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2), sharex=True)
    for axis, (region, region_name) in zip(axes, REGIONS.items(), strict=True):
        for variant, label in labels.items():
            table = reached[reached.variant == variant].pivot(index="step", columns="seed", values=f"test_{region}")
            _mean_with_band(axis, table, label, LOOKS[variant])
        for (name, errors), dashes in zip(controls.items(), LINES, strict=False):
            axis.axhline(errors[region], label=name, linewidth=1, **(GUIDE | {"linestyle": dashes}))
        axis.set(title=f"Test error, {region_name}", xscale="log", xlabel="steps of the optimiser", ylim=(0, None))
        name_steps(axis, sorted(set(reached.step)))
    axes[0].set_ylabel("mean absolute error of alpha")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def graphical_abstract(
    pictures: Mapping[str, np.ndarray], reached: pd.DataFrame, control: Mapping[str, float], printed: float
) -> Figure:
    """Top: one image's alpha during training. Bottom: error against steps, and a control's error.

    pictures: title -> (h,w) or (h,w,3) float in [0,1]. reached: of one variant, as in `error_by_steps`. control: region
    -> error. printed: the study's test loss.
    """
    figure = plt.figure(figsize=(WIDTH, 4.0))
    rows = figure.add_gridspec(2, len(pictures), height_ratios=(1, 2.4))
    for column, (title, picture) in enumerate(pictures.items()):
        axis = figure.add_subplot(rows[0, column])
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set(title=title, xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color="0.25", linewidth=0.7)
    axis = figure.add_subplot(rows[1, :])
    for (region, name), colour, marker in zip(REGIONS.items(), COLOURS, MARKERS, strict=False):
        table = reached.pivot(index="step", columns="seed", values=f"test_{region}")
        _mean_with_band(axis, table, f"the network, {name}", {"color": colour, "marker": marker})
        axis.axhline(control[region], color=colour, linestyle="--", linewidth=1, label=f"its trimap, returned: {name}")
    axis.axhline(printed, label="the study prints, region not said", **(GUIDE | {"linestyle": ":"}))
    axis.set(xscale="log", ylim=(0, None), xlabel="steps of the optimiser", ylabel="mean absolute error of alpha")
    name_steps(axis, sorted(set(reached.step)))
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _mean_with_band(axis: plt.Axes, table: pd.DataFrame, label: str, looks: Mapping) -> None:
    """The mean of a table's columns along its index, and a band from the lowest to the highest."""
    axis.plot(table.index, table.mean(axis=1), label=label, linewidth=1.5, markersize=4, **looks)
    axis.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=looks["color"], alpha=0.2, linewidth=0)


def name_steps(axis: plt.Axes, steps: Sequence[int]) -> None:
    """Ticks at the steps themselves, without those too near to the one before."""
    ticks: list[int] = []
    for step in steps:
        if not ticks or step >= 1.6 * ticks[-1]:
            ticks.append(step)
    axis.set_xticks(ticks, [f"{step:,}" for step in ticks])
    axis.minorticks_off()


def curves_by_step(results: pd.DataFrame, name: str, labels: Mapping) -> Figure:
    """Test error against steps, a panel a region, a line a value of the column `name` (labels: value -> text): means
    over seeds with bands, dotted the training loss, dashed the trimap as alpha."""
    figure, axes = plt.subplots(1, len(REGIONS), figsize=(WIDTH, 2.6 + 0.14 * len(labels)), squeeze=False)
    for axis, (region, title) in zip(axes[0], REGIONS.items(), strict=True):
        for (value, label), colour, marker in zip(labels.items(), COLOURS, MARKERS, strict=False):
            rows = results[results[name] == value]
            table = rows.pivot_table(index="steps", columns="seed", values=f"test_{region}")
            _mean_with_band(axis, table, f"{label}, test", {"color": colour, "marker": marker})
            trained = rows.groupby("steps")[f"train_{region}"].mean()
            looks = {"marker": marker, "markersize": 3, "markerfacecolor": "none", "linestyle": ":", "color": colour}
            axis.plot(trained.index, trained, label=f"{label}, training", **looks)
        axis.axhline(float(results[f"control_{region}"].iloc[0]), label="trimap as alpha", **GUIDE)
        axis.set(xscale="log", xlabel="steps of the optimiser", title=title)
        axis.set_ylim(bottom=0)
        axis.grid(color=FAINT, linewidth=0.6)
    axes[0][0].set_ylabel("mean |alpha error|")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def errors_along_clip(errors: Mapping[str, Mapping[str, np.ndarray]], labels: Mapping[str, str]) -> Figure:
    """Errors along a clip, a panel a measure, a line a method. errors: measure -> method -> (frames,)."""
    figure, axes = plt.subplots(1, len(errors), figsize=(WIDTH, 2.6), squeeze=False)
    for axis, (measure, by_method) in zip(axes[0], errors.items(), strict=True):
        for (method, values), marker in zip(by_method.items(), MARKERS, strict=False):
            frames = np.arange(1, len(values) + 1) + (measure == "dtssd")  # dtSSD needs the frame before
            axis.plot(frames, values, marker=marker, markersize=4, label=method)
        top = max(float(np.max(values)) for values in by_method.values())
        axis.set(xlabel="frame", ylabel=labels[measure], ylim=(0, 1.1 * top))
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


# ----------------------------------------------------------------------------------------------------------------- dots


def dots(summaries: Mapping[str, pd.DataFrame], measure: str, label: str, methods: Sequence[str]) -> Figure:
    """A row a method, a mark a condition with its 95 % interval, on a logarithmic axis.

    summaries: condition -> summary (lib.scores.summarise). methods: from top to bottom.
    """
    rows = {condition: part[part.measure == measure].set_index("method") for condition, part in summaries.items()}
    return dot_plot(rows, label, methods)


def dot_plot(
    conditions: Mapping[str, pd.DataFrame], label: str, methods: Sequence[str], about_zero: bool = False
) -> Figure:
    """Tables of a row a method (the index) with columns value, low, high. about_zero: differences, on a linear axis."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.36 * len(methods) + 0.9))
    offsets = np.linspace(-0.18, 0.18, len(conditions)) if len(conditions) > 1 else [0.0]
    for (condition, rows), offset, marker, colour in zip(conditions.items(), offsets, MARKERS, COLOURS, strict=False):
        for line, method in enumerate(methods):
            if method not in rows.index or np.isnan(rows.value[method]):
                continue
            value, low, high = rows.loc[method, ["value", "low", "high"]].astype(float)
            ends = [[value - low], [high - value]] if np.isfinite(low) else None
            looks = {"fmt": marker, "color": colour, "markersize": 5, "capsize": 3}
            axis.errorbar(value, line + offset, xerr=ends, label=None if line else condition, **looks)
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


def ablation_panels(table: pd.DataFrame, measures: Mapping[str, str]) -> Figure:
    """Arms of an ablation: a panel a measure (-> label), a row an arm. table: arm, and for each measure itself,
    "<measure> low" and "<measure> high"."""
    figure, axes = plt.subplots(1, len(measures), figsize=(WIDTH, 0.33 * len(table) + 0.9), sharey=True, squeeze=False)
    for axis, (measure, label) in zip(axes[0], measures.items(), strict=True):
        value = table[measure]
        ends = [value - table[f"{measure} low"], table[f"{measure} high"] - value]
        axis.errorbar(value, range(len(table)), xerr=ends, fmt="o", markersize=5, capsize=3)
        axis.set(xlabel=label, ylim=(len(table) - 0.5, -0.5), yticks=range(len(table)), yticklabels=table.arm)
        axis.grid(axis="x", color=FAINT, linewidth=0.6)
    return figure


def paired_differences(groups: pd.DataFrame) -> Figure:
    """Differences of paired images, a row a comparison.

    groups: label, values (seeds,images), mean, low, high (None without an interval). Points are images (means over
    seeds, at most 1,000, even by rank), ticks seeds, diamonds means with 95 % intervals.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 0.75 * len(groups) + 0.7))
    axis.axvline(0, color="black", linewidth=0.8)
    limit = 1e-6
    for line, row in enumerate(groups.itertuples()):
        values = np.asarray(row.values, dtype=float)
        points, seeds = np.sort(np.nanmean(values, axis=0)), np.nanmean(values, axis=1)
        points = points[np.unique(np.linspace(0, len(points) - 1, MAX_POINTS).round().astype(int))]
        heights = line + np.random.default_rng(0).uniform(-0.2, 0.2, len(points))
        axis.scatter(points, heights, s=8, color=POINT, alpha=0.6, linewidths=0, rasterized=len(points) > 500)
        axis.scatter(seeds, np.full(len(seeds), line), marker="|", s=160, color=SEED)
        low, high = (row.mean if pd.isna(end) else end for end in (row.low, row.high))
        ends = [[max(0, row.mean - low)], [max(0, high - row.mean)]]
        axis.errorbar(row.mean, line, xerr=ends, fmt="D", color=MEAN, markersize=5, capsize=4, linewidth=2)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # a label on a line covers it
        axis.text(0, line - 0.3, row.label, transform=axis.get_yaxis_transform(), va="bottom", bbox=box)
        limit = np.nanmax(np.abs([limit, *points, *seeds, low, high]))
    axis.set(xlim=(-1.08 * limit, 1.08 * limit), ylim=(len(groups) - 0.6, -0.75), yticks=[])
    axis.spines["left"].set_visible(False)
    axis.set_xlabel(
        "difference of the mean absolute error (negative: augmentation helps)\n"
        "points: test images; ticks: seeds; diamonds: means with 95 % intervals"
    )
    return figure


# -------------------------------------------------------------------------------------------------------------- mattes


def rank_cases(errors: np.ndarray) -> dict[str, int]:
    """Positions of the best, median (rank ceil(n / 2)) and worst of `errors` (n,); ties go to the lower position."""
    order = np.argsort(errors, kind="stable")
    return {"best": int(order[0]), "median": int(order[(len(order) - 1) // 2]), "worst": int(order[-1])}


def absolute_error(predicted: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """|alpha_p - alpha_g| float32; predicted float in [0,1], alpha uint8, of one shape."""
    return np.abs(predicted.astype(np.float32) - alpha.astype(np.float32) / 255)


def error_notes(rows: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, str]]:
    """Notes for `gallery`: the mean absolute error below each float matte (h,w); a row's `truth` is (h,w) uint8."""
    return {
        case: {
            title: f"error {absolute_error(picture, row['truth']).mean():.3f}"
            for title, picture in row.items()
            if picture.dtype != np.uint8 and picture.ndim == 2
        }
        for case, row in rows.items()
    }


def comparison(
    pictures: Mapping[str, np.ndarray], predictions: Mapping[str, np.ndarray], alpha: np.ndarray, note: str
) -> Figure:
    """One test image: inputs and truth (uint8), every prediction (h,w) float, and below each its error map.

    alpha: (h,w) uint8. note: text for the empty corner.
    """
    errors = {label: absolute_error(predicted, alpha) for label, predicted in predictions.items()}
    maps = {label: error_colormap(error) for label, error in errors.items()}
    notes = {label: f"{error.mean():.3f}" for label, error in errors.items()}
    rows = {1: dict(pictures) | dict(predictions), "error": maps}
    figure = gallery(rows, {"error": {next(iter(pictures)): note} | notes})
    return colour_bar(figure, "absolute error of alpha (number below a map: its mean over all pixels)")


def save_clip(frames: np.ndarray, run: str, name: str) -> bytes:
    """Write figures/<run>/<name>.webp, an animation of (T,H,W,3) uint8 RGB at 12 frames a second; its bytes."""
    pictures, buffer = [Image.fromarray(frame) for frame in frames], io.BytesIO()
    options = {"save_all": True, "append_images": pictures[1:], "duration": 83, "loop": 0, "quality": 80, "method": 4}
    pictures[0].save(buffer, "webp", **options)
    write_atomically(figures_dir(run) / f"{name}.webp", buffer.getvalue())
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------- histograms, sweeps


def histogram(values: np.ndarray, label: str, axis: plt.Axes, color: str = COLOURS[0], **options) -> None:
    """A histogram of images with a dashed line at its median; values that are not finite are left out."""
    values = values[np.isfinite(values)]
    axis.hist(values, color=color, edgecolor="white", linewidth=0.4, **options)
    axis.axvline(np.median(values), label=f"median {np.median(values):.2f}", **GUIDE)
    axis.set(xlabel=label, ylabel="images")
    axis.legend()


def heat_map(axis: plt.Axes, table: pd.DataFrame, top: float, text: Mapping[tuple[int, int], str]) -> None:
    """A table as greys, black at `top`, with text[row, column] written in; ticks are its index and columns."""
    axis.imshow(table, cmap="Greys", vmin=0, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        colour = "white" if value > 0.57 * top else "black"
        axis.text(column, row, text[row, column], ha="center", va="center", color=colour, fontsize=SMALL)
    axis.set(xticks=range(table.shape[1]), xticklabels=table.columns)
    axis.set(yticks=range(table.shape[0]), yticklabels=table.index)


def sweep(ends: pd.DataFrame, vary: Sequence[str], word) -> Figure:
    """Test error after the last step, a panel a region: of one varied name dots (seeds) and bars (means), of two a map.

    ends: a row a training with the varied names, test_all, test_unknown, control_all, control_unknown. word: how a value
    or a name is written.
    """
    height = 2.6 if len(vary) == 1 else 1.3 + 0.36 * ends[vary[0]].nunique()
    figure, axes = plt.subplots(1, len(REGIONS), figsize=(WIDTH, height), squeeze=False)
    for axis, (region, title) in zip(axes[0], REGIONS.items(), strict=True):
        controls = ends.groupby(list(vary), sort=False)[f"control_{region}"].first()
        (_sweep_dots if len(vary) == 1 else _sweep_map)(axis, ends, vary, f"test_{region}", controls, title, word)
    if len(vary) == 1:
        axes[0][0].set_ylabel("mean |alpha error|")
        figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    else:
        axes[0][1].set(yticklabels=[], ylabel="")  # those of the first panel
    return figure


def _sweep_dots(axis, ends, vary, name, controls, title, word) -> None:
    values = list(ends[vary[0]].unique())
    axis.scatter([values.index(value) for value in ends[vary[0]]], ends[name], s=18, color=COLOURS[0], label="a seed")
    means, middles = ends.groupby(vary[0], sort=False)[name].mean(), np.arange(len(values))
    axis.hlines(means, middles - 0.25, middles + 0.25, color=COLOURS[1], label="mean of the seeds")
    if controls.nunique() == 1:
        axis.axhline(controls.iloc[0], label="trimap as alpha", **GUIDE)
    else:  # pictures of several sizes: a control each
        looks = {"colors": GUIDE["color"], "linestyles": "--", "label": "trimap as alpha"}
        axis.hlines(controls, middles - 0.4, middles + 0.4, **looks)
    axis.set(
        xticks=range(len(values)), xticklabels=[word(value) for value in values], xlabel=word(vary[0]), title=title
    )
    axis.set(xlim=(-0.6, len(values) - 0.4), ylim=(0, 1.08 * max(controls.max(), ends[name].max())))
    axis.grid(axis="y", color=FAINT, linewidth=0.6)


def _sweep_map(axis, ends, vary, measure, controls, title, word) -> None:
    groups = ends.groupby(list(vary), sort=False)[measure]
    index, columns = (ends[name].unique() for name in vary)  # as listed: booleans must not become a mask
    parts = groups.mean(), groups.min(), groups.max()
    mean, low, high = (part.unstack().reindex(index=index, columns=columns) for part in parts)
    text = {}
    for (row, column), value in np.ndenumerate(mean.to_numpy()):
        ends_ = low.iat[row, column], high.iat[row, column]  # seeds too far apart for a mean
        parts = [f"{end:.2f}" for end in ends_] if ends_[1] - ends_[0] > 0.05 else [f"{value:.3f}"]
        text[row, column] = "\u2013".join(part.lstrip("0") for part in parts)
    mean = mean.rename(index=word, columns=word)
    heat_map(axis, mean, 1.5 * float(np.nanmax(mean)), text)
    axis.set(xlabel=word(vary[1]), ylabel=word(vary[0]))
    control = " to ".join(f"{end:.3f}" for end in sorted({controls.min(), controls.max()}))
    axis.set_title(f"mean |alpha error|, {title}\n(trimap as alpha: {control})", fontsize=SMALL)
