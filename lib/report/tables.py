"""Tables of the notebooks, from scores and their summaries."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib import scores
from lib.data.cache import ImageSet
from lib.data.trimap import default_radius
from lib.experiments import study as published
from lib.experiments.parameters import Parameters
from lib.experiments.thumbnail import STEPS, Split, by_epoch, config_of, label, run_pooling
from lib.models.summary import summary as layers_of
from lib.models.vgg import POOLING, WIDTH, VGG16Matting
from lib.scores import REGIONS

NONE = float("nan")
SHARED = "group minus random, shared test images"
MIN_GROUPS = 5  # a bootstrap over fewer reaches little more than the extremes


def with_interval(name: str, row: Mapping) -> dict[str, float]:
    """Columns `name`, "name low", "name high" of a row with value, low, high."""
    return {name: row["value"], f"{name} low": row["low"], f"{name} high": row["high"]}


def wide(summary: pd.DataFrame, headers: Mapping[str, str]) -> pd.DataFrame:
    """One row a method, each measure with its 95 % interval. headers: measure -> column, with its unit."""
    rows: dict[str, dict] = {}
    for row in summary.to_dict("records"):
        table_row = rows.setdefault(row["method"], {"method": label(row["method"])})
        table_row |= with_interval(headers[row["measure"]], row)
    return pd.DataFrame(rows.values())


def hyperparameters(p: Parameters) -> pd.DataFrame:
    """Table 1: the study's hyper-parameters, then those it does not name, and what is used here."""
    radius = default_radius(p.size)
    study, sgd, tuned, params = (
        published.HYPERPARAMETERS,
        config_of("sgd", p, 10**6),
        config_of("recipe", p, 10**6),
        p,
    )
    weights = "encoder from a file, rest random" if params.encoder_weights else "random (He et al. 2015)"
    rows = [
        ("epochs", study["num_epochs"], sgd.epochs, tuned.epochs),
        ("batch size", study["batch_size"], sgd.batch_size, f"{params.batch_size}, fewer for {STEPS} steps an epoch"),
        ("learning rate", study["learning_rate"], sgd.lr, f"{tuned.lr:g} at its peak"),
        ("image size (px)", published.SIZE, p.size, p.size),
        ("pooling", "size 2, stride 1, padding 1", "2x2, stride 2", "2x2, stride 2"),
        ("optimiser", "", "SGD, momentum 0.9; Adam", "AdamW"),
        ("schedule of the learning rate", "", sgd.schedule, tuned.schedule),
        ("weight decay", "", f"{sgd.weight_decay:g}", f"{tuned.weight_decay:g}"),
        ("pixels in the training loss", "", params.loss_region, params.loss_region),
        ("trimap rule", "", p.trimap_rule, p.trimap_rule),
        ("trimap radius, testing (px)", "", f"{radius:g}", f"{radius:g}"),
        ("trimap radius, training (px)", "", *[f"random, {radius:g} to {2 * radius:g}"] * 2),
        ("initial weights", "", weights, weights),
        ("channels of VGG-16's first block", WIDTH, params.width, params.width),
        ("batch norm", "", "yes", "yes"),
        ("decoder's kernels", "", "1x1, then 5x5", "1x1, then 5x5"),
        ("trainings of each kind", "", params.seeds, params.seeds),
    ]
    rows = [(name, value or "not named", *ours) for name, value, *ours in rows]
    return pd.DataFrame(rows, columns=["parameter", "study", "study, here", "recipe, here"]).astype(str)


# ------------------------------------------------------------------------------------------------- trainings and tests


