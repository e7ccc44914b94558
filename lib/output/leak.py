"""What a split by image leaks (notebook 03): tables and values of two models tested on the images that both splits share."""

import numpy as np
import pandas as pd

from lib.evaluation import stats
from lib.experiments.thumbnail import Split

NONE = float("nan")
SHARED = "group minus random, shared test images"
FEWEST_GROUPS = 5  # a bootstrap over fewer has hardly more than the extremes to draw from


def by_group(values: np.ndarray, groups: list[str]) -> np.ndarray:
    """Means (seeds, groups) over the columns of (seeds, n) `values` that share a group, groups sorted."""
    names = np.asarray(groups)
    return np.stack([np.nanmean(values[:, names == name], axis=1) for name in np.unique(names)], axis=1)


def table(
    tested: dict[str, np.ndarray], splits: dict[str, Split], groups: list[str], region: str, seed: int
) -> pd.DataFrame:
    """What a split by image flatters: each split on its own test images, then both on the images they share.

    tested, splits: keys "random" and "group"; tested[name] are errors (seeds, n) on the test images of that split, over
    the pixels of `region`. An image in both test sets was seen by neither model. The random split's model was trained on
    other images of its group, the group split's was not: the paired difference group - random is what those were worth,
    on the same images and with as many training images. Groups count equally; the interval resamples seeds and
    groups. Without shared images that row is NaN.
    """
    groups, rows, both = np.asarray(groups), [], {}
    tests = {name: split[1] for name, split in splits.items()}
    common = np.intersect1d(tests["random"], tests["group"])
    for name in ("random", "group"):
        trained = len(splits[name][0])
        means = by_group(tested[name], groups[tests[name]])
        rows.append(_row(f"{name}, own test images", region, trained, len(tests[name]), means, seed))
        both[name] = tested[name][:, np.isin(tests[name], common)]
    means = by_group(both["group"] - both["random"], groups[common]) if len(common) else np.empty((0, 0))
    rows.append(_row(SHARED, region, trained, len(common), means, seed))
    return pd.DataFrame(rows)


def _row(comparison: str, region: str, trained: int, tested: int, means: np.ndarray, seed: int) -> dict:
    mean, low, high = stats.bootstrap_interval(means, seed) if means.size else (NONE, NONE, NONE)
    return {
        "comparison": comparison,
        "region": region,
        "training images": trained,
        "test images": tested,
        "groups": means.shape[1],
        "seeds": means.shape[0],
        "mean": mean,
        "low": low,
        "high": high,
    }


def impossible() -> pd.DataFrame:
    """The table of `table` where no group has two images: one row that says so."""
    return pd.DataFrame([{"comparison": "not possible: needs two groups, and a group with two images"}])


def shared_images(table: pd.DataFrame) -> dict:
    """Of the table `table`, the paired row over all pixels as a dict; {} where no image is shared."""
    rows = table[table.comparison == SHARED].to_dict("records")
    return rows[0] if rows and rows[0]["test images"] else {}


def values(shared: dict) -> dict:
    """The paired row of `shared_images` for lib.output.values, or counts of 0 where no image is shared.

    Fewer than FEWEST_GROUPS groups give no interval: their bootstrap hardly leaves the extremes.
    """
    if not shared:
        return {"difference": None, "images": 0, "groups": 0}
    ends = (shared["low"], shared["high"]) if shared["groups"] >= FEWEST_GROUPS else (None, None)
    return {
        "difference": stats.interval(shared["mean"], *ends),
        "images": shared["test images"],
        "groups": shared["groups"],
    }
