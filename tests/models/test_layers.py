"""Layers against torch's own, and unpooling by hand."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from lib.models.dim import VGG16Matting
from lib.models.layers import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Normalise,
    Pool,
    SamePadConv2d,
    Unpool,
    convolutions,
    initialise,
)


def test_unpooling_by_hand():
    x = torch.tensor(
        [
            [1.0, 2.0, 3.0, 0.0, 5.0],
            [4.0, 0.0, 0.0, 9.0, 6.0],
            [7.0, 7.5, 0.0, 1.0, 7.0],
            [0.0, 0.0, 2.0, 0.0, 8.0],
            [1.0, 1.0, 1.0, 1.0, 9.0],
        ]
    ).view(1, 1, 5, 5)
    pooled, place = Pool()(x)
    assert pooled.flatten().tolist() == [4.0, 9.0, 7.5, 2.0]
    back = Unpool(2)(pooled * 10, place)
    assert back.view(5, 5).tolist() == [
        [0, 0, 0, 0, 0],
        [40, 0, 0, 90, 0],
        [0, 75, 0, 0, 0],
        [0, 0, 20, 0, 0],
        [0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize(("kernel_size", "stride", "padding"), [(2, 2, 0), (2, 1, 1)])
def test_pool_and_unpool_are_torchs_own(kernel_size, stride, padding):
    x = torch.rand(2, 3, 9, 6, generator=torch.Generator().manual_seed(0))
    window = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
    pooled, place = Pool(**window)(x)
    expected, indices = F.max_pool2d(x, **window, return_indices=True)
    assert torch.equal(pooled, expected)
    assert torch.equal(Unpool(**window)(pooled, place), F.max_unpool2d(expected, indices, **window, output_size=(9, 6)))


def test_normalise_is_torchvisions_with_imagenets_numbers():
    image = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    expected = torchvision.transforms.functional.normalize(image, IMAGENET_MEAN, IMAGENET_STD)
    torch.testing.assert_close(Normalise()(image), expected)
    assert not Normalise().state_dict(), "constants, not weights"


@pytest.mark.parametrize("batch_norm", [False, True])
def test_convolutions_keep_the_sides(batch_norm):
    block = convolutions(3, 5, 7, kernel=5, batch_norm=batch_norm)
    kinds = [SamePadConv2d, nn.BatchNorm2d, nn.ReLU] if batch_norm else [SamePadConv2d, nn.ReLU]
    assert [type(layer) for layer in block] == kinds * 2
    assert block(torch.rand(2, 3, 9, 6)).shape == (2, 7, 9, 6)


def test_weights_are_a_function_of_the_seed_alone():
    model = VGG16Matting(batch_norm=False)
    torch.manual_seed(7)
    initialise(model, 3)
    first = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(8)
    initialise(model, 3)
    assert all(torch.equal(first[name], value) for name, value in model.state_dict().items())
    initialise(model, 4)
    assert not torch.equal(first["encoder1.0.weight"], model.encoder1[0].weight)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (6, 5)])
def test_padded_taps_left_out_change_nothing(size):
    layer = SamePadConv2d(3, 4, 5).double()
    x = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(x, layer.weight, layer.bias, padding=2)
    torch.testing.assert_close(layer(x), expected)
    found = torch.autograd.grad(layer(x).square().sum(), [x, layer.weight, layer.bias])
    wanted = torch.autograd.grad(expected.square().sum(), [x, layer.weight, layer.bias])
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_bf16_gradients_are_written_everywhere():
    """At 28 px the decoder's 5x5 kernel sees a 1x1 map: the gradient of its 24 outer taps is 0, not old memory."""
    layer = VGG16Matting().decoder5[0]
    for _ in range(3):
        junk = torch.full((layer.weight.numel(),), float("nan"), dtype=torch.bfloat16)
        del junk  # the next allocation of this size may find the NaN again
        with torch.autocast("cpu", torch.bfloat16):
            output = layer(torch.ones(4, 512, 1, 1))
        (gradient,) = torch.autograd.grad(output.float().sum(), [layer.weight])
        assert (gradient[:, :, 2, 2] == 4).all()
        gradient[:, :, 2, 2] = 0
        assert (gradient == 0).all()
