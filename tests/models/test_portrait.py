"""The networks for photographs: shapes, all three uses, what a trimap changes."""

import pytest
import torch

from helpers import soft_edge
from lib.base import UserError
from lib.closed_form import half_closed_form
from lib.models.portrait import HybridMatting, PortraitMatting, build


@pytest.fixture(scope="module")
def trimap_network():
    return PortraitMatting(trimap=True, width=0.25).eval()


@pytest.mark.parametrize("size", [(32, 64), (96, 64), (70, 45)])
def test_alpha_is_as_large_as_the_image(trimap_network, size):
    image, trimap = torch.rand(2, 3, *size), torch.full((2, 1, *size), 0.5)
    alpha = trimap_network(image, trimap)
    assert alpha.shape == (2, 1, *size) and alpha.dtype == torch.float32
    assert 0 <= alpha.min() and alpha.max() <= 1
    assert PortraitMatting(trimap=False, width=0.25).eval()(image).shape == alpha.shape


def test_a_network_wants_what_it_was_made_for(trimap_network):
    with pytest.raises(UserError, match="expected one, found none"):
        trimap_network(torch.rand(1, 3, 32, 32))
    with pytest.raises(UserError, match="expected none, found one"):
        PortraitMatting(trimap=False, width=0.25)(torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32))


def test_the_trimap_counts(trimap_network):
    image = torch.rand(1, 3, 64, 64)
    outputs = [trimap_network.unclamped(image, torch.full((1, 1, 64, 64), level)) for level in (0.0, 0.5, 1.0)]
    assert not torch.equal(outputs[0], outputs[1]) and not torch.equal(outputs[1], outputs[2])


def test_the_loss_reaches_every_weight_even_where_alpha_is_clamped(trimap_network):
    model = PortraitMatting(trimap=True, width=0.25).train()
    with torch.no_grad():
        model.alpha.bias.fill_(-3)
    model.unclamped(torch.rand(2, 3, 64, 64), torch.full((2, 1, 64, 64), 0.5)).sum().backward()
    # Of the last layers, since a ReLU may stand still anywhere before them.
    assert model.alpha.weight.grad.abs().sum() > 0 and model.level1.conv.weight.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_width_scales_the_decoder_only():
    narrow, wide = (PortraitMatting(trimap=False, width=width) for width in (0.5, 1.0))
    sizes = [sum(p.numel() for p in part.parameters()) for part in (narrow.encoder, wide.encoder, narrow, wide)]
    assert sizes[0] == sizes[1] and sizes[2] < sizes[3] and sizes[3] * 2 < 10e6  # fp16 bytes of what is shipped


def test_the_residual_at_full_size_starts_as_nothing():
    model = PortraitMatting(trimap=False, width=0.25).eval()
    image = torch.rand(1, 3, 64, 64)
    before = model(image)
    with torch.no_grad():
        model.sharper[0].conv.weight.normal_()
    assert torch.equal(model(image), before)
    model.train().unclamped(image.repeat(2, 1, 1, 1)).sum().backward()
    assert model.sharper[1].norm.weight.grad.abs().sum() > 0  # and yet it learns


def test_structures_for_comparison():
    image, trimap = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    assert build(True, 0.25, "unpooling").eval()(image, trimap).shape == (1, 1, 32, 32)
    with pytest.raises(UserError, match="unpooling with a trimap"):
        build(False, 0.25, "unpooling")


# ------------------------------------------------------------------------------------------------------------ the hybrid


@pytest.fixture(scope="module")
def scene() -> tuple[torch.Tensor, torch.Tensor]:
    image, trimap, _ = soft_edge()
    return torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(trimap)[None, None]


def test_the_network_sees_the_answer(scene):
    """At first, with the encoder's seventh channel at work, another answer is another alpha."""
    network = HybridMatting(0.25).eval()
    inputs = network._inputs(*scene)
    assert inputs.shape == (1, 7, 64, 64) and network(*scene).shape == (1, 1, 64, 64)
    torch.testing.assert_close(inputs[0, 6].numpy(), half_closed_form(*soft_edge()[:2]))


def test_begun_as_a_plain_network_it_answers_like_that_one(scene):
    plain, hybrid, again = PortraitMatting(True, 0.25), HybridMatting(0.25), HybridMatting(0.25)
    torch.nn.init.normal_(plain.alpha.weight, generator=torch.Generator().manual_seed(0))  # else nearly all is a half
    hybrid.load_trimap_network(plain.state_dict())
    again.load_trimap_network(hybrid.state_dict())
    with torch.inference_mode():
        expected = plain.eval().unclamped(*scene)  # clamped, it might be 1 all over
        assert expected.std() > 0.01
        torch.testing.assert_close(hybrid.eval().unclamped(*scene), expected)
        torch.testing.assert_close(again.eval().unclamped(*scene), expected)
