"""What a split by image leaks: a known leak is found, on the shared images only."""

import numpy as np
import pandas as pd
import pytest

from lib.output import leak


def test_by_group_is_the_mean_of_pandas():
    values = np.random.default_rng(0).random((2, 9))
    groups = list("cabbacbca")
    expected = pd.DataFrame(values.T).groupby(groups).mean().T.to_numpy()
    np.testing.assert_allclose(leak.by_group(values, groups), expected)


def test_leakage_table_finds_a_known_leak_on_the_shared_images_only():
    random_test, group_test = np.arange(0, 40, 2), np.arange(20, 40)
    splits = {"random": (np.arange(30), random_test), "group": (np.arange(30), group_test)}
    difficulty = np.random.default_rng(1).random(40)
    errors = {"random": difficulty[random_test], "group": difficulty[group_test] + 0.1}
    tested = {name: np.stack([values] * 2) for name, values in errors.items()}
    table = leak.table(tested, splits, [f"g{i // 4:02d}" for i in range(40)], "all", seed=0)
    shared = leak.shared_images(table)
    assert (shared["test images"], shared["groups"], shared["seeds"]) == (10, 5, 2)
    assert [shared[name] for name in ("mean", "low", "high")] == pytest.approx([0.1] * 3)


def test_leakage_table_without_shared_images_says_so():
    splits = {"random": (np.arange(4), np.array([4, 5])), "group": (np.arange(4), np.array([6, 7]))}
    errors = np.full((1, 2), 0.5)
    table = leak.table({"random": errors, "group": errors}, splits, list("aabbccdd"), "all", seed=0)
    assert leak.shared_images(table) == {} == leak.shared_images(leak.impossible())


def test_few_groups_give_no_interval():
    shared = {"mean": 0.01, "low": 0.01, "high": 0.01, "test images": 5, "groups": 1}
    assert leak.values(shared)["difference"] == {"value": 0.01, "low": None, "high": None}
    assert leak.values(shared | {"groups": 5})["difference"]["low"] == 0.01
    assert leak.values({}) == {"difference": None, "images": 0, "groups": 0}
