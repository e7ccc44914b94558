"""The tables of notebook 01 against scipy's labels and counts made by hand."""

import numpy as np
import pytest
from scipy import ndimage

from lib.data import splits
from lib.output import data_tables


def squares() -> np.ndarray:
    """Three images: one square, two squares, and one that touches the border; soft interiors in the
    second."""
    alphas = np.zeros((3, 1, 40, 40), np.uint8)
    alphas[0, 0, 10:30, 10:30] = 255
    alphas[1, 0, 4:16, 4:16], alphas[1, 0, 24:38, 24:38] = 250, 255
    alphas[2, 0, 20:, 8:32] = 255
    return alphas


def test_pieces_and_shares_of_unknown():
    alphas = squares()
    table = data_tables.trimap_rules(alphas).set_index("rule")
    for rule, (low, high) in {"strict": (0, 255), "tolerant": (12, 242)}.items():
        unknown = []
        for alpha in alphas[:, 0]:  # a 3x3 erosion of both regions, as a radius of 1.5 px is
            kernel = np.ones((3, 3))
            known = ndimage.binary_erosion(alpha >= high, kernel, border_value=1) | ndimage.binary_erosion(
                alpha <= low, kernel, border_value=1
            )
            unknown.append(~known)
        assert table.loc[rule, "unknown (share)"] == pytest.approx(np.mean(unknown), abs=1e-12)
        pieces = np.mean([ndimage.label(one, np.ones((3, 3)))[1] for one in unknown])
        assert table.loc[rule, "pieces of unknown"] == pieces
    shares = table[["background (share)", "unknown (share)", "foreground (share)"]].sum(axis=1)
    assert np.allclose(shares, 1)
    assert table.loc["strict", "unknown (share)"] > table.loc["tolerant", "unknown (share)"]


def test_a_sample_of_the_images_is_named():
    table = data_tables.trimap_rules(np.repeat(squares(), 4, axis=0), most=5)
    assert table["images"].tolist() == [5, 5]


def test_groups_on_both_sides_are_counted():
    groups = [f"person-{i // 4}" for i in range(40)]
    table = data_tables.split_sizes(groups, seed=0, test_fraction=0.2).set_index("split")
    train, test = splits.random_split(40, 0, 0.2)
    trained = {groups[i] for i in train}
    leaked = sum(groups[i] in trained for i in test)
    assert table.loc["random", "test images of a group trained on"] == leaked > 0
    assert table.loc["random", "groups on both sides"] == len(trained & {groups[i] for i in test})
    assert table.loc["group", "groups on both sides"] == table.loc["group", "test images of a group trained on"] == 0
    assert (table["training images"] + table["test images"]).tolist() == [40, 40]


def test_one_group_has_no_split_by_group_and_says_so():
    table = data_tables.split_sizes(["all"] * 10, seed=0, test_fraction=0.2).set_index("split")
    assert "at least 2 groups" in table.loc["group", "note"]
    assert table.loc["random", "test images"] == 2


def test_counts_name_every_reason():
    left_out = [("a.png", "truncated"), ("b.png", "no image"), ("c.png", "no image")]
    counts = {"found": 5, "truncated": 1, "used": 2}  # a reason that the source counted is not said twice
    table = data_tables.counts_table(counts, left_out, 2).set_index("what")["count"]
    assert table["found"] == 5 and table["prepared"] == 2
    assert table["left out: no image"] == 2 and table["truncated"] == 1 and len(table) == 5


def test_sentences_follow_the_groups():
    assert "every file is a group of its own" in data_tables.grouping(["a", "b", "c"])
    assert data_tables.grouping(["a", "a", "a", "b"]) == "A group holds 1 to 3 images, 2.0 on average."
