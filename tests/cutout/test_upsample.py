"""Large photographs: the widest place of a band, the guided filter against one written pixel by pixel, and that a photograph
of many pixels is cut out as well as a small one."""

import cv2
import numpy as np
import pytest

from lib import cutout
from lib.cutout import trimaps, upsample
from lib.data.portraits import Portraits


def band(size: int, half: int) -> np.ndarray:
    """A trimap (size,size) whose unknown band of 2 `half` px runs through its middle."""
    trimap = np.zeros((size, size), np.uint8)
    trimap[size // 2 :] = 255
    trimap[size // 2 - half : size // 2 + half] = 128
    return trimap


def by_hand(alpha: np.ndarray, image: np.ndarray, full: np.ndarray) -> np.ndarray:
    """Equations 13 to 16 of He, Sun and Tang 2013, one window after the other: ridge regression of alpha on colour."""
    height, width = alpha.shape
    radius = upsample.RADIUS
    places = [
        np.clip(np.arange(-radius, radius + 1) + at, 0, side - 1) for side in (height, width) for at in range(side)
    ]
    rows, columns = places[:height], places[height:]
    functions = np.empty((height, width, 4))
    for y in range(height):
        for x in range(width):
            colors = image[np.ix_(rows[y], columns[x])].reshape(-1, 3).astype(float)
            values = alpha[np.ix_(rows[y], columns[x])].reshape(-1).astype(float)
            n = len(values)
            design = np.vstack(
                [np.c_[colors, np.ones(n)], np.c_[np.sqrt(n * upsample.EPSILON) * np.eye(3), np.zeros(3)]]
            )
            functions[y, x] = np.linalg.lstsq(design, np.r_[values, np.zeros(3)], rcond=None)[0]
    mean = np.array(
        [[functions[np.ix_(rows[y], columns[x])].mean(axis=(0, 1)) for x in range(width)] for y in range(height)]
    )
    large = cv2.resize(mean, full.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return ((large[..., :3] * full).sum(-1) + large[..., 3]).clip(0, 1)


@pytest.mark.parametrize("half", [1, 5, 20])
def test_the_largest_square_is_as_wide_as_of_a_band(half):
    assert upsample.half_largest_square(band(100, half) == 128) == half


def test_the_largest_square_of_nothing_and_of_everything():
    assert (
        upsample.half_largest_square(np.zeros((5, 7), bool)) == 0
        and upsample.half_largest_square(np.ones((6, 9), bool)) == 3
    )


def test_a_band_that_the_network_knows_is_left_at_its_size():
    assert upsample.working_size(band(3000, upsample.BAND // 2)) == (3000, 3000)
    assert upsample.working_size(band(600, 290)) == (600, 600)  # small pictures are never shrunk
    height, width = upsample.working_size(band(3000, 3 * upsample.BAND))
    assert height == width and abs(height - 1000) <= 40


def test_a_shrunk_trimap_is_unknown_wherever_an_unknown_pixel_was():
    """A mean over more than 255 pixels used to round one away."""
    trimap = np.zeros((2000, 1500), np.uint8)
    trimap[:, 900:] = 255
    trimap[0, 0] = trimap[1999, 1499] = 128
    small = upsample.shrink_trimap(trimap, (20, 15))
    assert small[0, 0] == small[19, 14] == 128 and (small == 128).sum() == 2
    assert (small[1:19, :9] == 0).all() and (small[1:19, 9:] == 255).all()


def test_upsampling_is_the_guided_filter():
    random = np.random.default_rng(1)
    full = random.integers(0, 256, (21, 26, 3), np.uint8)
    small = cv2.resize(full, (13, 10), interpolation=cv2.INTER_AREA)
    alpha = random.random((10, 13), np.float32)
    found = upsample.guided_upsample(alpha, small, full, np.full((21, 26), 128, np.uint8))
    np.testing.assert_allclose(found, by_hand(alpha, small / 255, full / 255), atol=1e-4)


def test_strips_change_nothing(monkeypatch):
    random = np.random.default_rng(2)
    full, alpha = random.integers(0, 256, (90, 40, 3), np.uint8), random.random((60, 30), np.float32)
    alpha[:, 20:] = 0  # a region without any function of its own
    small = cv2.resize(full, (30, 60), interpolation=cv2.INTER_AREA)
    unknown = np.full((90, 40), 128, np.uint8)
    whole = upsample.guided_upsample(alpha, small, full, unknown)
    monkeypatch.setattr(upsample, "STRIP", 7)
    np.testing.assert_allclose(upsample.guided_upsample(alpha, small, full, unknown), whole, atol=1e-5)


def test_upsampling_keeps_known_pixels_and_follows_an_edge_of_the_photograph():
    trimap = band(96, 40)
    full = (
        np.where(np.arange(96)[:, None, None] < 50, [[[200, 40, 30]]], [[[20, 60, 210]]]).repeat(96, 1).astype(np.uint8)
    )
    small = cv2.resize(full, (24, 24), interpolation=cv2.INTER_AREA)
    alpha = (np.arange(24, dtype=np.float32)[:, None] >= 12).repeat(24, 1).astype(np.float32)
    alpha[12] = 0.5  # of the pixel that the edge runs through, two of four rows
    found = upsample.guided_upsample(alpha, small, full, trimap)
    assert (found[trimap == 0] == 0).all() and (found[trimap == 255] == 1).all()
    assert found[:49].max() < 0.1 and found[51:].min() > 0.9  # four pixels wide in the small picture, sharp in this one


def test_a_photograph_of_many_pixels_is_cut_out_as_well_as_a_small_one():
    """In 2026 a picture of 24 megapixels came back under a veil: its unknown band was wider than a tile."""
    source, cutter, errors = Portraits(12), cutout.load(), {}
    sample = source.read(2)  # of somebody to test on
    guess = cutter.guess(sample.image)
    for factor in (1, 4):
        size = (600 * factor, 800 * factor)
        image = cv2.resize(sample.image, size, interpolation=cv2.INTER_CUBIC)
        alpha = cv2.resize(sample.alpha, size, interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
        trimap = trimaps.from_alpha(guess, alpha.shape)
        found = cutter.cut_out(image, trimap).alpha
        errors[factor] = float(((found - alpha)[trimap == 128] ** 2).mean())
    assert errors[4] < 1.5 * errors[1], errors
