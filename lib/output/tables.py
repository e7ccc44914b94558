"""The tables of notebooks 02 to 07, from scores and their summaries (lib.evaluation.scores); words for intervals."""

import pandas as pd

from lib.data.prepare import Prepared
from lib.data.trimap import default_radius
from lib.evaluation import scores, stats
from lib.evaluation.scores import HEADERS, REGIONS
from lib.experiments import published
from lib.experiments.parameters import Parameters
from lib.experiments.thumbnail import STEPS, Split, by_epoch, label, recipe, run_pooling
from lib.models.dim import POOLING, WIDTH, VGG16Matting
from lib.models.summary import summary as layers_of

NONE = float("nan")


def hyperparameters(p: Parameters) -> pd.DataFrame:
    """Table 1: the study's hyper-parameters, then what it leaves unnamed, beside what is used here."""
    radius = default_radius(p.data.size)
    used, today, own = recipe("sgd", p, 10**6), recipe("recipe", p, 10**6), p.thumbnail
    weights = "encoder from a file, rest random" if own.encoder_weights else "random (He et al. 2015)"
    study = published.HYPERPARAMETERS
    rows = [
        ("epochs", study["num_epochs"], used.epochs, today.epochs),
        ("batch size", study["batch_size"], used.batch_size, f"{own.batch_size}, fewer for {STEPS} steps an epoch"),
        ("learning rate", study["learning_rate"], used.lr, f"{today.lr:g} at its peak"),
        ("image size (px)", published.SIZE, p.data.size, p.data.size),
        ("pooling", "size 2, stride 1, padding 1", "2x2, stride 2", "2x2, stride 2"),
        ("optimiser", "", "SGD, momentum 0.9; Adam", "AdamW"),
        ("schedule of the learning rate", "", used.schedule, today.schedule),
        ("weight decay", "", f"{used.weight_decay:g}", f"{today.weight_decay:g}"),
        ("pixels in the training loss", "", own.loss_region, own.loss_region),
        ("trimap rule", "", p.data.trimap_rule, p.data.trimap_rule),
        ("trimap radius, testing (px)", "", f"{radius:g}", f"{radius:g}"),
        ("trimap radius, training (px)", "", *[f"random, {radius:g} to {2 * radius:g}"] * 2),
        ("initial weights", "", weights, weights),
        ("channels of VGG-16's first block", WIDTH, own.width, own.width),
        ("batch norm", "", "yes", "yes"),
        ("decoder's kernels", "", "1x1, then 5x5", "1x1, then 5x5"),
        ("trainings of each kind", "", own.seeds, own.seeds),
    ]
    rows = [(name, value or "not named", *ours) for name, value, *ours in rows]
    return pd.DataFrame(rows, columns=["parameter", "study", "study, here", "recipe, here"]).astype(str)


# ------------------------------------------------------------------------------------- from summaries


def methods(summary: pd.DataFrame, headers: dict[str, str]) -> pd.DataFrame:
    """One row a method: each measure with its 95 % interval. headers: measure -> column, with its unit."""
    rows: dict[str, dict] = {}
    for row in summary.to_dict("records"):
        header = headers[row["measure"]]
        rows.setdefault(row["method"], {"method": label(row["method"])}).update(
            {header: row["value"], f"{header} low": row["low"], f"{header} high": row["high"]}
        )
    return pd.DataFrame(rows.values())


def effects(found: dict[str, dict[str, dict]]) -> pd.DataFrame:
    """One row an effect; each of the four measures with its interval."""
    rows = []
    for effect, by_name in found.items():
        row: dict[str, object] = {"difference made by": effect}
        for name, header in HEADERS.items():
            row |= {
                header: by_name[name]["value"],
                f"{header} low": by_name[name]["low"],
                f"{header} high": by_name[name]["high"],
            }
        rows.append(row)
    return pd.DataFrame(rows)


