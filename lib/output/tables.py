"""The tables of notebooks 03 to 05. Errors, Split and `p` are those of `lib.experiments.thumbnail`."""

import numpy as np
import pandas as pd

from lib.data.prepare import Prepared
from lib.data.trimap import default_radius
from lib.evaluation import stats
from lib.experiments import published
from lib.experiments.thumbnail import REGIONS, STEPS, VARIANTS, Errors, Split, run_pooling
from lib.models.dim import POOLING, VGG16Matting
from lib.models.summary import summary

NONE = float("nan")
SHARED = "group minus random, shared test images"
FEWEST_GROUPS = 5  # a bootstrap over fewer has hardly more than the extremes to draw from


def hyperparameters(p: dict) -> pd.DataFrame:
    """Table 1: the study's hyper-parameters, then what it leaves unnamed, beside what is used here."""
    radius = default_radius(p["size"])
    used, recipe = VARIANTS["sgd"], VARIANTS["recipe"]
    weights = "encoder from a file, rest random" if p["encoder_weights"] else "random (He et al. 2015)"
    study = published.HYPERPARAMETERS
    rows = [
        ("epochs", study["num_epochs"], p["epochs"], p["recipe_epochs"]),
        ("batch size", study["batch_size"], p["batch_size"],
         f"{p['batch_size']}, fewer for {STEPS} steps an epoch"),
        ("learning rate", study["learning_rate"], p["lr"], f"{p['recipe_lr']:g} at its peak"),
        ("image size (px)", published.SIZE, p["size"], p["size"]),
        ("pooling", "size 2, stride 1, padding 1", "2x2, stride 2", "2x2, stride 2"),
        ("optimiser", "", "SGD, momentum 0.9; Adam", "AdamW"),
        ("schedule of the learning rate", "", used["schedule"], recipe["schedule"]),
        ("weight decay", "", f"{used['weight_decay']:g}", f"{recipe['weight_decay']:g}"),
        ("pixels in the training loss", "", p["loss_region"], p["loss_region"]),
        ("trimap rule", "", p["trimap_rule"], p["trimap_rule"]),
        ("trimap radius, testing (px)", "", f"{radius:g}", f"{radius:g}"),
        ("trimap radius, training (px)", "", *[f"random, {radius:g} to {2 * radius:g}"] * 2),
        ("initial weights", "", weights, weights),
        ("batch norm", "", "yes", "yes"),
        ("decoder's kernels", "", "1x1, then 5x5", "1x1, then 5x5"),
        ("trainings of each kind", "", p["seeds"], p["seeds"]),
    ]
    rows = [(name, value or "not named", *ours) for name, value, *ours in rows]
    return pd.DataFrame(rows, columns=["parameter", "study", "study, here", "recipe, here"]).astype(str)


def seed_summary(values: np.ndarray) -> tuple[float, float]:
    """Mean of (seeds, n) values, and the standard deviation over seeds of their means; NaN for one seed."""
    means = np.nanmean(values, axis=1)
    return float(np.nanmean(values)), float(means.std(ddof=1)) if len(means) > 1 else NONE


def interval_columns(values: np.ndarray, name: str, seed: int) -> dict[str, float]:
    """Table columns of (seeds, n) values: mean, standard deviation over seeds, 95 % interval over both."""
    mean, deviation = seed_summary(values)
    low, high = stats.bootstrap_interval(values, seed)[1:]
    return {name: mean, f"{name} sd": deviation, f"{name} low": low, f"{name} high": high}


def training(history: pd.DataFrame, tested: dict[str, Errors], seed: int) -> pd.DataFrame:
    """Last training loss and test error, one row a method and region.

    history: as `lib.experiments.thumbnail.run_variants` returns it. tested: variant or name of a control -> Errors on
    the test images; what the history doesn't know has no training loss.
    """
    last = history[history.epoch == history.groupby("variant").epoch.transform("max")]
    rows = []
    for method, errors in tested.items():
        for region in REGIONS:
            final = last.loc[last.variant == method, f"train_{region}"].to_numpy()[:, None]
            mean, deviation = seed_summary(final) if len(final) else (NONE, NONE)
            rows.append({"method": _label(method), "region": region, "train": mean, "train sd": deviation,
                         **interval_columns(errors[region], "test", seed),
                         "seeds": len(final) or "", "test images": errors[region].shape[1]})
    return pd.DataFrame(rows)


