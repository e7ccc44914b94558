"""Tables from scores and their summaries, and the words for intervals."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lib import scores
from lib.experiments import parameters
from lib.models import summary, vgg
from lib.report import tables
from lib.scores import MEASURE_LABELS, OFFICIAL_MEASURES


def scored(**errors) -> pd.DataFrame:
    """Scores of methods from rows of seeds over all pixels; over unknown ones twice as much, pasted half. Images are 0, 1, ..."""
    parts = []
    for method, rows in errors.items():
        for seed, row in enumerate(np.atleast_2d(np.array(rows, float))):
            parts.append(
                scores.scores_frame(method, seed, range(len(row)), {"all": row, "unknown": 2 * row, "pasted": row / 2})
            )
    return pd.concat(parts, ignore_index=True)


def history(losses: dict[str, list[list[float]]]) -> pd.DataFrame:
    """variant -> losses by seed and epoch."""
    return pd.DataFrame(
        [
            {
                "variant": variant,
                "seed": seed,
                "epoch": epoch,
                "step": 7 * epoch,
                "train_all": loss,
                "train_unknown": loss / 2,
            }
            for variant, seeds in losses.items()
            for seed, row in enumerate(seeds)
            for epoch, loss in enumerate(row, 1)
        ]
    )


def test_training_table_takes_the_last_epoch_of_each_variant():
    trained = tables.last_training(history({"sgd": [[0.9, 0.2], [0.9, 0.4]], "recipe": [[0.5], [0.7]]}), 0)
    errors = [[0.1, 0.3], [0.3, 0.5]]
    tested = scores.summarise(scored(sgd=errors, recipe=errors, control=errors), 0)
    table = tables.training(trained, tested)
    rows = table[table.region == "all"].set_index("method")
    assert rows.loc["VGG-16, SGD", "train"] == pytest.approx(0.3)
    assert rows.loc["VGG-16, SGD", "train sd"] == pytest.approx(pd.Series([0.2, 0.4]).std())
    assert rows.loc["VGG-16, recipe", "train"] == pytest.approx(0.6)
    assert rows.loc["VGG-16, recipe", "test"] == pytest.approx(0.3)
    assert rows.loc["VGG-16, recipe", "test low"] < 0.3 < rows.loc["VGG-16, recipe", "test high"]
    assert np.isnan(rows.loc["control", "train"]) and rows.seeds.tolist() == [2, 2, ""]
    assert table[table.region == "pasted"].train.isna().all(), "no training loss is taken so"


def test_one_seed_has_a_mean_and_no_deviation():
    found = scores.summarise(scored(method=[0.1, np.nan, 0.3]), 0).iloc[0]
    assert found.value == pytest.approx(0.2)
    assert np.isnan(pd.Series([found.sd], dtype=float)[0])


def test_augmentation_table_pairs_images():
    difficulty = np.random.default_rng(2).random((2, 50))
    tested = scored(**{"sgd": difficulty, "sgd-da": difficulty - 0.01})
    trained = scored(**{"sgd": np.full((2, 7), 0.2), "sgd-da": np.full((2, 7), 0.2)})
    pairs = {"sgd": "sgd-da"}
    row = tables.augmentation_table(tables.augmentation(tested, trained, pairs, 0), pairs).iloc[0]
    # images differ a hundred times more than the pairs do, so an unpaired interval would cover 0
    assert [row.difference, row.low, row.high] == pytest.approx([-0.01] * 3)
    assert row["gap with"] == pytest.approx(difficulty.mean() - 0.01 - 0.2)


def test_augmentation_values_by_hand():
    tested = scored(**{"sgd": [0.4, 0.4], "sgd-da": [0.3, 0.5]})
    trained = scored(**{"sgd": [0.1, 0.3, 0.2], "sgd-da": [0.2, 0.2, 0.2]})
    pair = tables.augmentation(tested, trained, {"sgd": "sgd-da"}, 0)["sgd"]["all"]
    assert pair["difference"]["value"] == pytest.approx(0.0)
    assert pair["gap_without"]["value"] == pytest.approx(0.2) and pair["gap_with"]["value"] == pytest.approx(0.2)
    assert tables.gaps(tested, trained, 0)["all"]["sgd"]["value"] == pytest.approx(0.2)


def test_results_table_opens_with_the_study_and_keeps_the_order():
    tested, trained = (
        scores.summarise(one, 0) for one in (scored(sgd=[0.1, 0.2], K=[0.1, 0.2]), scored(sgd=[0.1, 0.2]))
    )
    table = tables.results({"VGG-16": {"train": 0.17, "test": 0.30}}, trained, tested)
    assert table.method.tolist() == ["study: VGG-16", "VGG-16, SGD", "K"]
    assert table["train all"].tolist()[:2] == pytest.approx([0.17, 0.15])
    assert table["test unknown"].isna().tolist() == [True, False, False]


def test_late_change_is_the_last_epoch_minus_the_middle_one():
    table = history({"sgd": [[0.9, 0.5, 0.45, 0.4], [0.8, 0.6, 0.5, 0.3]]})
    found = tables.change_in_second_half(table, 0)["sgd"]
    assert found["value"] == pytest.approx((-0.1 - 0.3) / 2)
    assert (found["low"], found["high"]) == pytest.approx((-0.3, -0.1))
    single = tables.change_in_second_half(table[table.seed == 0], 0)["sgd"]
    assert single["value"] == pytest.approx(-0.1) and single["low"] is None


def test_first_and_last_step_are_means_over_seeds():
    rows = [("sgd", 0, 30, 0.4), ("sgd", 0, 60, 0.2), ("sgd", 1, 30, 0.6), ("sgd", 1, 60, 0.4), ("adam", 0, 45, 0.1)]
    reached = pd.DataFrame(rows, columns=["variant", "seed", "step", "test_all"])
    reached = reached.assign(test_unknown=2 * reached.test_all, test_pasted=reached.test_all / 2)
    found = tables.first_and_last_step(reached, 0)
    assert found["steps"] == {"sgd": {"first": 30, "last": 60}, "adam": {"first": 45, "last": 45}}
    assert [found["all"]["sgd"][end]["value"] for end in ("first", "last")] == pytest.approx([0.5, 0.3])
    assert found["unknown"]["sgd"]["last"]["value"] == pytest.approx(0.6)
    assert found["pasted"]["adam"]["first"] == found["pasted"]["adam"]["last"]


def test_methods_have_a_column_and_an_interval_for_each_measure():
    alpha = np.zeros((2, 1, 8, 8), np.uint8)
    alpha[..., 4:] = 255
    trimap = np.zeros_like(alpha)
    trimap[..., 3:5], trimap[..., 5:] = 128, 255
    half = np.full(alpha.shape, 0.5, np.float32)  # wrong everywhere; after pasting, on the 16 unknown pixels alone
    found = pd.concat(
        [
            scores.score_official(method, seed, [0, 1], predicted, alpha, trimap)
            for method, seed, predicted in (("half", 0, half), ("half", 1, half), ("true", 0, alpha))
        ]
    )
    assert scores.matrix(found, "half", "sad") == pytest.approx(np.full((2, 2), 16 * 0.5 / 1000))
    assert scores.matrix(found, "half", "mse") == pytest.approx(np.full((2, 2), 0.25))
    assert all((scores.matrix(found, "true", name) == 0).all() for name in OFFICIAL_MEASURES)
    summed = scores.summarise(found, 0)
    table = tables.wide(summed, MEASURE_LABELS).set_index("method")
    assert table.loc["half", "SAD (sum/1000)"] == pytest.approx(0.008) and table.loc["true", "Conn (sum/1000)"] == 0
    assert scores.to_values(summed)["mse"]["half"]["sd"] == 0


def test_one_image_and_one_seed_are_told_without_an_interval():
    one = scores.compare(scored(a=[[0.5]], b=[[0.2]]), [("a", "b")], seed=0).to_dict("records")[0]
    assert tables.format_difference(one, 2) == "+0.30, no interval from one image"


def test_hyperparameters_say_what_the_study_leaves_out():
    p = parameters.check({"epochs": 7, "recipe_epochs": 2, "size": 28})
    table = tables.hyperparameters(p).set_index("parameter")
    assert table.loc["epochs"].tolist() == ["10", "7", "2"]
    assert table.loc["optimiser", "study"] == "not named"


@pytest.mark.parametrize(("reading", "size"), [("halving", 48), ("as_written", 20)])  # no map under 3 px
def test_multiply_adds_agree_with_torchs_counter(reading, size):
    network = vgg.VGG16Matting(pooling=reading).to("meta").eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, size, size, device="meta"), torch.zeros(1, 1, size, size, device="meta"))
    counted = tables.multiply_adds(summary.summary(vgg.VGG16Matting(pooling=reading), size))
    assert counted == counter.get_total_flops() // 2


def test_swaps_stand_below_each_other_by_network():
    own, other = scored(sgd=[0.1, 0.2], recipe=[0.1, 0.3]), scored(sgd=[0.4, 0.2], recipe=[0.5, 0.3])
    table = tables.swaps({"own": own, "another": other}, 0)
    assert list(zip(table.method, table.given, strict=True)) == [
        (method, given) for method in ("VGG-16, SGD", "VGG-16, recipe") for given in ("own", "another")
    ]
    assert table["all"].tolist() == pytest.approx([0.15, 0.3, 0.2, 0.4])


def test_leakage_finds_a_known_leak_on_the_shared_images_only():
    random_test, group_test = np.arange(0, 40, 2), np.arange(20, 40)
    splits = {"random": (np.arange(30), random_test), "group": (np.arange(30), group_test)}
    difficulty = np.random.default_rng(1).random(40)
    errors = {"random": difficulty[random_test], "group": difficulty[group_test] + 0.1}
    tested = {name: np.stack([values] * 2) for name, values in errors.items()}
    table = tables.leakage(tested, splits, [f"g{i // 4:02d}" for i in range(40)], "all", seed=0)
    shared = table.set_index("comparison").loc[tables.SHARED]
    assert (shared["test images"], shared["groups"], shared["seeds"]) == (10, 5, 2)
    assert [shared[name] for name in ("mean", "low", "high")] == pytest.approx([0.1] * 3)


def test_leakage_from_few_groups_has_no_interval():
    shared = {"mean": 0.01, "low": 0.01, "high": 0.01, "test images": 5, "groups": 1}
    assert tables.leakage_values(shared)["difference"] == {"value": 0.01, "low": None, "high": None}
    assert tables.leakage_values(shared | {"groups": 5})["difference"]["low"] == 0.01
    assert tables.leakage_values({}) == {"difference": None, "images": 0, "groups": 0}
