"""The network with a classical solver's answer: the channel is what pymatting says, and where nothing can be said, a half."""

import numpy as np
import pytest
import torch
from pymatting import estimate_alpha_cf

from lib.models.hybrid import HybridMatting, half_closed_form


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


def test_the_network_sees_the_answer(scene):
    """At first, with the encoder's seventh channel at work, another answer is another alpha."""
    image, trimap, _ = scene
    pixels, levels = torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(trimap)[None, None]
    network = HybridMatting(0.25).eval()
    inputs = network._inputs(pixels, levels)
    assert inputs.shape == (1, 7, 64, 64) and network(pixels, levels).shape == (1, 1, 64, 64)
    torch.testing.assert_close(inputs[0, 6].numpy(), half_closed_form(image, trimap))
