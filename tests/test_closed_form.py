"""Closed-form matting at half the side: what pymatting says, and where nothing can be said, a half."""

import numpy as np
import pytest
from pymatting import estimate_alpha_cf

from lib.closed_form import half_closed_form


@pytest.fixture(scope="module")
def scene():
    """A soft edge between two colours, 64x64: image, trimap, alpha."""
    alpha = np.clip((np.arange(64) - 20) / 24, 0, 1).astype(np.float32)[None].repeat(64, 0)
    image = alpha[..., None] * np.float32([0.9, 0.2, 0.1]) + (1 - alpha[..., None]) * np.float32([0.1, 0.3, 0.8])
    trimap = np.full_like(alpha, 0.5)
    trimap[:, :16], trimap[:, 48:] = 0, 1
    return image, trimap, alpha


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
