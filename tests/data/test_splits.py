"""Splits: sizes from the study, no image and no group on both sides, and the real listing where it is at
hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.base import UserError
from lib.data.splits import group_split, random_split, split_table

MANIFEST = Path(__file__).resolve().parents[3] / "shared" / "data" / "aisegment_manifest.tsv.gz"


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (34426, (28426, 6000)),  # the study's section 2.2
        (34425, (28425, 6000)),
        (200, (160, 40)),
        (320, (256, 64)),
        (7, (6, 1)),
        (3, (2, 1)),
    ],
)
def test_random_split_sizes(n, sizes):
    train, test = random_split(n, seed=0)
    assert (len(train), len(test)) == sizes
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
    assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()


def test_random_split_is_fixed_by_the_seed():
    assert np.array_equal(random_split(100, 3)[1], random_split(100, 3)[1])
    assert not np.array_equal(random_split(100, 3)[1], random_split(100, 4)[1])
    counts = np.bincount(np.concatenate([random_split(20, seed)[1] for seed in range(500)]), minlength=20)
    assert counts.min() > 60 and counts.max() < 140  # every image is drawn about 100 times of 500


@pytest.mark.parametrize("seed", range(20))
def test_group_split_keeps_groups_whole_and_comes_near_the_fraction(seed):
    sizes = [300, 90, 70, *[11] * 30, *[5] * 20, 1, 1]
    groups = np.repeat([f"g{i:02d}" for i in range(len(sizes))], sizes)
    groups = np.random.default_rng(seed).permutation(groups)
    train, test = group_split(groups, seed)
    assert not set(groups[train]) & set(groups[test])
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(len(groups)))
    assert abs(len(test) - 0.2 * len(groups)) <= 6  # half the smallest groups that are many
    assert np.array_equal(group_split(groups, seed)[1], test)


@pytest.mark.parametrize("sizes", [[1, 1], [50, 50], [99, 1], [1, 99], [30, 30, 40]])
@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.95])
def test_group_split_never_leaves_a_side_empty(sizes, fraction):
    groups = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    train, test = group_split(groups, 1, fraction)
    assert len(train) and len(test)


def test_group_split_depends_on_the_seed():
    groups = np.repeat([f"g{i}" for i in range(40)], 8)
    chosen = {frozenset(groups[group_split(groups, seed)[1]]) for seed in range(10)}
    assert len(chosen) == 10


def test_errors():
    with pytest.raises(UserError, match="at least 2 groups, found 1"):
        group_split(["a"] * 10, 0)
    with pytest.raises(UserError, match="leaves one side of the split empty"):
        random_split(2, 0, 0.1)
    for fraction in (0, 1, -0.2, 1.5):
        with pytest.raises(UserError, match="test_fraction: expected a share between 0 and 1"):
            random_split(100, 0, fraction)


def test_split_table_holds_both_splits():
    groups = [f"person-{i // 8:03d}" for i in range(80)]
    table = split_table([f"{i:05d}" for i in range(80)], groups, seed=2)
    assert list(table) == ["key", "group", "random", "group_split"]
    assert table.index[table["random"] == "test"].tolist() == random_split(80, 2)[1].tolist()
    assert table.index[table["group_split"] == "test"].tolist() == group_split(groups, 2)[1].tolist()
    assert (table.groupby("group")["group_split"].nunique() == 1).all()
    assert set(split_table(["a", "b"], ["x", "x"], 0, 0.5)["group_split"]) == {""}


@pytest.mark.skipif(not MANIFEST.exists(), reason="the AISegment listing is not at hand")
def test_on_the_real_listing_only_the_random_split_leaks():
    listing = pd.read_csv(MANIFEST, sep="\t", dtype={"group": str})
    table = split_table(listing["name"].str.removesuffix(".jpg"), listing["group"], seed=0)
    assert (table["random"] == "test").sum() == 6000
    assert abs((table["group_split"] == "test").sum() - 6000) < 60
    sides = table.groupby("group")[["random", "group_split"]].nunique()
    assert (sides["group_split"] == 1).all()
    assert (sides["random"] == 2).mean() > 0.95  # nearly every group is seen in training and in testing
    big = table[table["group"] == "1803151818"]
    assert len(big) == 10383 and set(big["group_split"]) == {"train"}


def test_a_set_that_names_the_sides_of_its_groups_keeps_them_whatever_the_seed():
    groups = ["train-a", "test-b", "train-a", "train-c", "test-b", "test-d"]
    for seed, fraction in ((0, 0.2), (7, 0.9)):
        train, test = group_split(groups, seed, fraction)
        assert train.tolist() == [0, 2, 3] and test.tolist() == [1, 4, 5]
    train, test = group_split(["train-a", "train-b", "train-b"], 0, 0.34)  # one side only: split as any other set
    assert len(train) and len(test)