def augmentation(tested: dict[str, Errors], trained: dict[str, Errors], pairs: dict[str, str],
                 seed: int) -> pd.DataFrame:
    """With minus without augmentation, paired by seed and test image, one row a pair and region.

    tested, trained: variant -> Errors on test and on training images. pairs: variant without -> variant with.
    A gap is the mean on test images minus the mean on training images.
    """
    rows = []
    for plain, augmented in pairs.items():
        for region in REGIONS:
            a, b = tested[augmented][region], tested[plain][region]
            mean, low, high = stats.paired_interval(a, b, seed)
            rows.append({"pair": f"{_label(augmented)} minus {_label(plain)}", "region": region,
                         "without": np.nanmean(b), "with": np.nanmean(a),
                         "difference": mean, "low": low, "high": high,
                         "gap without": np.nanmean(b) - np.nanmean(trained[plain][region]),
                         "gap with": np.nanmean(a) - np.nanmean(trained[augmented][region]),
                         "seeds": a.shape[0], "test images": a.shape[1]})
    return pd.DataFrame(rows)


def results(published: dict[str, dict[str, float]], trained: dict[str, Errors], tested: dict[str, Errors],
            seed: int) -> pd.DataFrame:
    """Table 2: the study's rows, then one row a method.

    published: the study's name -> train and test loss. trained, tested: variant or name of a method -> Errors
    on training and test images; methods without training are missing in `trained`. The study's losses stand
    in the columns of all pixels; it doesn't say which pixels it counted.
    """
    rows = [{"method": f"study: {name}", "train all": loss["train"], "test all": loss["test"]}
            for name, loss in published.items()]
    for method, errors in tested.items():
        mean, deviation = seed_summary(trained[method]["all"]) if method in trained else (NONE, NONE)
        rows.append({"method": _label(method), "train all": mean, "train all sd": deviation,
                     **interval_columns(errors["all"], "test all", seed),
                     **interval_columns(errors["unknown"], "test unknown", seed)})
    parts = [f"test {region}{part}" for region in REGIONS for part in ("", " sd", " low", " high")]
    return pd.DataFrame(rows, columns=["method", "train all", "train all sd", *parts])


def by_group(values: np.ndarray, groups: list[str]) -> np.ndarray:
    """Means (seeds, groups) over the columns of (seeds, n) `values` that share a group, groups sorted."""
    names = np.asarray(groups)
    return np.stack([np.nanmean(values[:, names == name], axis=1) for name in np.unique(names)], axis=1)


def leakage(tested: dict[str, Errors], splits: dict[str, Split], groups: list[str],
            seed: int) -> pd.DataFrame:
    """What a split by image flatters: each split on its own test images, then both on the images they share.

    tested, splits: keys "random" and "group"; tested[name] are the Errors on the test images of that split.
    An image in both test sets was seen by neither model. The random split's model was trained on other images
    of its group, the group split's was not: the paired difference group - random is what those were worth, on
    the same images and with as many training images. Groups count equally; the interval resamples seeds and
    groups. Without shared images that row is NaN.
    """
    groups, rows = np.asarray(groups), []
    tests = {name: split[1] for name, split in splits.items()}
    common = np.intersect1d(tests["random"], tests["group"])
    for region in REGIONS:
        both = {}
        for name in ("random", "group"):
            errors, trained = tested[name][region], len(splits[name][0])
            means = by_group(errors, groups[tests[name]])
            rows.append(_row(f"{name}, own test images", region, trained, len(tests[name]), means, seed))
            both[name] = errors[:, np.isin(tests[name], common)]
        means = by_group(both["group"] - both["random"], groups[common]) if len(common) else np.empty((0, 0))
        rows.append(_row(SHARED, region, trained, len(common), means, seed))
    return pd.DataFrame(rows)


