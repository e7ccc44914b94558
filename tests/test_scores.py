"""One frame of scores: what goes in comes out, intervals against closed forms, errors as text."""

import base64
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from lib import scores
from lib.scores import TRIMAP_CONTROL, bootstrap_interval, mean_with_interval


def frame(errors: dict[str, list[list[float]]]) -> pd.DataFrame:
    parts = [
        scores.scores_frame(method, seed, ["z", "b", "a"][: len(row)], {"all": row, "unknown": 2 * np.array(row)})
        for method, rows in errors.items()
        for seed, row in enumerate(rows)
    ]
    return pd.concat(parts, ignore_index=True)


def test_matrix_keeps_the_order_of_images_and_seeds():
    table = frame({"m": [[0.3, 0.1, 0.2], [0.6, 0.4, 0.5]], "other": [[9, 9, 9]]})
    assert scores.matrix(table, "m", "all").tolist() == [[0.3, 0.1, 0.2], [0.6, 0.4, 0.5]]
    assert scores.matrix(table, "m", "unknown").tolist() == [[0.6, 0.2, 0.4], [1.2, 0.8, 1.0]]


def test_a_summary_is_the_mean_of_each_method_and_measure():
    rows = [[0.3, 0.1, 0.2], [0.6, 0.4, 0.5]]
    summary = scores.summarise(frame({"m": rows, "n": rows}), 0)
    expected = [("m", "all"), ("m", "unknown"), ("n", "all"), ("n", "unknown")]
    assert list(zip(summary.method, summary.measure, strict=True)) == expected
    estimate = mean_with_interval(np.array(rows), 0)
    assert summary.iloc[0][list(estimate)].to_dict() == estimate == scores.to_values(summary)["all"]["m"]


def test_pairs_meet_by_image_and_a_method_without_seeds_meets_all():
    table = frame({"sgd": [[0.3, 0.5], [0.4, 0.6]], "adam": [[0.2, 0.4], [0.3, 0.5]], TRIMAP_CONTROL: [[0.2, 0.3]]})
    compared = scores.compare(table, [("adam", "sgd"), ("sgd", TRIMAP_CONTROL)], 0)
    values = scores.differences_to_values(compared, {TRIMAP_CONTROL: "trimap"})
    assert values["all"]["adam minus sgd"]["value"] == pytest.approx(-0.1)
    assert values["all"]["adam minus sgd"]["high"] == pytest.approx(-0.1)
    assert values["unknown"]["sgd minus trimap"]["value"] == pytest.approx(2 * 0.2)


def test_renamed_takes_the_named_methods_in_their_order():
    table = scores.renamed(frame({"a": [[1]], "b": [[2]], "c": [[3]]}), {"c": "last", "a": "first"})
    assert table.method.unique().tolist() == ["last", "first"]
    assert scores.matrix(table, "last", "all").item() == 3


def test_nan_is_none_in_a_value():
    assert scores.to_values(scores.summarise(frame({"a": [[0.3, 0.1]]}), 0))["all"]["a"]["sd"] is None


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_large_sample_gives_the_normal_interval(level):
    values = np.random.default_rng(0).exponential(0.2, 4000)
    mean, low, high = bootstrap_interval(values, seed=1, n=4000, level=level)
    half = norm.ppf((1 + level) / 2) * values.std() / np.sqrt(len(values))
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.06 * half)


def test_two_axes_add_the_variance_of_the_seeds():
    """Effects of seeds and images add up; so do the variances of their means (each over its own number)."""
    random = np.random.default_rng(2)
    seeds, images = random.normal(0, 0.3, (40, 1)), random.normal(0, 1, (1, 300))
    mean, low, high = bootstrap_interval(seeds + images, seed=3, n=4000)
    half = 1.96 * np.sqrt(seeds.var() / 40 + images.var() / 300)
    assert mean == pytest.approx(seeds.mean() + images.mean())
    assert (high - low) / 2 == pytest.approx(half, rel=0.06)


