"""Bootstrap intervals against closed forms."""

import warnings

import numpy as np
import pytest
from scipy.stats import norm

from lib.evaluation import stats
from lib.evaluation.stats import bootstrap_interval, paired_interval, verdict


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


def test_a_constant_has_no_width():
    assert bootstrap_interval(np.full(30, 0.25)) == (0.25, 0.25, 0.25)


def test_constant_differences_are_exact():
    a = np.arange(64) / 64  # eighths and their like: exact in binary
    assert paired_interval(a + 0.125, a) == (0.125, 0.125, 0.125)
    assert paired_interval(np.stack([a, a + 1]), np.stack([a, a + 1]) + 0.5) == (-0.5, -0.5, -0.5)


def test_pairs_are_compared_image_by_image():
    """Images vary a hundred times more than the difference does; pairing removes that."""
    random = np.random.default_rng(4)
    images = random.normal(0, 1, 500)
    a, b = images + 0.05 + random.normal(0, 0.01, 500), images
    mean, low, high = paired_interval(a, b)
    assert low > 0.048 and high < 0.052 and mean == pytest.approx((a - b).mean())
    with pytest.raises(ValueError, match="equal shapes"):
        paired_interval(a, b[:3])


def test_same_seed_same_interval():
    values = np.random.default_rng(5).random((2, 50))
    assert bootstrap_interval(values, seed=9) == bootstrap_interval(values, seed=9)
    assert bootstrap_interval(values, seed=9) != bootstrap_interval(values, seed=10)


def test_images_without_a_value_are_left_out():
    values = np.random.default_rng(6).random(40)
    holes = np.insert(values, [0, 7, 40], np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bootstrap_interval(holes) == bootstrap_interval(values)
        assert np.isnan(bootstrap_interval(np.full(4, np.nan))).all()


def test_verdict_names_a_difference_only_where_zero_is_outside():
    assert verdict(-0.2, -0.1) == "lower" and verdict(0.1, 0.2) == "higher"
    assert verdict(-0.1, 0.1) == verdict(0.0, 0.1) == "no difference shown"
    assert verdict(float("nan"), float("nan")) == verdict(None, None) == "no difference shown"


def test_estimate_of_a_sample_agrees_with_the_closed_form():
    """For n independent values the bootstrap interval is near mean +- 1.96 sd / sqrt(n)."""
    sample = np.random.default_rng(3).normal(0.3, 0.1, (1, 400))
    found = stats.estimate(sample, 0)
    half = 1.96 * sample.std() / 20
    assert found["value"] == pytest.approx(sample.mean()) and found["sd"] is None
    assert (found["low"], found["high"]) == pytest.approx((sample.mean() - half, sample.mean() + half), abs=0.002)
    assert (found["seeds"], found["n"]) == (1, 400)


def test_sd_is_over_seeds_and_a_paired_difference_forgets_what_both_share():
    images = np.random.default_rng(0).random(50)
    a, b = np.stack([images, images + 0.2]), images[None] - 0.1
    assert stats.estimate(a, 0)["sd"] == pytest.approx(0.2 / np.sqrt(2))
    found = stats.difference(a, b, 0)
    assert found["value"] == pytest.approx(0.2)
    assert found["low"] == pytest.approx(0.1) and found["high"] == pytest.approx(0.3)


def test_a_single_number_has_no_interval():
    assert stats.estimate(np.array([[0.5]]), 0) == {
        "value": 0.5,
        "sd": None,
        "low": None,
        "high": None,
        "seeds": 1,
        "n": 1,
        "sample": None,
    }


def test_gap_is_paired_by_seed_but_not_by_image():
    tested, trained = np.full((2, 7), 0.5), np.stack([np.full(30, 0.2), np.full(30, 0.4)])
    found = stats.gap(tested, trained, 0)
    assert found["value"] == pytest.approx(0.2) and found["sd"] == pytest.approx(0.2 / np.sqrt(2))
    assert (found["low"], found["high"]) == pytest.approx((0.1, 0.3))