def no_leakage() -> pd.DataFrame:
    """The table of `leakage` where no group has two images: one row that says so."""
    return pd.DataFrame([{"comparison": "not possible: needs two groups, and a group with two images"}])


def shared_images(table: pd.DataFrame) -> dict:
    """Of the table `leakage`, the paired row over all pixels as a dict; {} where no image is shared."""
    rows = table[table.comparison == SHARED].to_dict("records")
    return rows[0] if rows and rows[0]["test images"] else {}


def leakage_sentence(shared: dict) -> str:
    """What `shared_images` shows, in words; no verdict from fewer than FEWEST_GROUPS groups."""
    if not shared:
        return "No test image is shared by both splits here, so what leaks cannot be isolated."
    difference = spelled((shared["mean"], shared["low"], shared["high"]))
    measured = (f"On the {shared['test images']} shared test images, of {shared['groups']} group(s), not "
                f"knowing other pictures of the group changes the error over all pixels by {difference}: ")
    if shared["groups"] < FEWEST_GROUPS:
        return f"{measured}**too few groups for a verdict**."
    word = stats.verdict(shared["low"], shared["high"], "knowing the group makes it worse",
                         "the split by image flatters the result")
    return f"{measured}**{word}**."


def _row(comparison: str, region: str, trained: int, tested: int, means: np.ndarray, seed: int) -> dict:
    mean, low, high = stats.bootstrap_interval(means, seed) if means.size else (NONE, NONE, NONE)
    return {"comparison": comparison, "region": region, "training images": trained, "test images": tested,
            "groups": means.shape[1], "seeds": means.shape[0], "mean": mean, "low": low, "high": high}


def multiply_adds(layers: pd.DataFrame) -> int:
    """Multiply-adds of all convolutions for one image, by `lib.models.summary.summary`: weights x output pixels.

    As the literature counts: kernel taps that meet only padding included, bias, norm and pooling left out.
    """
    rows = layers[layers.kind == "Conv2d"]
    return int(((rows.parameters - rows.channels) * rows.height * rows.width).sum())


def pooling(prepared: Prepared, split: Split, p: dict) -> pd.DataFrame:
    """Both readings of the study's pooling: sizes, cost, and the losses of `lib.experiments.thumbnail.run_pooling`."""
    rows = []
    for reading, (kernel, stride, padding) in POOLING.items():
        layers = summary(VGG16Matting(pooling=reading), prepared.alpha.shape[-2:])
        pools = layers[layers.kind == "MaxPool2d"]
        losses = run_pooling(prepared, split, reading, p)
        rows.append({"reading": reading, "kernel, stride, padding": f"{kernel}, {stride}, {padding}",
                     "sides after the poolings (px)": ", ".join(map(str, pools.height)),
                     "parameters": int(layers.parameters.sum()),
                     "multiply-adds (10^6)": multiply_adds(layers) // 10**6,
                     **{f"{side} {region}": losses.get(f"{side}_{region}", NONE)
                        for side in ("train", "test") for region in REGIONS}})
    return pd.DataFrame(rows)


def compared(low: float, high: float) -> str:
    """What the interval of a difference a - b says of a and b, to stand between their names in a sentence."""
    verb = stats.verdict(low, high, "is lower than", "is higher than")
    return verb if verb.startswith("is") else "is not shown to differ from"


def spelled(difference: tuple[float, float, float], digits: int = 4) -> str:
    """A difference with its interval in words: mean, low, high."""
    mean, low, high = (f"{value:+.{digits}f}" for value in difference)
    return f"{mean}, 95 % interval {low} to {high}"


def versus(tested: dict[str, Errors], a: str, b: str, seed: int) -> str:
    """A sentence that compares two methods over all pixels, paired by test image and seed."""
    first, second = np.broadcast_arrays(tested[a]["all"], tested[b]["all"])
    difference = stats.paired_interval(first, second, seed)
    verb = compared(*difference[1:])
    return f"The error of {_label(a)} {verb} that of {_label(b)} ({spelled(difference, 3)})."


def _label(method: str) -> str:
    return VARIANTS[method]["label"] if method in VARIANTS else method