def test_a_constant_has_no_width_and_a_seed_repeats():
    assert bootstrap_interval(np.full(30, 0.25), 0) == (0.25, 0.25, 0.25)
    values = np.random.default_rng(5).random((2, 50))
    assert bootstrap_interval(values, 9) == bootstrap_interval(values, 9) != bootstrap_interval(values, 10)


def test_pairs_are_compared_image_by_image():
    """Images vary a hundred times more than the difference does; pairing removes that."""
    random = np.random.default_rng(4)
    images = random.normal(0, 1, 500)
    errors = {"a": images + 0.05 + random.normal(0, 0.01, 500), "b": images}
    table = pd.concat([scores.scores_frame(name, 0, range(500), {"all": row}) for name, row in errors.items()])
    [row] = scores.compare(table, [("a", "b")], 0).to_dict("records")
    assert 0.048 < row["low"] < row["high"] < 0.052
    assert row["value"] == pytest.approx((errors["a"] - errors["b"]).mean())


def test_images_without_a_value_are_left_out():
    values = np.random.default_rng(6).random(40)
    holes = np.insert(values, [0, 7, 40], np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bootstrap_interval(holes, 0) == bootstrap_interval(values, 0)
        assert np.isnan(bootstrap_interval(np.full(4, np.nan), 0)).all()
        assert np.isnan(mean_with_interval(np.full((1, 4), np.nan), 0)["value"])


def test_direction_names_a_difference_only_where_zero_is_outside():
    assert scores.direction(-0.2, -0.1) == "below" and scores.direction(0.1, 0.2) == "above"
    none = "no difference shown"
    assert scores.direction(-0.1, 0.1) == scores.direction(0.0, 0.1) == none
    assert scores.direction(float("nan"), float("nan")) == scores.direction(None, None) == none


def test_sd_is_over_seeds():
    images = np.random.default_rng(0).random(50)
    found = mean_with_interval(np.stack([images, images + 0.2]), 0)
    assert found["sd"] == pytest.approx(0.2 / np.sqrt(2)) and (found["seeds"], found["n"]) == (2, 50)


def test_a_single_number_has_no_interval():
    nothing = dict.fromkeys(("sd", "low", "high", "sample"))
    assert mean_with_interval(np.array([[0.5]]), 0) == {"value": 0.5, "seeds": 1, "n": 1, **nothing}


def test_gap_is_paired_by_seed_but_not_by_image():
    tested, trained = np.full((2, 7), 0.5), np.stack([np.full(30, 0.2), np.full(30, 0.4)])
    found = scores.gap(tested, trained, 0)
    assert found["value"] == pytest.approx(0.2) and found["sd"] == pytest.approx(0.2 / np.sqrt(2))
    assert (found["low"], found["high"]) == pytest.approx((0.1, 0.3)) and found["n"] == 7


def test_errors_come_back_to_the_last_bit_of_a_float32():
    errors = np.random.default_rng(0).random((2, 5))
    errors[1, 3] = np.nan
    text = mean_with_interval(errors, 0)["sample"]
    assert np.array_equal(scores.decode_errors(text, 2), errors.astype(np.float32), equal_nan=True)
    assert np.frombuffer(base64.b64decode(text), "<f4")[5] == np.float32(errors[1, 0])
    with pytest.raises(ValueError):
        scores.decode_errors(text, 3)


def test_many_errors_take_half_the_place_and_keep_their_mean():
    errors = np.random.default_rng(0).exponential(0.1, (3, 4096))
    errors[0, 0] = np.nan
    text = scores.encode_errors(errors)
    assert len(scores.error_bytes(text)) == 2 * errors.size and text.startswith(scores.HALF)
    decoded = scores.decode_errors(text, 3)
    assert np.isnan(decoded[0, 0]) and np.nanmean(decoded) == pytest.approx(np.nanmean(errors), abs=1e-6)
