"""The two controls on cases that can be worked out by hand."""

import numpy as np
import pytest

from lib.baselines import half_unknown, trimap_as_alpha
from lib.evaluation.scores import alpha_errors

TRIMAP = np.uint8([0, 128, 128, 255]).reshape(1, 1, 2, 2)
ALPHA = np.uint8([0, 51, 255, 204]).reshape(1, 1, 2, 2)


def test_trimap_as_alpha_has_three_exact_levels():
    found = trimap_as_alpha(TRIMAP)
    assert found.dtype == np.float32 and found.shape == (1, 1, 2, 2)
    assert found.ravel().tolist() == [0, 0.5, 0.5, 1]


def test_half_unknown_is_the_truth_where_the_trimap_is_known():
    found = half_unknown(TRIMAP, ALPHA)
    assert found.dtype == np.float32 and found.shape == (1, 1, 2, 2)
    np.testing.assert_allclose(found.ravel(), [0, 0.5, 0.5, 0.8])


def test_the_controls_agree_on_unknown_pixels_and_differ_by_the_known_ones():
    trimap, half = (alpha_errors(control, ALPHA, TRIMAP).iloc[0]
                    for control in (trimap_as_alpha(TRIMAP), half_unknown(TRIMAP, ALPHA)))
    assert trimap["unknown"] == half["unknown"] == pytest.approx((0.3 + 0.5) / 2)
    assert half["all"] == pytest.approx((0.3 + 0.5) / 4)
    assert trimap["all"] - half["all"] == pytest.approx(0.2 / 4)
