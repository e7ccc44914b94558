"""The network with a classical solver's answer: it sees it, and begins as the plain one."""

import pytest
import torch

from helpers import soft_edge
from lib.closed_form import half_closed_form
from lib.models.hybrid import HybridMatting
from lib.models.portrait import PortraitMatting


@pytest.fixture(scope="module")
def scene():
    return soft_edge()


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
    torch.nn.init.normal_(plain.alpha.weight, generator=torch.Generator().manual_seed(0))  # else nearly all is a half
    hybrid.begin_as(plain.state_dict())
    again.begin_as(hybrid.state_dict())
    with torch.inference_mode():
        expected = plain.eval().unclamped(pixels, levels)  # clamped, it might be 1 all over
        assert expected.std() > 0.01
        torch.testing.assert_close(hybrid.eval().unclamped(pixels, levels), expected)
        torch.testing.assert_close(again.eval().unclamped(pixels, levels), expected)
