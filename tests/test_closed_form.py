"""Closed-form matting at half the side: what pymatting says, and where nothing can be said, a half."""

import numpy as np
import pytest
from pymatting import estimate_alpha_cf

from helpers import soft_edge
from lib.closed_form import half_closed_form


@pytest.fixture(scope="module")
def scene():
    return soft_edge()


def test_two_colours_are_told_apart(scene):
    """Between two colours alpha is linear in the image, which closed-form matting recovers."""
    image, trimap, alpha = scene
    found = half_closed_form(image, trimap)
    assert np.abs(found - alpha).max() < 0.03 and (found[:, :16] == 0).all() and (found[:, 48:] == 1).all()


def test_it_is_pymattings_at_half_the_side(scene):
    image, trimap, _ = scene
    blocks = image.reshape(32, 2, 32, 2, 3).mean((1, 3)).astype(np.float64)
    theirs = estimate_alpha_cf(blocks, trimap[::2, ::2].astype(np.float64))
    assert np.abs(half_closed_form(image, trimap)[:, 24:40].mean(1) - theirs[:, 12:20].mean(1).repeat(2)).max() < 0.02


def test_without_known_foreground_it_says_nothing(scene):
    image, trimap, _ = scene
    nothing = np.where(trimap == 1, 0.5, trimap).astype(np.float32)
    assert (half_closed_form(image, nothing) == nothing).all()
