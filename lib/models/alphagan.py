"""AlphaGAN (Lutz, Amplianitis and Smolic 2018): alpha from image and trimap by a generator that a discriminator judges.

The generator: an encoder, atrous spatial pyramid pooling, and a decoder with skips at 1/4, 1/2 and 1/1. The
discriminator judges patches of a composite with its trimap. The paper leaves layers open. They are those of the public
re-implementation CDOTAD/AlphaGAN-Matting (which has no licence: its layers are facts, its text wasn't used), with two
changes: instead of unpooling by the indices of an overlapping pooling, where the last of several values wins, the map
is resized; any size is allowed. tests/models/published.py has the published encoder, a dilated ResNet-50.
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from lib.models.backbones import LiteBackbone
from lib.models.layers import Normalise, concat_up, conv_bn_relu, upsample_like

Norm = Callable[[int], nn.Module]


def norm_of(groups: int) -> Norm:
    """channels -> group norm of at most `groups` groups (Wu and He 2018: good for a batch of 1); batch norm for 0."""
    if not groups:
        return nn.BatchNorm2d
    return lambda channels: nn.GroupNorm(math.gcd(groups, channels), channels)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017): five windows on one map. rates: dilations of three of them."""

    def __init__(self, inputs: int, outputs: int, rates: tuple[int, int, int], norm: Norm):
        super().__init__()
        near, middle, far = rates
        self.point = conv_bn_relu(inputs, outputs, 1, norm=norm)
        self.near = conv_bn_relu(inputs, outputs, dilation=near, norm=norm)
        self.middle = conv_bn_relu(inputs, outputs, dilation=middle, norm=norm)
        self.far = conv_bn_relu(inputs, outputs, dilation=far, norm=norm)
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn_relu(inputs, outputs, 1, norm=norm))
        self.join = conv_bn_relu(5 * outputs, outputs, 1, norm=norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,inputs,h,w) -> (N,outputs,h,w)."""
        whole = self.whole(x).expand(-1, -1, *x.shape[-2:])  # one value for each channel, everywhere
        return self.join(torch.cat([self.point(x), self.near(x), self.middle(x), self.far(x), whole], dim=1))


class AlphaGAN(nn.Module):
    """The generator.

    encoder: of four-channel images, as lib.models.backbones.LiteBackbone. aspp, rates: channels and dilations of the
    pyramid pooling. decoder: channels at 1/4 (twice), of the skip there, and from 1/2 on. groups: of the group norms; 0
    for batch norms. The defaults are the published size, with a dilated ResNet-50 40.3 million weights.
    """

    def __init__(
        self,
        encoder: nn.Module,
        aspp: int = 256,
        rates: tuple[int, int, int] = (6, 12, 18),
        decoder: tuple[int, int, int, int] = (256, 128, 64, 32),
        groups: int = 32,
    ):
        super().__init__()
        norm = norm_of(groups)
        half, quarter, _, deep = encoder.channels
        self.normalise = Normalise(3)
        a, b, c, d = decoder
        self.aspp = ASPP(deep, aspp, rates, norm)
        self.skip4 = conv_bn_relu(quarter, c, 1, norm=norm)
        self.decode4 = nn.Sequential(
            conv_bn_relu(aspp + c, a, norm=norm), conv_bn_relu(a, b, norm=norm), conv_bn_relu(b, c, norm=norm)
        )
        self.skip2 = conv_bn_relu(half, d, 1, norm=norm)
        self.decode2 = conv_bn_relu(c + d, c, norm=norm)
        self.enlarge = nn.ConvTranspose2d(c, c, 3, stride=2, padding=1, bias=False)
        self.decode1 = nn.Sequential(norm(c), nn.ReLU(inplace=True), conv_bn_relu(c, d, norm=norm))
        self.last = nn.Sequential(
            conv_bn_relu(d + 3, d, norm=norm), conv_bn_relu(d, d, norm=norm), nn.Conv2d(d, 1, 3, padding=1, bias=False)
        )
        initialise_as_published(self)
        self.encoder = encoder  # after the others have drawn their weights: it may come with trained ones

    def logits(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """Alpha before the sigmoid, (N,1,H,W); same inputs as forward. Channels behind the lines: of the published size."""
        f1, f2, _, f4 = self.encoder(torch.cat([image, trimap], dim=1))  # 64 at 1/2, 256 at 1/4, 2048 at 1/8
        x = upsample_like(self.aspp(f4), f2, align_corners=True)  # (N, 256, H/4, W/4)
        x = self.decode4(torch.cat([x, self.skip4(f2)], dim=1))  # (N, 64, H/4, W/4)
        x = self.decode2(concat_up(x, self.skip2(f1), align_corners=True))  # (N, 64, H/2, W/2)
        x = self.decode1(self.enlarge(x, output_size=image.shape[-2:]))  # (N, 32, H, W)
        return self.last(torch.cat([x, self.normalise(image)], dim=1))  # (N, 1, H, W)

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32.

        Where the trimap is 0 or 1, alpha is the trimap, so that a discriminator sees errors of the unknown zone only.
        """
        known = (trimap == 0) | (trimap == 1)
        return torch.where(known, trimap.float(), self.logits(image, trimap).float().sigmoid())


class PatchDiscriminator(nn.Module):
    """Judges patches of 34 x 34 px (Isola et al. 2017) of an image with its trimap.

    width: channels of the first layer, 64 as published (664,385 weights). groups: of the group norms; 0 for the
    published batch norms, which mix the images of a batch.
    """

    def __init__(self, width: int = 64, groups: int = 0):
        super().__init__()
        norm, w = norm_of(groups), width
        self.normalise = Normalise(4)
        self.layers = nn.Sequential(
            nn.Conv2d(4, w, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(w, 2 * w, 4, stride=2, padding=1, bias=False),
            norm(2 * w),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * w, 4 * w, 4, padding=1, bias=False),
            norm(4 * w),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(4 * w, 1, 4, padding=1),
        )
        initialise_as_published(self)

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) in [0,1], trimap (N,1,H,W) -> answers (N,1,H/4-2,W/4-2), 1 for real, 0 for composed.

        No sigmoid: the loss is of least squares (lib.losses.discriminator_loss). Sides of at least 16 px.
        """
        return self.layers(self.normalise(torch.cat([image, trimap], dim=1)))


class AlphaGANPair(nn.Module):
    """Generator and discriminator, as they are trained and kept; its forward is the generator's."""

    def __init__(self, generator: AlphaGAN, discriminator: PatchDiscriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        return self.generator(image, trimap)


def small() -> AlphaGANPair:
    """A size for two cores: EfficientNet-Lite0 instead of the dilated ResNet-50, a quarter of the channels."""
    generator = AlphaGAN(LiteBackbone(4), aspp=64, rates=(2, 4, 6), decoder=(64, 48, 32, 16), groups=8)
    return AlphaGANPair(generator, PatchDiscriminator(16, groups=8))


def initialise_as_published(model: nn.Module) -> None:
    """Convolutions, transposed ones too: He et al. 2015, normal, fan-in."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