def last_training(history: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The training loss of the last epoch as a summary: method (a variant), measure (a region), value, sd and so on."""
    history = by_epoch(history)
    last = history[history.epoch == history.groupby("variant").epoch.transform("max")]
    return pd.DataFrame(
        [
            {
                "method": variant,
                "measure": region,
                **stats.estimate(last.loc[last.variant == variant, f"train_{region}"].to_numpy()[:, None], seed),
            }
            for variant in dict.fromkeys(history.variant)
            for region in REGIONS
            if f"train_{region}" in history
        ]
    )


def late_change(history: pd.DataFrame, seed: int) -> dict[str, dict]:
    """Variant -> training loss over all pixels of the last epoch minus that of the middle one, with its spread.

    Negative: it was still falling in the second half. The interval knows seeds only: with two it is their range.
    """
    found, history = {}, by_epoch(history)
    for variant in dict.fromkeys(history.variant):
        losses = history[history.variant == variant].pivot(index="seed", columns="epoch", values="train_all")
        middle = (losses.columns.max() + 1) // 2
        found[variant] = stats.estimate((losses[losses.columns.max()] - losses[middle]).to_numpy()[:, None], seed)
    return found


def first_and_last(reached: pd.DataFrame, seed: int) -> dict[str, dict]:
    """Test errors at a variant's first and last step of `reached` (lib.experiments.thumbnail.by_step), as values.

    {"steps": {variant: {"first": 30, ...}}, "all": {variant: {"first": number with its spread over seeds, ...}}, ...}.
    """
    found: dict[str, dict] = {"steps": {}, **{region: {} for region in REGIONS}}
    for variant, rows in reached.groupby("variant", sort=False):
        ends = {"first": int(rows.step.min()), "last": int(rows.step.max())}
        found["steps"][variant] = ends
        for region in REGIONS:
            at = rows.set_index("step")[f"test_{region}"]
            found[region][variant] = {
                end: stats.spread(stats.estimate(at.loc[[step]].to_numpy()[:, None], seed))
                for end, step in ends.items()
            }
    return found


def training(trained: pd.DataFrame, tested: pd.DataFrame) -> pd.DataFrame:
    """Last training loss and test error, one row a method and region; controls have no training loss.

    trained: of `last_training`; tested: summary of the test images.
    """
    losses = trained.set_index(["method", "measure"])
    rows = []
    for row in tested.to_dict("records"):
        key = row["method"], row["measure"]
        value, deviation = losses.loc[key, ["value", "sd"]] if key in losses.index else (NONE, NONE)
        seeds = int(losses.loc[key, "seeds"]) if key in losses.index else ""
        rows.append(
            {
                "method": label(row["method"]),
                "region": row["measure"],
                "train": value,
                "train sd": deviation,
                **_columns(row, "test"),
                "seeds": seeds and int(seeds),
                "test images": row["n"],
            }
        )
    return pd.DataFrame(rows)


def results(study: dict[str, dict[str, float]], trained: pd.DataFrame, tested: pd.DataFrame) -> pd.DataFrame:
    """Table 2: the study's rows, then one row a method.

    study: its name -> train and test loss. trained, tested: summaries on training and test images; methods without
    training are missing in `trained`. The study's losses stand in the columns of all pixels; it doesn't say which
    pixels it counted.
    """
    rows = [
        {"method": f"study: {name}", "train all": loss["train"], "test all": loss["test"]}
        for name, loss in study.items()
    ]
    losses = trained[trained.measure == "all"].set_index("method")
    for method in tested.method.unique():
        by_region = tested[tested.method == method].set_index("measure").to_dict("index")
        value, deviation = losses.loc[method, ["value", "sd"]] if method in losses.index else (NONE, NONE)
        rows.append(
            {
                "method": label(method),
                "train all": value,
                "train all sd": deviation,
                **{
                    name: number
                    for region in REGIONS
                    for name, number in _columns(by_region[region], f"test {region}").items()
                },
            }
        )
    parts = [f"test {region}{part}" for region in REGIONS for part in ("", " sd", " low", " high")]
    return pd.DataFrame(rows, columns=["method", "train all", "train all sd", *parts])


def _columns(row: dict, name: str) -> dict[str, float]:
    """A summary's row as columns: mean, standard deviation over seeds, 95 % interval."""
    return {name: row["value"], f"{name} sd": row["sd"], f"{name} low": row["low"], f"{name} high": row["high"]}


def swaps(scored: dict[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """One row a network and input: its error by region with 95 % intervals. scored: of lib.experiments.swaps.score."""
    rows = []
    for given, frame in scored.items():
        table = methods(scores.summarise(frame, seed), {region: region for region in REGIONS})
        table.insert(1, "given", given)
        rows.append(table)
    return pd.concat(rows).sort_values("method", kind="stable", key=lambda names: names.map(list(names).index))


def gaps(tested: pd.DataFrame, trained: pd.DataFrame, seed: int) -> dict[str, dict[str, dict]]:
    """Region -> variant -> mean on test images minus mean on training images, with its spread; from scores."""
    return {
        region: {
            name: stats.gap(scores.matrix(tested, name, region), scores.matrix(trained, name, region), seed)
            for name in trained.method.unique()
        }
        for region in REGIONS
    }


def augmentation(
    tested: pd.DataFrame, trained: pd.DataFrame, pairs: dict[str, str], seed: int
) -> dict[str, dict[str, dict[str, dict]]]:
    """Variant without augmentation -> region -> without, with, their paired difference, and both gaps, with spreads.

    tested, trained: scores on test and on training images. pairs: variant without -> variant with.
    """
    means, between = scores.named(scores.summarise(tested, seed)), gaps(tested, trained, seed)
    compared = scores.named_pairs(scores.compare(tested, [(turned, plain) for plain, turned in pairs.items()], seed))
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


def augmentation_table(found: dict, pairs: dict[str, str]) -> pd.DataFrame:
    """`augmentation` as a table, one row a pair and region. A gap is the mean on test minus that on training images."""
    rows = []
    for plain, turned in pairs.items():
        for region, one in found[plain].items():
            difference = one["difference"]
            rows.append(
                {
                    "pair": f"{label(turned)} minus {label(plain)}",
                    "region": region,
                    "without": one["without"]["value"],
                    "with": one["with"]["value"],
                    "difference": difference["value"],
                    "low": difference["low"],
                    "high": difference["high"],
                    "gap without": one["gap_without"]["value"],
                    "gap with": one["gap_with"]["value"],
                    "seeds": difference["seeds"],
                    "test images": difference["n"],
                }
            )
    return pd.DataFrame(rows)


# --------------------------------------------------------------------------------------- the network


def multiply_adds(layers: pd.DataFrame) -> int:
    """Multiply-adds of all convolutions for one image, by `lib.models.summary.summary`: weights x output pixels.

    As the literature counts: kernel taps that meet only padding included, bias, norm and pooling left out.
    """
    rows = layers[layers.kind == "Conv2d"]
    return int(((rows.parameters - rows.channels) * rows.height * rows.width).sum())


def pooling(prepared: Prepared, split: Split, p: Parameters) -> pd.DataFrame:
    """Both readings of the study's pooling: sizes, cost, and the losses of `lib.experiments.thumbnail.run_pooling`."""
    rows = []
    for reading, (kernel, stride, padding) in POOLING.items():
        layers = layers_of(VGG16Matting(pooling=reading), prepared.alpha.shape[-2:])
        pools = layers[layers.kind == "MaxPool2d"]
        losses = run_pooling(prepared, split, reading, p)
        rows.append(
            {
                "reading": reading,
                "kernel, stride, padding": f"{kernel}, {stride}, {padding}",
                "sides after the poolings (px)": ", ".join(map(str, pools.height)),
                "parameters": int(layers.parameters.sum()),
                "multiply-adds (10^6)": multiply_adds(layers) // 10**6,
                **{
                    column.replace("_", " "): losses.get(column, NONE)
                    for column in ("train_all", "train_unknown", "test_all", "test_unknown")
                },
            }
        )
    return pd.DataFrame(rows)


# ---------------------------------------------------------------------------------------------- words


def spelled(difference: dict, digits: int = 4) -> str:
    """A difference (`stats.difference`) with its interval in words: mean, low, high; no interval where one image and one seed are all."""
    if difference["low"] is None:
        return f"{difference['value']:+.{digits}f}, no interval from one image"
    mean, low, high = (f"{difference[part]:+.{digits}f}" for part in ("value", "low", "high"))
    return f"{mean}, 95 % interval {low} to {high}"
