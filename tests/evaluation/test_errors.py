"""Errors against scikit-learn, and where the answer is known."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error

from lib.evaluation.errors import alpha_errors


def test_errors_are_mean_absolute_errors():
    random = np.random.default_rng(1)
    predicted = random.random((3, 1, 5, 4), dtype=np.float32)
    alpha = random.integers(0, 256, (3, 1, 5, 4), dtype=np.uint8)
    trimap = random.choice(np.array([0, 128, 255], np.uint8), (3, 1, 5, 4))
    errors = alpha_errors(predicted, alpha, trimap)
    for number in range(3):
        unknown = trimap[number] == 128
        assert errors["all"][number] == pytest.approx(
            mean_absolute_error(alpha[number].ravel() / 255, predicted[number].ravel())
        )
        assert errors["unknown"][number] == pytest.approx(
            mean_absolute_error(alpha[number][unknown] / 255, predicted[number][unknown])
        )
        pasted = np.where(unknown, predicted[number], trimap[number] / 255)
        assert errors["pasted"][number] == pytest.approx(
            mean_absolute_error(alpha[number].ravel() / 255, pasted.ravel())
        )


def test_perfect_and_opposite_predictions():
    alpha = np.array([[[[0, 255], [0, 255]]]], np.uint8)
    trimap = np.array([[[[0, 128], [128, 255]]]], np.uint8)
    assert alpha_errors(alpha / np.float32(255), alpha, trimap).iloc[0].tolist() == [0, 0, 0]
    assert alpha_errors(1 - alpha / np.float32(255), alpha, trimap).iloc[0].tolist() == [1, 1, 0.5]


def test_unknown_is_nan_without_unknown_pixels():
    alpha = np.full((2, 1, 3, 3), 255, np.uint8)
    trimap = alpha.copy()
    trimap[1, 0, 0, 0] = 128
    errors = alpha_errors(np.zeros((2, 1, 3, 3), np.float32), alpha, trimap)
    assert np.isnan(errors["unknown"][0]) and errors["unknown"][1] == 1
