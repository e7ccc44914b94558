"""AlphaGAN's generator and discriminator: size as published, gradients, sizes, what the trimap fixes."""

import pytest
import torch
from models import published as peers
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lib.losses import discriminator_loss, generator_loss
from lib.models.alphagan import AlphaGAN, PatchDiscriminator


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def small() -> AlphaGAN:
    torch.manual_seed(0)
    return AlphaGAN(peers.convolutions_of_stride_2(4), aspp=64, rates=(2, 4, 6), decoder=(64, 48, 32, 16), groups=8)


def inputs(height: int, width: int, n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(n, 3, height, width, generator=generator)
    return image, torch.randint(0, 3, (n, 1, height, width), generator=generator) / 2


@pytest.fixture(scope="module")
def published() -> AlphaGAN:
    with torch.device("meta"):  # shapes only
        return peers.alphagan()


def test_generator_has_the_published_size(published):
    assert parameters(published.encoder) == 23_511_168  # ResNet-50's 23,508,032 and the trimap's 64 7x7 kernels
    assert parameters(published.aspp) == 15_535_104
    assert parameters(published) == 40_302_336


def test_generator_does_the_published_work(published):
    for size, expected in (((320, 320), 76.5), ((240, 320), 57.4)):
        with FlopCounterMode(display=False) as counted, torch.device("meta"):
            published(torch.empty(1, 3, *size), torch.empty(1, 1, *size))
        assert counted.get_total_flops() / 2e9 == pytest.approx(expected, abs=0.1)


def test_the_deepest_map_stays_at_an_eighth_by_dilation(published):
    maps = published.encoder(torch.empty(1, 4, 320, 320, device="meta"))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 160, 160), (256, 80, 80), (512, 40, 40), (2048, 40, 40)]
    for group, rate in zip(published.encoder.stage16, (2, 4), strict=True):
        assert {(block.conv2.stride, block.conv2.dilation, block.conv2.padding) for block in group} == {
            ((1, 1), (rate, rate), (rate, rate))
        }


def test_group_norm_or_batch_norm(published):
    kinds = {type(layer) for layer in published.modules()}
    assert nn.GroupNorm in kinds and nn.BatchNorm2d not in kinds
    with torch.device("meta"):
        assert not any(isinstance(layer, nn.GroupNorm) for layer in peers.alphagan(groups=0).modules())
    assert {
        layer.num_channels // layer.num_groups for layer in small().modules() if isinstance(layer, nn.GroupNorm)
    } == {2, 4, 6, 8}  # of 16, 32, 48 and 64 channels


def test_discriminator_has_the_published_size_and_sees_34_pixels():
    model = PatchDiscriminator()
    assert parameters(model) == 664_385
    model = PatchDiscriminator(width=4, groups=4).eval()
    picture = torch.rand(1, 3, 160, 160, requires_grad=True)
    answers = model(picture, torch.full((1, 1, 160, 160), 0.5))
    assert answers.shape == (1, 1, 38, 38)
    # Group norm would spread each value over the whole map: without it the gradient shows the field of view.
    for layer in list(model.layers):
        if isinstance(layer, nn.GroupNorm):
            model.layers[list(model.layers).index(layer)] = nn.Identity()
    model(picture, torch.full((1, 1, 160, 160), 0.5))[0, 0, 19, 19].backward()
    seen = picture.grad.abs().sum(dim=1)[0].nonzero()
    assert (seen.max(dim=0).values - seen.min(dim=0).values + 1).tolist() == [34, 34]


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (48, 64)])
def test_any_size_gives_alpha_of_that_size(size):
    with torch.inference_mode():
        alpha = small().eval()(*inputs(*size))
    assert alpha.shape == (2, 1, *size) and alpha.dtype == torch.float32
    assert 0 <= alpha.min() and alpha.max() <= 1


def test_alpha_is_the_trimap_where_that_knows():
    image, trimap = inputs(32, 32)
    alpha = small()(image, trimap)
    assert torch.equal(alpha[trimap != 0.5], trimap[trimap != 0.5])
    unknown = alpha[trimap == 0.5]
    assert ((unknown > 0) & (unknown < 1)).all()


def test_gradients_reach_every_layer():
    model = small().train()
    model(*inputs(32, 48)).mean().backward()
    assert [name for name, value in model.named_parameters() if not value.grad.abs().sum() > 0] == []


def test_published_size_learns_at_batch_one():
    torch.manual_seed(0)
    model = peers.alphagan().train()
    model(*inputs(32, 32, n=1)).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_discriminators_step_gives_the_generator_no_gradient():
    generator, judge = small(), PatchDiscriminator(width=16, groups=8)
    image, trimap = inputs(32, 32)
    other = image.flip(-1)
    alpha = generator(image, trimap)
    fake = alpha.detach() * image + (1 - alpha.detach()) * other
    discriminator_loss(judge(image, trimap), judge(fake, trimap)).backward()
    assert all(p.grad is None for p in generator.parameters())
    assert all(p.grad is not None for p in judge.parameters())
    generator_loss(judge(alpha * image + (1 - alpha) * other, trimap)).backward()
    assert all(p.grad is not None for p in generator.parameters())
