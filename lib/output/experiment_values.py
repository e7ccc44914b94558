"""The named values of notebooks 03 to 05 (lib.output.values). Errors are those of `lib.experiments.thumbnail`."""

import pandas as pd

from lib.evaluation.stats import difference, estimate, gap, interval
from lib.experiments.thumbnail import REGIONS, TRIMAP_CONTROL, Errors
from lib.output.tables import FEWEST_GROUPS


def training(history: pd.DataFrame, tested: dict[str, Errors], seed: int) -> dict:
    """Last training loss, test errors, what an optimiser changes, and whether the loss was still falling."""
    last = history[history.epoch == history.groupby("variant").epoch.transform("max")]
    variants = list(dict.fromkeys(history.variant))
    pairs = [("adam", "sgd"), ("recipe", "sgd"), ("sgd", TRIMAP_CONTROL), ("adam", TRIMAP_CONTROL),
             ("recipe", TRIMAP_CONTROL)]
    return {"last_train_all": {name: estimate(last.train_all[last.variant == name].to_numpy()[:, None], seed)
                               for name in variants},
            "late_change": {name: late_change(history, name, seed) for name in variants},
            **test_errors(tested, seed), **differences(tested, pairs, seed)}


def late_change(history: pd.DataFrame, variant: str, seed: int) -> dict:
    """Training loss over all pixels of the last epoch minus that of the middle one, with its spread over seeds.

    Negative: it was still falling in the second half. The interval knows seeds only: with two it is their range.
    """
    by_epoch = history[history.variant == variant].pivot(index="seed", columns="epoch", values="train_all")
    middle = (by_epoch.columns.max() + 1) // 2
    return estimate((by_epoch[by_epoch.columns.max()] - by_epoch[middle]).to_numpy()[:, None], seed)


def augmentation(tested: dict[str, Errors], trained: dict[str, Errors], pairs: dict[str, str],
                 seed: int) -> dict:
    """For each pair and region: the errors without and with, their paired difference, and both gaps."""
    return {plain: {region: {
        "without": estimate(tested[plain][region], seed), "with": estimate(tested[turned][region], seed),
        "difference": difference(tested[turned][region], tested[plain][region], seed),
        "gap_without": gap(tested[plain][region], trained[plain][region], seed),
        "gap_with": gap(tested[turned][region], trained[turned][region], seed)}
        for region in REGIONS} for plain, turned in pairs.items()}


def results(trained: dict[str, Errors], tested: dict[str, Errors], rivals: dict[str, str], best: str,
            seed: int) -> dict:
    """Errors of all methods, gaps of the trained ones, and two of them minus each rival, in both regions.

    rivals: short name -> key of `tested`. best: key of the best trained variant.
    """
    tested = tested | {short: tested[key] for short, key in rivals.items()} | {"best": tested[best]}
    pairs = [(variant, rival) for variant in ("sgd", "sgd-da", "best") for rival in rivals]
    return {**test_errors(tested, seed), **differences(tested, pairs, seed),
            "train_all": {name: estimate(errors["all"], seed) for name, errors in trained.items()},
            "gap": {name: gap(tested[name]["all"], errors["all"], seed) for name, errors in trained.items()}}


def leakage(shared: dict) -> dict:
    """The paired row of `lib.output.tables.shared_images`, or counts of 0 where no image is shared.

    Fewer than FEWEST_GROUPS groups give no interval: their bootstrap hardly leaves the extremes.
    """
    if not shared:
        return {"difference": None, "images": 0, "groups": 0}
    ends = (shared["low"], shared["high"]) if shared["groups"] >= FEWEST_GROUPS else (None, None)
    return {"difference": interval(shared["mean"], *ends), "images": shared["test images"],
            "groups": shared["groups"]}


def test_errors(tested: dict[str, Errors], seed: int) -> dict:
    """test_all and test_unknown: method -> estimate."""
    return {f"test_{region}": {name: estimate(errors[region], seed) for name, errors in tested.items()}
            for region in REGIONS}


def differences(tested: dict[str, Errors], pairs: list[tuple[str, str]], seed: int) -> dict:
    """minus_all and minus_unknown: "a minus b" -> paired difference."""
    short = {TRIMAP_CONTROL: "trimap"}
    return {f"minus_{region}": {
        f"{a} minus {short.get(b, b)}": difference(tested[a][region], tested[b][region], seed)
        for a, b in pairs} for region in REGIONS}
