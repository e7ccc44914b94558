"""Trimaps from what a network roughly knows: they hold the truth, and are wide where there is doubt."""

import cv2
import numpy as np
import pytest
from cutout.stub import disc

from lib.cutout import trimaps


@pytest.mark.parametrize("radius", [1, 1.5, 3.6, 9, 40])
def test_dilation_is_that_of_opencv_with_a_disc(radius):
    region = np.random.default_rng(0).random((40, 30)) > 0.99
    distance = cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    assert np.array_equal(trimaps.dilate(region, radius), distance <= radius)
    assert not trimaps.dilate(np.zeros((5, 4), bool), radius).any()


def test_a_trimap_from_alpha_is_never_wrong_about_a_slightly_wrong_alpha():
    truth = disc(800, 600)
    small = cv2.resize(np.roll(truth, 4, axis=1), (288, 384), interpolation=cv2.INTER_AREA)
    trimap = trimaps.from_alpha(small, (800, 600))
    assert (truth[trimap == 255] == 1).all() and (truth[trimap == 0] == 0).all()
    assert 0.01 < (trimap == 128).mean() < 0.12 and set(np.unique(trimap)) == {0, 128, 255}


def test_the_band_is_wider_where_alpha_is_soft_over_a_distance_and_grows_with_the_picture():
    step = np.zeros((384, 288), np.float32)
    step[:, 144:] = 1
    ramp = step.copy()
    ramp[:, 134:154] = np.linspace(0, 1, 20)
    sharp, soft = ((trimaps.from_alpha(alpha, (384, 288)) == 128).sum(axis=1).mean() for alpha in (step, ramp))
    assert 5 <= sharp <= 12 and soft > sharp + 24  # 20 px of ramp are unknown anyway
    large = (trimaps.from_alpha(step, (3840, 2880)) == 128).sum(axis=1).mean()
    assert abs(large / sharp - 10) < 2.5


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (9, 2000)])
def test_small_and_long_pictures_get_one(size):
    assert trimaps.from_alpha(disc(384, 288), size).shape == size
