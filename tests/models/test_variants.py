"""The study's network with parts exchanged: each differs from it in that part alone."""

import pytest
import torch

from lib.base import UserError
from lib.models import variants
from lib.models.dim import VGG16Matting


def weights(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def inputs(side: int = 28):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, side, side, generator=generator), torch.randint(
        0, 3, (2, 1, side, side), generator=generator
    ) / 2


@pytest.mark.parametrize("unpooling", variants.UNPOOLING)
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("side", [28, 37])
def test_any_structure_gives_alpha_of_the_pictures_size(unpooling, skips, side):
    model = variants.network(8, unpooling, skips).eval()
    alpha = model(*inputs(side))
    assert alpha.shape == (2, 1, side, side) and 0 <= alpha.min() and alpha.max() <= 1


def test_without_an_exchange_it_is_the_studys_network():
    own, theirs = variants.network(16), VGG16Matting(width=16)
    own.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(own.eval()(*inputs()), theirs.eval()(*inputs()), rtol=0, atol=0)


def test_skips_and_bilinear_have_no_weights_of_their_own_and_transposed_has():
    plain = weights(variants.network(16))
    assert weights(variants.network(16, skips=True)) == weights(variants.network(16, "bilinear")) == plain
    learnt = sum(4 * c * c + c for c in (16, 32, 64, 128))  # 2x2 kernels from c to c channels, with biases
    assert weights(variants.network(16, "transposed")) == plain + learnt


class Less(torch.nn.Module):
    """An unpooling that takes away, from the deepest on, what the network will add."""

    def __init__(self, unpool, skips):
        super().__init__()
        self.unpool, self.skips = unpool, skips

    def forward(self, x, place):
        return self.unpool(x, place) - self.skips.pop()


def test_skips_of_nothing_change_nothing():
    """With the maps to add at zero, what is left is the plain network: the two differ in the sum alone."""
    plain, skipping = variants.network(8).eval(), variants.network(8, skips=True).eval()
    skipping.load_state_dict(plain.state_dict())
    image, trimap = inputs()
    with torch.no_grad():
        skips = []
        x = skipping.head(torch.cat([skipping.normalise(image), trimap], dim=1))
        for encoder in skipping.encoder[:4]:
            skips.append(encoder(x))
            x = skipping.pool(skips[-1])[0]
        skipping.unpool = Less(skipping.unpool, skips)
        torch.testing.assert_close(skipping(image, trimap), plain(image, trimap), atol=1e-5, rtol=0)


def test_the_trimap_as_a_fourth_channel_has_no_head():
    model = variants.network(8, four_channels=True)
    assert isinstance(model.head, torch.nn.Identity) and model.encoder1[0].in_channels == 4


@pytest.mark.parametrize("name", ["unpooling", "normalisation", "network"])
def test_an_unknown_part_is_refused(name):
    with pytest.raises(UserError, match=f"{name}: expected one of .* found 'other'"):
        variants.network(8, **{name: "other"})
