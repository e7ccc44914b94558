"""Tiles without any network: they cover, overlap and blend; lib.inference's own tests say the rest."""

import numpy as np
import pytest

from lib import tiles
from lib.base import UserError


def test_each_tile_is_seen_where_it_lies_and_blended_to_the_whole():
    random = np.random.default_rng(0)
    image, trimap = random.random((150, 222, 3), np.float32), np.full((150, 222), 128, np.uint8)
    seen = []

    def red(part, levels):
        assert part.shape[:2] == levels.shape
        seen.append(levels.shape)
        return part[..., 0]

    alpha = tiles.predict_tiled(red, image, trimap, tile=64, overlap=16)
    np.testing.assert_allclose(alpha, image[..., 0], atol=1e-6)
    assert set(seen) == {(64, 64)} and len(seen) == 3 * 5  # ceil((150 - 16) / 48) and ceil((222 - 16) / 48)
    seen.clear()
    tiles.predict_tiled(red, image, trimap, tile=250, overlap=16)
    assert seen == [(150, 222)]


def test_weights_of_two_tiles_cross_over_their_overlap():
    """Tiles of 0 and 1: the alpha between them rises as the ramps say, n / (n + 1)-wise, and nowhere falls."""
    image, trimap = np.zeros((4, 112, 3), np.float32), np.full((4, 112), 128, np.uint8)
    answers = iter((0.0, 1.0))
    alpha = tiles.predict_tiled(
        lambda part, levels: np.full(levels.shape, next(answers)), image, trimap, tile=64, overlap=16
    )
    assert (alpha[:, :48] == 0).all() and (alpha[:, 64:] == 1).all()
    np.testing.assert_allclose(alpha[0, 48:64], np.arange(1, 17) / 17, atol=1e-6)


def test_known_pixels_keep_their_value_and_known_tiles_are_not_asked():
    image, trimap = np.zeros((64, 256, 3), np.float32), np.full((64, 256), 255, np.uint8)
    trimap[:, :100] = 0

    def never(part, levels):
        raise AssertionError("asked for a tile without unknown pixels")

    np.testing.assert_array_equal(
        tiles.predict_tiled(never, image, trimap, tile=64, overlap=16), trimap / np.float32(255)
    )
    trimap[5, 7] = 128
    alpha = tiles.predict_tiled(lambda part, levels: np.full(levels.shape, 0.25), image, trimap, tile=64, overlap=16)
    assert alpha[5, 7] == 0.25 and (np.delete(alpha.ravel(), 5 * 256 + 7) != 0.25).all()


def test_a_tile_of_hardly_more_than_its_overlaps_is_refused():
    with pytest.raises(UserError, match=r"tile: expected at least 256 px \(twice the overlap\), found 100"):
        tiles.predict_tiled(lambda *part: 0, np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8), tile=100)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 5, 3), (64, 32)])
def test_margins_reflect_and_end_at_multiples_of_32(shape):
    array = np.random.default_rng(0).random(shape)
    found = tiles.pad_to_multiple(array)
    assert [side % 32 for side in found.shape[:2]] == [0, 0] and found.shape[2:] == shape[2:]
    np.testing.assert_array_equal(found[: shape[0], : shape[1]], array)
    if min(shape[:2]) > 1 and found.shape[0] > shape[0]:
        np.testing.assert_array_equal(found[shape[0], : shape[1]], array[-2])
