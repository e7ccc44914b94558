"""Trimaps against erosion by OpenCV, distances against SciPy, and cases known by hand."""

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

from lib.base import UserError
from lib.data.trimap import (
    default_radius,
    make_trimap,
    signed_distance,
    to_three_levels,
    trimap_from_distance,
    trimap_to_float,
)


def blobs(seed, shape=(60, 45)):
    """Smooth random alpha with hard and soft parts."""
    noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.clip(128 + 128 * 12 * smooth, 0, 255).astype(np.uint8)


def disc(radius):
    reach = int(np.ceil(radius))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return (rows**2 + columns**2 <= radius**2).astype(np.uint8)


@pytest.mark.parametrize("radius", [0.5, 1.5, 2.3, 4.1, 7.5])
@pytest.mark.parametrize(("rule", "low", "high"), [("strict", 0, 255), ("tolerant", 12, 242)])
def test_trimap_is_erosion_of_both_regions_with_a_disc(radius, rule, low, high):
    alpha = blobs(3)
    foreground = cv2.erode((alpha >= high).astype(np.uint8), disc(radius))
    background = cv2.erode((alpha <= low).astype(np.uint8), disc(radius))
    expected = np.where(foreground, 255, np.where(background, 0, 128))
    assert np.array_equal(make_trimap(alpha, radius, rule), expected)
    assert {0, 128, 255} == set(np.unique(expected))


def test_radius_of_one_and_a_half_is_the_3x3_kernel():
    alpha = blobs(5, (28, 28))
    kernel = np.ones((3, 3), np.uint8)
    trimap = make_trimap(alpha, 1.5, "strict")
    assert np.array_equal(trimap == 255, cv2.erode((alpha == 255).astype(np.uint8), kernel) == 1)
    assert np.array_equal(trimap == 0, cv2.erode((alpha == 0).astype(np.uint8), kernel) == 1)


def test_signed_distance_agrees_with_scipy():
    alpha = blobs(7)
    expected = ndimage.distance_transform_edt(alpha >= 242) - ndimage.distance_transform_edt(alpha <= 12)
    distance = signed_distance(alpha, "tolerant")
    assert distance.dtype == np.float16 and distance.shape == alpha.shape
    np.testing.assert_allclose(distance.astype(float), expected, rtol=6e-4, atol=1e-6)


def test_thresholds_of_the_two_rules():
    alpha = np.array([[0, 1, 12, 13, 241, 242, 254, 255]], np.uint8)
    assert make_trimap(alpha, 0, "strict").tolist() == [[0, 128, 128, 128, 128, 128, 128, 255]]
    assert make_trimap(alpha, 0, "tolerant").tolist() == [[0, 0, 0, 128, 128, 255, 255, 255]]


def test_strict_rule_marks_an_interior_of_254_unknown_and_tolerant_does_not():
    alpha = np.full((20, 20), 255, np.uint8)
    alpha[10, 10] = 254
    assert (make_trimap(alpha, 1.5, "strict") == 128).sum() == 9
    assert (make_trimap(alpha, 1.5, "tolerant") == 255).all()


@pytest.mark.parametrize(("value", "level"), [(0, 0), (255, 255), (128, 128)])
def test_uniform_alpha_is_one_level_at_any_radius(value, level):
    alpha = np.full((9, 7), value, np.uint8)
    assert (make_trimap(alpha, 1000, "strict") == level).all()


def test_a_batch_is_its_images():
    alpha = np.stack([blobs(seed, (28, 28)) for seed in range(6)]).reshape(3, 2, 28, 28)
    distance = signed_distance(alpha)
    for i, j in np.ndindex(3, 2):
        assert np.array_equal(distance[i, j], signed_distance(alpha[i, j]))


def test_torch_equals_numpy_with_one_radius_an_image():
    alpha = np.stack([blobs(seed, (28, 28)) for seed in range(4)])[:, None]
    radius = np.array([1.5, 2.0, 2.7, 3.0], np.float32).reshape(4, 1, 1, 1)
    distance = signed_distance(alpha)
    expected = trimap_from_distance(distance, radius)
    trimaps = trimap_from_distance(torch.from_numpy(distance), torch.from_numpy(radius))
    assert trimaps.dtype == torch.uint8 and np.array_equal(trimaps.numpy(), expected)
    for one, its_radius, trimap in zip(alpha, radius.ravel(), expected, strict=True):
        assert np.array_equal(make_trimap(one, float(its_radius)), trimap)
    one_for_all = trimap_from_distance(torch.from_numpy(distance), 2.2)
    assert np.array_equal(one_for_all.numpy(), trimap_from_distance(distance, 2.2))


def test_default_radius_scales_with_the_shorter_side():
    assert default_radius(28) == 1.5
    assert default_radius((800, 600)) == 7.5
    assert default_radius((240, 800)) == 3.0


def test_unknown_rule_is_refused():
    with pytest.raises(UserError, match="trimap_rule: expected strict or tolerant, found 'loose'"):
        signed_distance(np.zeros((4, 4), np.uint8), "loose")


def test_levels_as_floats_are_exact():
    levels = np.array([0, 128, 255], np.uint8)
    for values in (trimap_to_float(levels), trimap_to_float(torch.from_numpy(levels)).numpy()):
        assert values.tolist() == [0.0, 0.5, 1.0] and values.dtype == np.float32


def test_three_levels_are_the_nearest():
    levels = to_three_levels(np.array([0, 63, 64, 127, 128, 191, 192, 255]))
    assert levels.tolist() == [0, 0, 128, 128, 128, 128, 255, 255]