def last_training(history: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Training loss of the last epoch as a summary: method (a variant), measure (a region), value, sd, low, high."""
    history = by_epoch(history)
    last = history[history.epoch == history.groupby("variant").epoch.transform("max")]
    return pd.DataFrame(
        [
            {
                "method": variant,
                "measure": region,
                **scores.mean_with_interval(
                    last.loc[last.variant == variant, f"train_{region}"].to_numpy()[:, None], seed
                ),
            }
            for variant in dict.fromkeys(history.variant)
            for region in REGIONS
            if f"train_{region}" in history
        ]
    )


def change_in_second_half(history: pd.DataFrame, seed: int) -> dict[str, dict]:
    """Variant -> training loss of the last epoch minus that of the middle one, over all pixels; interval over seeds."""
    changes, history = {}, by_epoch(history)
    for variant in dict.fromkeys(history.variant):
        losses = history[history.variant == variant].pivot(index="seed", columns="epoch", values="train_all")
        middle, last = (losses.columns.max() + 1) // 2, losses.columns.max()
        changes[variant] = scores.mean_with_interval((losses[last] - losses[middle]).to_numpy()[:, None], seed)
    return changes


def first_and_last_step(reached: pd.DataFrame, seed: int) -> dict[str, dict]:
    """{"steps": {variant: {"first": 30, "last": ...}}, region: {variant: {"first": test error with spread, ...}}}."""
    ends: dict[str, dict] = {"steps": {}, **{region: {} for region in REGIONS}}
    for variant, rows in reached.groupby("variant", sort=False):
        steps = {"first": int(rows.step.min()), "last": int(rows.step.max())}
        ends["steps"][variant] = steps
        for region in REGIONS:
            errors = rows.set_index("step")[f"test_{region}"]
            ends[region][variant] = {
                end: scores.to_value(scores.mean_with_interval(errors.loc[[step]].to_numpy()[:, None], seed))
                for end, step in steps.items()
            }
    return ends


def training(trained: pd.DataFrame, tested: pd.DataFrame) -> pd.DataFrame:
    """Last training loss and test error, a row a method and region; controls have no training loss.

    trained: of `last_training`; tested: summary of the test images.
    """
    losses, rows = trained.set_index(["method", "measure"]), []
    for row in tested.to_dict("records"):
        key = row["method"], row["measure"]
        loss = losses.loc[key] if key in losses.index else {"value": NONE, "sd": NONE, "seeds": ""}
        rows.append(
            {
                "method": label(row["method"]),
                "region": row["measure"],
                "train": loss["value"],
                "train sd": loss["sd"],
                **_test_columns(row, "test"),
                "seeds": loss["seeds"] and int(loss["seeds"]),
                "test images": row["n"],
            }
        )
    return pd.DataFrame(rows)


def results(study: Mapping[str, Mapping[str, float]], trained: pd.DataFrame, tested: pd.DataFrame) -> pd.DataFrame:
    """Table 2: the study's rows (name -> train and test loss), then a row a method.

    trained, tested: summaries on training and test images; methods without training are missing in `trained`. The
    study's losses stand in the columns of all pixels; it does not say which pixels it counted.
    """
    rows = [
        {"method": f"study: {name}", "train all": row["train"], "test all": row["test"]} for name, row in study.items()
    ]
    losses = trained[trained.measure == "all"].set_index("method")
    for method in tested.method.unique():
        by_region = tested[tested.method == method].set_index("measure").to_dict("index")
        value, deviation = losses.loc[method, ["value", "sd"]] if method in losses.index else (NONE, NONE)
        row = {"method": label(method), "train all": value, "train all sd": deviation}
        for region in REGIONS:
            row |= _test_columns(by_region[region], f"test {region}")
        rows.append(row)
    parts = [f"test {region}{part}" for region in REGIONS for part in ("", " sd", " low", " high")]
    return pd.DataFrame(rows, columns=["method", "train all", "train all sd", *parts])


def _test_columns(row: Mapping, name: str) -> dict[str, float]:
    return {name: row["value"], f"{name} sd": row["sd"], f"{name} low": row["low"], f"{name} high": row["high"]}


def swaps(scored: Mapping[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """A row a network and input: its error by region with 95 % intervals. scored: input -> scores."""
    parts = []
    for source, frame in scored.items():
        parts.append(wide(scores.summarise(frame, seed), {region: region for region in REGIONS}))
        parts[-1].insert(1, "given", source)
    return pd.concat(parts).sort_values("method", kind="stable", key=lambda names: names.map(list(names).index))


def gaps(tested: pd.DataFrame, trained: pd.DataFrame, seed: int) -> dict[str, dict[str, dict]]:
    """Region -> variant -> mean on test images minus mean on training images, with its spread."""
    return {
        region: {
            name: scores.gap(scores.matrix(tested, name, region), scores.matrix(trained, name, region), seed)
            for name in trained.method.unique()
        }
        for region in REGIONS
    }


def augmentation(
    tested: pd.DataFrame, trained: pd.DataFrame, pairs: Mapping[str, str], seed: int
) -> dict[str, dict[str, dict[str, dict]]]:
    """Variant without augmentation -> region -> without, with, their paired difference, and both gaps, with spreads.

    tested, trained: scores on test and training images. pairs: variant without -> variant with.
    """
    means, between = scores.to_values(scores.summarise(tested, seed)), gaps(tested, trained, seed)
    compared = scores.differences_to_values(
        scores.compare(tested, [(turned, plain) for plain, turned in pairs.items()], seed)
    )
    return {
        plain: {
            region: {
                "without": means[region][plain],
                "with": means[region][turned],
                "difference": compared[region][f"{turned} minus {plain}"],
                "gap_without": between[region][plain],
                "gap_with": between[region][turned],
            }
            for region in REGIONS
        }
        for plain, turned in pairs.items()
    }


def augmentation_table(effects: Mapping, pairs: Mapping[str, str]) -> pd.DataFrame:
    """`augmentation` as a table, a row a pair and region. A gap is the mean on test minus that on training images."""
    rows = []
    for plain, turned in pairs.items():
        for region, effect in effects[plain].items():
            difference = effect["difference"]
            rows.append(
                {
                    "pair": f"{label(turned)} minus {label(plain)}",
                    "region": region,
                    "without": effect["without"]["value"],
                    "with": effect["with"]["value"],
                    "difference": difference["value"],
                    "low": difference["low"],
                    "high": difference["high"],
                    "gap without": effect["gap_without"]["value"],
                    "gap with": effect["gap_with"]["value"],
                    "seeds": difference["seeds"],
                    "test images": difference["n"],
                }
            )
    return pd.DataFrame(rows)


def format_difference(difference: Mapping, digits: int = 4) -> str:
    """A difference in words: mean and 95 % interval; none where one image and one seed are all."""
    if difference["low"] is None:
        return f"{difference['value']:+.{digits}f}, no interval from one image"
    mean, low, high = (f"{difference[part]:+.{digits}f}" for part in ("value", "low", "high"))
    return f"{mean}, 95 % interval {low} to {high}"


# ---------------------------------------------------------------------------------------------------- split and network


def leakage(
    tested: Mapping[str, np.ndarray], splits: Mapping[str, Split], groups: list[str], region: str, seed: int
) -> pd.DataFrame:
    """What a split by image leaks: each split on its own test images, then both on the images that they share.

    tested, splits: keys "random" and "group"; tested[name] are errors (seeds,n) on that split's test images. Neither
    model has seen a shared image; the random split's has seen its group. Groups weigh equally; the interval resamples
    seeds and groups. Without shared images the last row is NaN.
    """
    groups, rows, both = np.asarray(groups), [], {}
    tests = {name: split[1] for name, split in splits.items()}
    common = np.intersect1d(tests["random"], tests["group"])
    for name in ("random", "group"):
        trained = len(splits[name][0])
        means = _means_by_group(tested[name], groups[tests[name]])
        rows.append(_leakage_row(f"{name}, own test images", region, trained, len(tests[name]), means, seed))
        both[name] = tested[name][:, np.isin(tests[name], common)]
    means = _means_by_group(both["group"] - both["random"], groups[common]) if len(common) else np.empty((0, 0))
    return pd.DataFrame([*rows, _leakage_row(SHARED, region, trained, len(common), means, seed)])


def _means_by_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Means (seeds,groups) over the columns of (seeds,n) that share a group, groups sorted."""
    return np.stack([np.nanmean(values[:, groups == name], axis=1) for name in np.unique(groups)], axis=1)


def _leakage_row(comparison: str, region: str, trained: int, tested: int, means: np.ndarray, seed: int) -> dict:
    mean, low, high = scores.bootstrap_interval(means, seed) if means.size else (NONE, NONE, NONE)
    row = {"comparison": comparison, "region": region, "training images": trained, "test images": tested}
    return row | {"groups": means.shape[1], "seeds": means.shape[0], "mean": mean, "low": low, "high": high}


def leakage_values(shared: Mapping) -> dict:
    """The paired row of `leakage` as a named value; no interval from fewer than MIN_GROUPS groups."""
    if not shared:
        return {"difference": None, "images": 0, "groups": 0}
    ends = (shared["low"], shared["high"]) if shared["groups"] >= MIN_GROUPS else (None, None)
    difference = scores.interval(shared["mean"], *ends)
    return {"difference": difference, "images": shared["test images"], "groups": shared["groups"]}


def stages(summary: pd.DataFrame) -> pd.DataFrame:
    """Convolutions of a layer summary by stage: those between two (un)poolings and of one width are one row.

    Columns: part, convolutions, kernel (px), channels, height, width, parameters, before (a pooling's name or "").
    """
    rows, before, inputs = [], "", 4  # red, green, blue, trimap
    for layer in summary.itertuples():
        if layer.kind in ("MaxPool2d", "MaxUnpool2d"):
            before = layer.layer
        if layer.kind != "Conv2d":
            continue
        weights = layer.parameters - layer.channels  # without biases
        row = {
            "part": layer.layer.split(".")[0].rstrip("0123456789"),  # encoder3.6 is of the encoder
            "convolutions": 1,
            "channels": layer.channels,
            "kernel": round((weights / (inputs * layer.channels)) ** 0.5),
            "height": layer.height,
            "width": layer.width,
            "parameters": layer.parameters,
            "before": before,
        }
        if rows and not before and all(rows[-1][key] == row[key] for key in ("part", "kernel", "channels")):
            rows[-1]["convolutions"] += 1
            rows[-1]["parameters"] += layer.parameters
        else:
            rows.append(row)
        before, inputs = "", layer.channels
    return pd.DataFrame(rows)


def multiply_adds(layers: pd.DataFrame) -> int:
    """Multiply-adds of all convolutions for one image: weights x output pixels, padding included, bias left out."""
    rows = layers[layers.kind == "Conv2d"]
    return int(((rows.parameters - rows.channels) * rows.height * rows.width).sum())


def pooling(prepared: ImageSet, split: Split, p: Parameters) -> pd.DataFrame:
    """Both readings of the study's pooling: sizes, cost, and losses of a short training."""
    rows = []
    for reading, (kernel, stride, padding) in POOLING.items():
        layers = layers_of(VGG16Matting(pooling=reading), prepared.alpha.shape[-2:])
        losses = run_pooling(prepared, split, reading, p)
        row = {
            "reading": reading,
            "kernel, stride, padding": f"{kernel}, {stride}, {padding}",
            "sides after the poolings (px)": ", ".join(map(str, layers[layers.kind == "MaxPool2d"].height)),
            "parameters": int(layers.parameters.sum()),
            "multiply-adds (10^6)": multiply_adds(layers) // 10**6,
        }
        names = ("train_all", "train_unknown", "test_all", "test_unknown")
        rows.append(row | {name.replace("_", " "): losses.get(name, NONE) for name in names})
    return pd.DataFrame(rows)
