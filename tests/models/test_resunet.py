"""The residual U-Net: its shapes, its size, its residuals."""

from types import SimpleNamespace

import pytest
import torch

from lib.models.resunet import Residual, ResidualUNet
from lib.models.vgg import VGG16Matting, build_study_network


@pytest.mark.parametrize("size", [(28, 28), (37, 50), (8, 8)])
def test_alpha_of_any_size_sees_image_and_trimap(size):
    torch.manual_seed(0)
    network, image = ResidualUNet(8).eval(), torch.rand(2, 3, *size)
    half, known = torch.full((2, 1, *size), 0.5), torch.ones(2, 1, *size)
    alpha = network(image, half)
    assert alpha.shape == (2, 1, *size) and 0 <= alpha.min() and alpha.max() <= 1
    assert not torch.equal(alpha, network(image, known)) and not torch.equal(alpha, network(image.flip(-1), half))


def test_a_block_whose_last_norm_is_zero_gives_its_input_back():
    block = Residual(4)
    torch.nn.init.zeros_(block.second[1].weight)
    x = torch.rand(2, 4, 9, 9)
    assert torch.equal(block(x), x)


def test_as_many_weights_as_the_studys_network():
    networks = (
        VGG16Matting(width=16),
        build_study_network(SimpleNamespace(network="residual, as many weights", width=16)),
    )
    study, residual = (sum(each.numel() for each in network.parameters()) for network in networks)
    assert abs(residual / study - 1) < 0.03
