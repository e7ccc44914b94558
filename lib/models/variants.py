"""The study's network with one part exchanged: what its structure costs or buys (lib.training.variants trains them).

Each keeps VGG16Matting's layers but for the one part, so that two of them differ in that alone.
"""

import torch
import torch.nn.functional as F
from torch import nn

from lib.base import UserError
from lib.models.dim import VGG16Matting
from lib.models.layers import Place
from lib.models.residual import ResidualUNet

UNPOOLING = ("places", "bilinear", "transposed")
NORMALISATION = ("imagenet", "centred", "none")
# Its channels at full size, as a multiple of the study's network's. On two cores, at 28 px and in bfloat16, a step of the second
# takes as long as one of the study's network, one of the first five times as long (`make bench`).
RESIDUAL = {"residual, as many weights": 1.5, "residual, as long a step": 0.5}
NETWORKS = ("study's", *RESIDUAL)
# The arguments of `network`, which the config of a training has under the same names.
PARTS = (
    "network", "width", "unpooling", "skips", "four_channels", "normalisation", "decoder_kernel", "batch_norm", "pooling",
)  # fmt: skip


class Enlarge(nn.Module):
    """Bilinear enlargement to the size before the pooling; of where the maxima were, nothing is used."""

    def forward(self, x: torch.Tensor, place: Place) -> torch.Tensor:
        return F.interpolate(x, size=place[1], mode="bilinear", align_corners=False)


class Transposed(nn.Module):
    """Transposed convolutions (kernel and stride 2) that learn how to enlarge, one for each number of channels."""

    def __init__(self, *channels: int):
        super().__init__()
        self.by_channels = nn.ModuleDict({str(c): nn.ConvTranspose2d(c, c, 2, stride=2) for c in channels})

    def forward(self, x: torch.Tensor, place: Place) -> torch.Tensor:
        return self.by_channels[str(x.shape[1])](x, output_size=place[1])


class Skipping(VGG16Matting):
    """With the encoder's maps, as they were before each pooling, added to what is enlarged to their size.

    As many weights as without. Ronneberger et al. (2015) concatenate; a sum needs no other decoder.
    """

    def logits(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """As VGG16Matting.logits, with four poolings."""
        x = self.head(torch.cat([self.normalise(image), trimap], dim=1))  # 3, H
        skips = []
        for encoder in self.encoder[:4]:
            x = encoder(x)
            pooled, place = self.pool(x)
            skips.append((x, place))
            x = pooled
        x = self.decoder5(self.decoder6(self.encoder5(x)))  # 512, H/16
        for decoder, (skip, place) in zip(
            (self.decoder4, self.decoder3, self.decoder2, self.decoder1), reversed(skips), strict=True
        ):
            x = decoder(self.unpool(x, place) + skip)  # 256, H/8 ... 64, H
        return self.alpha(x)  # 1, H


class Centre(nn.Module):
    """[0,1] -> [-1,1], the same for all channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x - 1


def network(
    width: int = 16,
    unpooling: str = "places",
    skips: bool = False,
    four_channels: bool = False,
    normalisation: str = "imagenet",
    decoder_kernel: int = 5,
    batch_norm: bool = True,
    network: str = NETWORKS[0],
    pooling: str = "halving",
) -> VGG16Matting | ResidualUNet:
    """A VGG16Matting of `width` with the named parts; random weights. forward as there.

    unpooling: "places" of the maxima (the study's, and DIM's), "bilinear" or "transposed". skips: see Skipping.
    four_channels: the trimap as a fourth channel of VGG-16's first convolution, without the study's 4->3 head.
    normalisation: of the image: "imagenet", "centred" or "none". network: the study's, or a ResidualUNet beside it, which has
    none of the other parts. pooling: of VGG16Matting. UserError for another name.
    """
    for name, found, known in (
        ("unpooling", unpooling, UNPOOLING),
        ("normalisation", normalisation, NORMALISATION),
        ("network", network, NETWORKS),
    ):
        if found not in known:
            raise UserError(f"{name}: expected one of {', '.join(known)}, found {found!r}; choose one.")
    if network in RESIDUAL:
        return ResidualUNet(round(width * RESIDUAL[network]))
    kind = Skipping if skips else VGG16Matting
    model = kind(batch_norm, decoder_kernel=decoder_kernel, pooling=pooling, four_channels=four_channels, width=width)
    if unpooling != "places":
        model.unpool = Enlarge() if unpooling == "bilinear" else Transposed(*(width * 2**level for level in range(4)))
    if normalisation != "imagenet":
        model.normalise = Centre() if normalisation == "centred" else nn.Identity()
    return model
