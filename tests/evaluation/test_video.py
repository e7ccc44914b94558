"""dtSSD by hand, and what it must not see."""

import numpy as np
import pytest

from lib.evaluation.video import clip_errors, dtssd


def test_two_frames_by_hand():
    alpha = np.zeros((2, 2, 2), np.uint8)
    alpha[1, 0, 0] = 255  # the truth changes in one pixel by 1
    predicted = np.zeros((2, 2, 2))
    predicted[1, 1, 1] = 0.6  # the prediction in another by 0.6
    expected = 100 * np.sqrt((1.0**2 + 0.6**2) / 4)
    assert dtssd(predicted, alpha) == pytest.approx(expected)
    assert dtssd(predicted, alpha, first=True) == pytest.approx(expected / 2)


def test_a_still_error_and_a_right_motion_do_not_flicker():
    alpha = np.random.default_rng(0).integers(0, 256, (5, 6, 7), dtype=np.uint8)
    assert dtssd(alpha / 255, alpha) == 0
    assert dtssd(alpha / 255 * 0 + 0.3, alpha[:1].repeat(5, 0)) == pytest.approx(0, abs=1e-12)
    assert dtssd(alpha[:1] / 255, alpha[:1]) == 0


def test_means_over_all_frames():
    alpha = np.zeros((3, 4, 4), np.uint8)
    errors = clip_errors(np.stack([np.full((4, 4), level) for level in (0.0, 0.5, 1.0)]), alpha)
    assert errors == {"mad": pytest.approx(0.5), "mse": pytest.approx(1.25 / 3), "dtssd": pytest.approx(50)}
