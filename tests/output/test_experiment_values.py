"""Named values of the experiments: differences by hand, and no interval where none can be had."""

import numpy as np
import pandas as pd
import pytest

from lib.evaluation import scores
from lib.experiments.thumbnail import TRIMAP_CONTROL
from lib.output import experiment_values as recorded


def errors(*rows):
    values = np.array(rows, float)
    return {"all": values, "unknown": 2 * values}


def history(losses: dict[str, list[list[float]]]) -> pd.DataFrame:
    """variant -> losses by seed and epoch."""
    return pd.DataFrame([{"variant": variant, "seed": seed, "epoch": epoch, "train_all": loss}
                         for variant, seeds in losses.items() for seed, row in enumerate(seeds)
                         for epoch, loss in enumerate(row, 1)])


def test_late_change_is_the_last_epoch_minus_the_middle_one():
    table = history({"sgd": [[0.9, 0.5, 0.45, 0.4], [0.8, 0.6, 0.5, 0.3]]})
    found = recorded.late_change(table, "sgd", 0)
    assert found["value"] == pytest.approx((-0.1 - 0.3) / 2)
    assert (found["low"], found["high"]) == pytest.approx((-0.3, -0.1))
    single = recorded.late_change(table[table.seed == 0], "sgd", 0)
    assert single["value"] == pytest.approx(-0.1) and single["low"] is None


def test_training_pairs_by_image_and_control_meets_every_seed():
    tested = {"sgd": errors([0.3, 0.5], [0.4, 0.6]), "adam": errors([0.2, 0.4], [0.3, 0.5]),
              "recipe": errors([0.1, 0.1], [0.1, 0.1]), TRIMAP_CONTROL: errors([0.2, 0.3])}
    table = history({name: [[0.5, 0.4], [0.5, 0.2]] for name in ("sgd", "adam", "recipe")})
    found = recorded.training(table, tested, 0)
    assert found["minus_all"]["adam minus sgd"]["value"] == pytest.approx(-0.1)
    assert found["minus_all"]["adam minus sgd"]["high"] == pytest.approx(-0.1)
    assert found["minus_unknown"]["sgd minus trimap"]["value"] == pytest.approx(2 * 0.2)
    assert found["last_train_all"]["sgd"]["value"] == pytest.approx(0.3)
    assert found["test_all"]["recipe"] == {"value": pytest.approx(0.1), "sd": pytest.approx(0), "seeds": 2, "n": 2,
                                           "low": pytest.approx(0.1), "high": pytest.approx(0.1)}


def test_augmentation_and_results_by_hand():
    tested = {"sgd": errors([0.4, 0.4]), "sgd-da": errors([0.3, 0.5]), "recipe": errors([0.1, 0.1]),
              "K": errors([0.6, 0.6])}
    trained = {"sgd": errors([0.1, 0.3, 0.2]), "sgd-da": errors([0.2, 0.2, 0.2]), "recipe": errors([0, 0, 0])}
    pair = recorded.augmentation(tested, trained, {"sgd": "sgd-da"}, 0)["sgd"]["all"]
    assert pair["difference"]["value"] == pytest.approx(0.0)
    assert pair["gap_without"]["value"] == pytest.approx(0.2) and pair["gap_with"]["value"] == pytest.approx(0.2)
    found = recorded.results(trained, tested, {"kmeans": "K"}, "recipe", 0)
    assert found["minus_all"]["best minus kmeans"]["value"] == pytest.approx(-0.5)
    assert found["test_all"]["kmeans"] == found["test_all"]["K"] and found["gap"]["recipe"]["value"] == pytest.approx(0.1)


def test_few_groups_give_no_interval():
    shared = {"mean": 0.01, "low": 0.01, "high": 0.01, "test images": 5, "groups": 1}
    assert recorded.leakage(shared)["difference"] == {"value": 0.01, "low": None, "high": None}
    assert recorded.leakage(shared | {"groups": 5})["difference"]["low"] == 0.01
    assert recorded.leakage({}) == {"difference": None, "images": 0, "groups": 0}


def test_metric_table_pastes_the_known_pixels_and_sums_by_hand():
    alpha = np.zeros((2, 1, 8, 8), np.uint8)
    alpha[..., 4:] = 255
    trimap = np.zeros_like(alpha)
    trimap[..., 3:5], trimap[..., 5:] = 128, 255
    half = np.full(alpha.shape, 0.5, np.float32)  # wrong everywhere; after pasting, on the 16 unknown pixels alone
    measured = scores.method_metrics({"half": [half, half], "true": [alpha]}, alpha, trimap)
    assert measured["half"]["sad"] == pytest.approx(np.full((2, 2), 16 * 0.5 / 1000))
    assert measured["half"]["mse"] == pytest.approx(np.full((2, 2), 0.25))
    assert all((measured["true"][name] == 0).all() for name in scores.FOUR)
    table = scores.table(measured, 0).set_index("method")
    assert table.loc["half", "SAD (sum/1000)"] == pytest.approx(0.008) and table.loc["true", "Conn (sum/1000)"] == 0
    assert set(scores.ranks(measured).values()) == {"true"}
    assert scores.estimates(measured, 0)["mse"]["half"]["sd"] == 0
