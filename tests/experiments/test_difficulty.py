"""Difficulty on pictures whose value follows from the definition, and its correlations against scipy."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from lib import scores
from lib.experiments import difficulty
from lib.experiments.difficulty import colour_distance, colour_overlap, texture


def halves(left, right, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Image with a background on the left and a foreground on the right half, and its alpha."""
    image = np.empty((size, size, 3), np.uint8)
    image[:, : size // 2], image[:, size // 2 :] = left, right
    alpha = np.zeros((size, size), np.uint8)
    alpha[:, size // 2 :] = 255
    return image, alpha


def test_black_to_white_is_100_in_cielab():
    assert colour_distance(*halves([0, 0, 0], [255, 255, 255])) == pytest.approx(100, abs=0.01)
    assert colour_distance(*halves([60, 90, 30], [60, 90, 30])) == 0


def test_red_to_green_is_the_published_distance():
    """sRGB red is Lab (53.24, 80.09, 67.20), green (87.73, -86.18, 83.18) under D65: 170.57 apart."""
    assert colour_distance(*halves([255, 0, 0], [0, 255, 0])) == pytest.approx(170.57, abs=0.1)


def test_overlap_counts_the_colours_in_common():
    image, alpha = halves([10, 10, 10], [200, 200, 200])
    assert colour_overlap(image, alpha) == 0
    image[:4, 8:] = 10  # a quarter of the foreground has the background's colour
    assert colour_overlap(image, alpha) == pytest.approx(0.25)
    assert colour_overlap(np.full_like(image, 33), alpha) == pytest.approx(1)


def test_texture_is_the_gradient_of_the_background():
    """A ramp of 3 grey levels a pixel has that gradient; a flat wall none, however rough the person."""
    image = np.repeat((np.arange(32, dtype=np.uint8) * 3)[None, :, None], 32, 0).repeat(3, 2)
    alpha = np.zeros((32, 32), np.uint8)
    alpha[:, :3] = alpha[:, -3:] = 255  # the ramp's ends, which the picture's border flattens
    assert texture(image, alpha) == pytest.approx(3, abs=1e-5)
    image, alpha = halves([80, 80, 80], [80, 80, 80])
    image[:, 8:] = np.random.default_rng(0).integers(0, 256, (16, 8, 3))
    assert texture(image, alpha) == 0


def test_an_image_without_two_sides_has_no_difficulty_and_no_warning():
    image, alpha = halves([10, 10, 10], [200, 200, 200])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one_sided in (np.zeros_like(alpha), np.full_like(alpha, 255)):
            assert np.isnan(colour_distance(image, one_sided)) and np.isnan(colour_overlap(image, one_sided))
        assert np.isnan(texture(image, np.full_like(alpha, 255)))


def test_rank_correlation_is_scipys_and_its_interval_holds_the_truth():
    random = np.random.default_rng(0)
    x, y = random.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 400).T
    x[0] = np.nan
    rho, low, high = difficulty.rank_correlation(x, y, seed=1)
    assert rho == pytest.approx(spearmanr(x[1:], y[1:])[0])
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman's rho of a bivariate normal
    assert low < truth < high
    error = (1 - rho**2) / np.sqrt(398)  # its large-sample standard error, near enough
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.25)
    assert difficulty.rank_correlation(x, y, seed=1) == (rho, low, high)


def test_rank_correlation_of_a_constant_does_not_exist():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(difficulty.rank_correlation(np.ones(9), np.arange(9), 0)).all()
        assert np.isnan(difficulty.rank_correlation(np.full(9, np.nan), np.arange(9), 0)).all()


def test_failure_table_has_the_means_of_thirds():
    scored = scores.scores_frame("K-means", 0, range(9), {"all": np.arange(9) / 10, "unknown": np.zeros(9)})
    order = [8, 0, 1, 2, 3, 4, 5, 6, 7]
    hardness = pd.DataFrame(
        {"colour_distance": -np.arange(9.0), "colour_overlap": np.arange(9.0), "texture": np.array(order, float)}
    )
    table = difficulty.failure_table(scored, hardness, seed=0)
    found = table[["lowest third", "middle third", "highest third"]].to_numpy()
    np.testing.assert_allclose(found, [[0.7, 0.4, 0.1], [0.1, 0.4, 0.7], [0.2, 0.5, 0.5]])
    assert table["rho"].tolist() == pytest.approx([-1, 1, spearmanr(order, range(9))[0]])
