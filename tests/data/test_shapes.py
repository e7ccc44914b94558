"""Drawn alphas: in range, soft where they should be, and neither empty nor full as a rule."""

import numpy as np
import pytest

from lib.data import shapes


@pytest.fixture(scope="module")
def alphas():
    random = np.random.default_rng(0)
    picture = random.integers(0, 255, (96, 96, 3), np.uint8)
    return np.stack([shapes.draw_alpha(96, random, picture) for _ in range(80)])


def test_alphas_are_alphas(alphas):
    assert alphas.dtype == np.float32 and alphas.min() >= 0 and alphas.max() <= 1
    cover = alphas.mean(axis=(1, 2))
    assert (cover > 0.001).mean() > 0.9 and (cover < 0.999).mean() > 0.9
    assert 0.05 < ((alphas > 0.05) & (alphas < 0.95)).mean() < 0.7


def test_they_repeat():
    picture = np.zeros((64, 64, 3), np.uint8)
    first, again = (shapes.draw_alpha(64, np.random.default_rng(7), picture) for _ in range(2))
    assert np.array_equal(first, again)


def test_a_blobs_edge_has_the_width_asked_for():
    soft = [
        ((a > 0.02) & (a < 0.98)).mean()
        for a in (shapes.blob(96, np.random.default_rng(3), edge) for edge in (1.0, 24.0))
    ]
    assert soft[0] < 0.15 < soft[1]


def test_strands_grow_from_the_outline():
    field = np.tile(np.linspace(-1, 1, 96, dtype=np.float32)[:, None], (1, 96))  # inside is the lower half
    alpha = shapes.strands(96, np.random.default_rng(1), field, 48.0)
    assert alpha.max() > 0.2 and alpha[30:66].sum() > 0.3 * alpha.sum()
    assert not shapes.strands(96, np.random.default_rng(1), field + 9, 48.0).any()  # no outline, no strand


def test_a_veil_thins():
    alpha = shapes.veil(96, np.random.default_rng(2))
    assert 0 < alpha.min() < 1 and alpha.max() <= 1
