"""Layers against torch's own, and unpooling by hand."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from lib.models.layers import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Normalise,
    Pool,
    SamePadConv2d,
    Unpool,
    concat_up,
    conv_bn_relu,
    initialise,
)
from lib.models.vgg import VGG16Matting


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


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"kernel": 1}, {"kernel_size": 1}),
        ({"stride": 2}, {"stride": 2}),
        ({"padding": 0}, {"padding": 0}),
        ({"dilation": 6}, {"dilation": 6}),
        ({"norm": nn.InstanceNorm2d}, {"norm_layer": nn.InstanceNorm2d}),
    ],
)
def test_convolution_norm_and_relu_are_torchvisions(ours, theirs):
    layer, peer = conv_bn_relu(3, 5, **ours), torchvision.ops.Conv2dNormActivation(3, 5, **theirs)
    layer.load_state_dict(peer.state_dict())
    x = torch.rand(2, 3, 15, 13, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(x), peer(x))


def test_a_coarse_map_is_enlarged_as_by_torchvision():
    coarse, skip = torch.rand(2, 3, 5, 4), torch.rand(2, 1, 9, 8)
    expected = torchvision.transforms.functional.resize(coarse, [9, 8], antialias=False)
    torch.testing.assert_close(concat_up(coarse, skip), torch.cat([expected, skip], dim=1))


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
    layer = SamePadConv2d(3, 4, 5, padding=2).double()
    x = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(x, layer.weight, layer.bias, padding=2)
    torch.testing.assert_close(layer(x), expected)
    gradients = [torch.autograd.grad(y.square().sum(), [x, layer.weight, layer.bias]) for y in (layer(x), expected)]
    torch.testing.assert_close(*gradients)


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
