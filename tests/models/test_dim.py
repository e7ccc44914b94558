"""The network against torchvision's VGG-16 and a hand-computed unpooling; both stages of Deep Image Matting."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from lib.base import UserError
from lib.models.dim import TwoStage, VGG16Matting, deep_image_matting
from lib.models.layers import IMAGENET_MEAN, IMAGENET_STD
from lib.models.summary import summary


def torchvision_features(batch_norm: bool) -> nn.Sequential:
    build = torchvision.models.vgg16_bn if batch_norm else torchvision.models.vgg16
    with torch.device("meta"):  # shapes only: the classifier's 120 million weights are not needed
        return build(weights=None).features


@pytest.fixture(scope="module")
def plain() -> VGG16Matting:
    return VGG16Matting(batch_norm=False).eval()


@pytest.fixture(scope="module")
def normed() -> VGG16Matting:
    return VGG16Matting().eval()


def inputs(height: int, width: int, n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(n, 3, height, width, generator=generator)
    return image, torch.randint(0, 3, (n, 1, height, width), generator=generator) / 2


@pytest.mark.parametrize("batch_norm", [False, True])
def test_encoder_has_the_layers_and_parameters_of_torchvisions_vgg16(batch_norm, plain, normed):
    ours = [layer for block in (normed if batch_norm else plain).encoder for layer in block]
    theirs = [layer for layer in torchvision_features(batch_norm) if not isinstance(layer, nn.MaxPool2d)]
    assert [type(layer) for layer in ours] == [type(layer) for layer in theirs]
    assert [[tuple(p.shape) for p in layer.parameters()] for layer in ours] == [
        [tuple(p.shape) for p in layer.parameters()] for layer in theirs
    ]
    assert [(c.kernel_size, c.stride, c.padding) for c in ours if isinstance(c, nn.Conv2d)] == [
        ((3, 3), (1, 1), (1, 1))
    ] * 13
    count = sum(p.numel() for layer in ours for p in layer.parameters())
    assert count == sum(p.numel() for layer in theirs for p in layer.parameters())
    assert batch_norm or count == 14_714_688  # VGG-16's 138,357,544 without its three linear layers


def test_encoder_computes_what_torchvisions_vgg16_computes(plain):
    reference = nn.Sequential(*torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"]))
    convolutions = [c for c in reference if isinstance(c, nn.Conv2d)]
    ours = [c for block in plain.encoder for c in block if isinstance(c, nn.Conv2d)]
    for mine, theirs in zip(ours, convolutions, strict=True):
        theirs.load_state_dict(mine.state_dict())
    seen, taken = [], []
    handles = [
        plain.head.register_forward_hook(lambda layer, given, output: taken.append(output)),
        plain.encoder5.register_forward_hook(lambda layer, given, output: seen.append(output)),
    ]
    with torch.no_grad():
        plain(*inputs(30, 44))
        expected = reference[:-1](taken[0])  # all but the fifth pooling
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(seen[0], expected)


@pytest.mark.parametrize("size", [(16, 16), (28, 28), (30, 30), (47, 33), (64, 64)])
def test_any_size_gives_alpha_of_that_size(plain, size):
    with torch.no_grad():
        alpha = plain(*inputs(*size))
    assert alpha.shape == (2, 1, *size) and alpha.dtype == torch.float32
    assert 0 <= alpha.min() and alpha.max() <= 1


def test_smaller_than_16_px_is_refused(plain):
    with pytest.raises(UserError, match="at least 16x16 px.*found 15x20"):
        plain(*inputs(15, 20))


def test_unknown_pooling_is_refused():
    with pytest.raises(UserError, match="pooling: expected one of halving, as_written, found 'max'"):
        VGG16Matting(pooling="max")


def test_network_unpools_to_where_its_own_maxima_were(plain):
    """Each decoder block sees the block before it, spread to the encoder's maxima, found here by loops."""
    seen = {}
    handles = [
        plain.encoder4.register_forward_hook(lambda layer, given, out: seen.update(encoded=out)),
        plain.decoder5.register_forward_hook(lambda layer, given, out: seen.update(decoded=out)),
        plain.decoder4.register_forward_pre_hook(lambda layer, given: seen.update(unpooled=given[0])),
    ]
    with torch.no_grad():
        plain(*inputs(60, 41, n=1))
    for handle in handles:
        handle.remove()
    encoded, decoded = seen["encoded"][0].numpy(), seen["decoded"][0].numpy()
    assert encoded.shape[1:] == (7, 5) and decoded.shape[1:] == (3, 2)
    expected = np.zeros_like(encoded)
    for channel, row, column in np.ndindex(decoded.shape):
        window = encoded[channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        y, x = np.unravel_index(window.argmax(), (2, 2))
        expected[channel, 2 * row + y, 2 * column + x] = decoded[channel, row, column]
    assert np.array_equal(seen["unpooled"][0].numpy(), expected)


def test_pooling_as_written_grows_the_map_by_one_each_time():
    model = VGG16Matting(batch_norm=False, pooling="as_written").eval()
    table = summary(model, 16).set_index("layer")
    assert table.loc[["pool1", "pool2", "pool3", "pool4"], "height"].tolist() == [17, 18, 19, 20]
    assert table.loc[["unpool4", "unpool3", "unpool2", "unpool1"], "height"].tolist() == [19, 18, 17, 16]
    assert table.loc["alpha", ["height", "width"]].tolist() == [16, 16]


def test_image_is_normalised_as_imagenet(plain):
    given = []
    handle = plain.head.register_forward_pre_hook(lambda layer, values: given.append(values[0]))
    image, trimap = inputs(16, 16, n=1)
    plain(image, trimap)
    handle.remove()
    expected = torchvision.transforms.functional.normalize(image, IMAGENET_MEAN, IMAGENET_STD)
    torch.testing.assert_close(given[0], torch.cat([expected, trimap], dim=1))


def test_gradients_reach_every_layer():
    model = VGG16Matting().train()
    model(*inputs(28, 28)).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


# ------------------------------------------------------------------------------------------ both stages


def pictures(side: int = 64, n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(n, 3, side, side, generator=generator)
    trimap = torch.randint(0, 3, (n, 1, side, side), generator=generator) / 2
    return image, trimap


@pytest.mark.parametrize("side", [32, 45, 64])
def test_both_stages_take_any_size(side):
    model = deep_image_matting(width=8, batch_norm=True).eval()
    with torch.inference_mode():
        alpha = model(*pictures(side))
    assert alpha.shape == (2, 1, side, side) and alpha.dtype == torch.float32
    assert 0 <= alpha.min() and alpha.max() <= 1


def test_too_small_is_said():
    with pytest.raises(UserError, match=r"size: expected at least 32x32 px \(5 poolings\), found 28x28"):
        deep_image_matting(width=8)(*pictures(28))
    with pytest.raises(UserError, match="pools: expected 4 or 5, found 3"):
        VGG16Matting(pools=3)


def test_refinement_starts_as_the_identity_and_can_correct_both_ways():
    model = deep_image_matting(width=8)
    image, trimap = pictures()
    rough, refined = model.stages(image, trimap)
    assert torch.equal(rough, refined)
    for sign in (1, -1):
        with torch.no_grad():
            model.refinement[-1].bias.fill_(sign * 2.0)
        rough, refined = model.stages(image, trimap)
        expected = torch.sigmoid(torch.logit(rough.double(), eps=1e-12) + sign * 2.0)
        assert torch.allclose(refined.double(), expected, atol=1e-5)


def test_gradients_of_the_refinement_reach_both_stages():
    model = deep_image_matting(width=8)
    torch.nn.init.normal_(model.refinement[-1].weight)
    model(*pictures()).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_stage_of_any_kind_can_be_refined():
    study = TwoStage(VGG16Matting(width=8), width=8, batch_norm=True).eval()
    with torch.inference_mode():
        assert study(*pictures(28)).shape == (2, 1, 28, 28)
