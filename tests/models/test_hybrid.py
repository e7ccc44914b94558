"""The network with a classical solver's answer: it sees it, and begins as the plain one."""

import numpy as np
import pytest
import torch

from lib.closed_form import half_closed_form
from lib.models.hybrid import HybridMatting
from lib.models.portrait import PortraitMatting


@pytest.fixture(scope="module")
def scene():
    """A soft edge between two colours, 64x64: image, trimap, alpha."""
    alpha = np.clip((np.arange(64) - 20) / 24, 0, 1).astype(np.float32)[None].repeat(64, 0)
    image = alpha[..., None] * np.float32([0.9, 0.2, 0.1]) + (1 - alpha[..., None]) * np.float32([0.1, 0.3, 0.8])
    trimap = np.full_like(alpha, 0.5)
    trimap[:, :16], trimap[:, 48:] = 0, 1
    return image, trimap, alpha


def test_the_network_sees_the_answer(scene):
    """At first, with the encoder's seventh channel at work, another answer is another alpha."""
    image, trimap, _ = scene
    pixels, levels = torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(trimap)[None, None]
    network = HybridMatting(0.25).eval()
    inputs = network._inputs(pixels, levels)
    assert inputs.shape == (1, 7, 64, 64) and network(pixels, levels).shape == (1, 1, 64, 64)
    torch.testing.assert_close(inputs[0, 6].numpy(), half_closed_form(image, trimap))


def test_begun_as_a_plain_network_it_answers_like_that_one(scene):
    image, trimap, _ = scene
    pixels, levels = torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(trimap)[None, None]
    plain, hybrid, again = PortraitMatting(True, 0.25), HybridMatting(0.25), HybridMatting(0.25)
    torch.nn.init.normal_(plain.alpha.weight)  # else nearly everything is a half
    hybrid.begin_as(plain.state_dict())
    again.begin_as(hybrid.state_dict())
    with torch.inference_mode():
        expected = plain.eval()(pixels, levels)
        assert expected.std() > 0.01
        torch.testing.assert_close(hybrid.eval()(pixels, levels), expected)
        torch.testing.assert_close(again.eval()(pixels, levels), expected)
