"""Train and test splits, fixed by the seed: by image, as the study has it, and by group."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.base import UserError

MAX_TEST_IMAGES = 6000  # the study's section 2.2: 28,426 to train and 6,000 to test, a little less than 20 %
Split = tuple[np.ndarray, np.ndarray]  # sorted positions of the training and of the test images


def make_split(kind: str, groups: Sequence[str], seed: int, test_fraction: float = 0.2) -> Split:
    """The split of images by their groups, one name each; kind: "random" or "group"."""
    if kind == "group":
        return group_split(groups, seed, test_fraction)
    return random_split(len(groups), seed, test_fraction)


def random_split(n: int, seed: int, test_fraction: float = 0.2) -> Split:
    """Images drawn one by one: round(n * test_fraction) to test on, at most 6,000. UserError where a side would be empty."""
    test_images = _test_images(n, test_fraction)
    if not 0 < test_images < n:
        raise UserError(
            f"test_fraction: {test_fraction:g} of {n} images leaves one side of the split empty; "
            "use more images or another fraction."
        )
    order = np.random.default_rng([seed, 0]).permutation(n)
    return np.sort(order[test_images:]), np.sort(order[:test_images])


def group_split(groups: Sequence[str], seed: int, test_fraction: float = 0.2) -> Split:
    """No group is on both sides. UserError where there are fewer than two groups.

    Groups whose names begin with 'train-' and 'test-' bring their split, whatever seed and fraction. Otherwise each group, in
    random order, that still fits into the fraction (at most 6,000 images) is tested on; the smallest of the rest, too, where
    that comes nearer. So a group larger than the fraction is trained on.
    """
    target = _test_images(len(groups), test_fraction)
    sides = np.array([group.split("-", 1)[0] for group in groups])
    if set(sides.tolist()) == {"train", "test"}:
        return np.flatnonzero(sides == "train"), np.flatnonzero(sides == "test")
    names, member_of, sizes = np.unique(list(groups), return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise UserError(f"split: a split by group needs at least 2 groups, found {len(names)}; use split=random.")
    chosen, rest, total = [], [], 0
    for group in np.random.default_rng([seed, 1]).permutation(len(names)).tolist():
        fits = total + sizes[group] <= target
        (chosen if fits else rest).append(group)
        total += sizes[group] * fits
    if not rest:
        chosen.pop()  # something must be left to train on
    elif len(rest) > 1:
        smallest = min(rest, key=lambda group: sizes[group])
        if not chosen or total + sizes[smallest] - target < target - total:
            chosen.append(smallest)
    in_test = np.isin(member_of, chosen)
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def split_table(keys: Sequence[str], groups: Sequence[str], seed: int, test_fraction: float = 0.2) -> pd.DataFrame:
    """Both splits: key, group, random and group_split, the last two "train" or "test"; of one group only, the last is empty."""
    table = pd.DataFrame({"key": list(keys), "group": list(groups), "random": "train", "group_split": ""})
    table.loc[random_split(len(table), seed, test_fraction)[1], "random"] = "test"
    if table["group"].nunique() > 1:
        train, test = group_split(table["group"], seed, test_fraction)
        table.loc[train, "group_split"], table.loc[test, "group_split"] = "train", "test"
    return table


def _test_images(n: int, test_fraction: float) -> int:
    if not 0 < test_fraction < 1:
        raise UserError(f"test_fraction: expected a share between 0 and 1, found {test_fraction:g}; change it.")
    return min(round(test_fraction * n), MAX_TEST_IMAGES)
