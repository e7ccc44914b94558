"""Train and test splits, fixed by the seed: by image, as the study has it, and by group."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.base import UserError

MOST_TEST = 6000  # the study's section 2.2: 28,426 to train and 6,000 to test, a little less than 20 %


def random_split(n: int, seed: int, test_fraction: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Sorted indices (train, test), int64, of `n` images drawn one by one, whoever is in them.

    The test set holds round(n * test_fraction) images, at most 6,000: the study's size on the full set.
    Raises UserError when a side would be empty.
    """
    _check_fraction(test_fraction)
    n_test = min(round(test_fraction * n), MOST_TEST)
    if not 0 < n_test < n:
        raise UserError(
            f"test_fraction: {test_fraction:g} of {n} images leaves one side of the split empty; "
            "use more images or another fraction."
        )
    order = np.random.default_rng([seed, 0]).permutation(n)
    return np.sort(order[n_test:]), np.sort(order[:n_test])


def group_split(groups: Sequence[str], seed: int, test_fraction: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Sorted indices (train, test), int64, such that no group is on both sides.

    Where the names of groups begin with 'train-' and 'test-', the set comes with its split, and that is taken
    whatever seed and fraction. Otherwise groups are taken in a random order, and each that still fits into the
    fraction (at most 6,000 images) joins the test set; the smallest of the rest joins too when that comes nearer.
    A group larger than the fraction therefore stays in the training set. Raises UserError when there are fewer
    than two groups.
    """
    _check_fraction(test_fraction)
    sides = np.array([group.split("-", 1)[0] for group in groups])
    if set(sides.tolist()) == {"train", "test"}:
        return np.flatnonzero(sides == "train"), np.flatnonzero(sides == "test")
    names, member_of, sizes = np.unique(list(groups), return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise UserError(f"split: a split by group needs at least 2 groups, found {len(names)}; use split=random.")
    target = min(round(test_fraction * len(member_of)), MOST_TEST)
    chosen = _fill(sizes, target, np.random.default_rng([seed, 1]))
    in_test = np.isin(member_of, chosen)
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def split_table(keys: Sequence[str], groups: Sequence[str], seed: int, test_fraction: float = 0.2) -> pd.DataFrame:
    """Both splits as a table: key, group, random and group_split, the last two 'train' or 'test'.

    Where there is only one group, group_split is empty: there is no such split.
    """
    table = pd.DataFrame({"key": list(keys), "group": list(groups)})
    table["random"] = _side(len(table), random_split(len(table), seed, test_fraction)[1])
    table["group_split"] = ""
    if table["group"].nunique() > 1:
        table["group_split"] = _side(len(table), group_split(table["group"], seed, test_fraction)[1])
    return table


def _fill(sizes: np.ndarray, target: int, random: np.random.Generator) -> list[int]:
    """Positions of whole groups whose sizes add up to about `target`: at least one group, never all."""
    order = random.permutation(len(sizes))
    chosen, total = [], 0
    for group in order:
        if total + sizes[group] <= target:
            chosen.append(int(group))
            total += sizes[group]
    left = [int(group) for group in order if group not in set(chosen)]
    smallest = min(left, key=lambda group: sizes[group], default=None)
    nearer = smallest is not None and total + sizes[smallest] - target < target - total
    if (nearer or not chosen) and len(left) > 1:
        chosen.append(smallest)
    return chosen if left else chosen[:-1]


def _side(n: int, test: np.ndarray) -> np.ndarray:
    return np.where(np.isin(np.arange(n), test), "test", "train")


def _check_fraction(test_fraction: float) -> None:
    if not 0 < test_fraction < 1:
        raise UserError(f"test_fraction: expected a share between 0 and 1, found {test_fraction:g}; change it.")
