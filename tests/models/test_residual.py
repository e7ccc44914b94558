"""The network of today that stands beside the study's: its shapes, its size, its residuals."""

import pytest
import torch

from lib.models import variants
from lib.models.residual import Residual, ResidualUNet


@pytest.mark.parametrize("size", [(28, 28), (37, 50), (8, 8)])
def test_alpha_of_any_size(size):
    generator = torch.Generator().manual_seed(0)
    image, trimap = torch.rand(2, 3, *size, generator=generator), torch.full((2, 1, *size), 0.5)
    alpha = ResidualUNet(8).eval()(image, trimap)
    assert alpha.shape == (2, 1, *size) and 0 <= alpha.min() and alpha.max() <= 1


def test_a_block_whose_last_norm_is_zero_gives_its_input_back():
    block = Residual(4)
    torch.nn.init.zeros_(block.second[1].weight)
    x = torch.rand(2, 4, 9, 9)
    torch.testing.assert_close(block(x), x, rtol=0, atol=0)


def test_it_sees_image_and_trimap():
    torch.manual_seed(0)
    network, image = ResidualUNet(8).eval(), torch.rand(1, 3, 16, 16)
    half, known = torch.full((1, 1, 16, 16), 0.5), torch.ones(1, 1, 16, 16)
    assert not torch.equal(network(image, half), network(image, known))
    assert not torch.equal(network(image, half), network(image.flip(-1), half))


def test_as_many_weights_as_the_studys_network():
    study, residual = (
        sum(each.numel() for each in variants.network(16, network=name).parameters()) for name in variants.NETWORKS[:2]
    )
    assert abs(residual / study - 1) < 0.03
