"""Filters that shrink: checked against means and single pixels that one can name, and against Pillow's own."""

import numpy as np
import pytest
from PIL import Image

from helpers import prepared_from
from lib.base import UserError
from lib.data.shrunk import FILTERS, shrunk


@pytest.fixture(scope="module")
def fine():
    random = np.random.default_rng(0)
    alpha = np.zeros((3, 1, 112, 112), np.uint8)
    alpha[:, :, 30:, 20:90] = 255
    return prepared_from(random.integers(0, 256, (3, 3, 112, 112), dtype=np.uint8), alpha)


def test_area_is_the_mean_of_blocks_and_nearest_one_of_their_pixels(fine):
    blocks = fine.image.reshape(3, 3, 28, 4, 28, 4)
    means = blocks.mean((3, 5))
    assert np.abs(shrunk(fine, 28, "area").image - means).max() <= 0.5 + 1e-6
    assert (shrunk(fine, 28, "nearest").image == blocks[:, :, :, 0, :, 0]).all()


def test_bilinear_sees_four_of_sixteen_pixels(fine):
    """OpenCV's: the centre of a block of four by four lies between its four middle pixels."""
    middle = fine.image.reshape(3, 3, 28, 4, 28, 4)[:, :, :, 1:3, :, 1:3].mean((3, 5))
    assert np.abs(shrunk(fine, 28, "bilinear").image - middle).max() <= 1


def test_lanczos_is_pillows(fine):
    own = shrunk(fine, 28, "lanczos").image[0].transpose(1, 2, 0)
    theirs = Image.fromarray(fine.image[0].transpose(1, 2, 0)).resize((28, 28), Image.Resampling.LANCZOS)
    assert (own == np.asarray(theirs)).all()


def test_all_filters_are_judged_by_the_same_truth(fine):
    made = [shrunk(fine, 28, how) for how in FILTERS]
    assert all((each.alpha == made[0].alpha).all() and (each.trimap == made[0].trimap).all() for each in made)
    assert len({each.fingerprint for each in made}) == len(FILTERS)
    assert set(np.unique(made[0].trimap)) == {0, 128, 255} and made[0].trimap.shape == (3, 1, 28, 28)


def test_mistakes_are_named(fine):
    with pytest.raises(UserError, match="resize: expected one of area, .* found 'cubic'"):
        shrunk(fine, 28, "cubic")
    with pytest.raises(UserError, match="size: expected at most 112 px, found 224"):
        shrunk(fine, 224, "area")
