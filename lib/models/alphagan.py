"""AlphaGAN (Lutz, Amplianitis and Smolic 2018): alpha from image and trimap by a generator that a discriminator judges.

The generator is a dilated ResNet-50 whose deepest map stays at 1/8, atrous spatial pyramid pooling, and a decoder with
skips at 1/4, 1/2 and 1/1; the discriminator judges patches of a composite beside the trimap. The paper leaves layers
open; they are those of the public re-implementation CDOTAD/AlphaGAN-Matting (which has no licence: its layers are
facts, its text wasn't used), with three changes: the dilation holds in every block of the last two groups (as in the
paper; there in each group's first block only); instead of unpooling by the indices of an overlapping pooling, where the
last of several values wins, the map is resized; any size is allowed.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet50
from torchvision.ops import Conv2dNormActivation as Convolution  # without bias; norm; ReLU

from lib.models.layers import Normalise
from lib.models.mobile import Pyramid, lite0

Norm = Callable[[int], nn.Module]


def norm_of(groups: int) -> Norm:
    """channels -> group norm of at most `groups` groups (Wu and He 2018: good for a batch of 1); batch norm for 0."""
    if not groups:
        return nn.BatchNorm2d
    return lambda channels: nn.GroupNorm(math.gcd(groups, channels), channels)


def dilated_resnet50(inputs: int = 4, norm: Norm = nn.BatchNorm2d) -> Pyramid:
    """ResNet-50 (He et al. 2016): 64, 256, 512 and 2048 channels, the last at 1/8 as well, by dilations of 2 and 4."""
    net = resnet50(replace_stride_with_dilation=(False, True, True), norm_layer=norm)
    net.conv1 = nn.Conv2d(inputs, 64, 7, stride=2, padding=3, bias=False)
    # torchvision leaves the first block of a group at the dilation of the group before.
    net.layer3[0].conv2.dilation = net.layer3[0].conv2.padding = (2, 2)
    net.layer4[0].conv2.dilation = net.layer4[0].conv2.padding = (4, 4)
    _initialise(net)
    return Pyramid(
        nn.Sequential(net.conv1, net.bn1, net.relu),
        nn.Sequential(net.maxpool, net.layer1),
        net.layer2,
        nn.Sequential(net.layer3, net.layer4),
        (64, 256, 512, 2048),
        inputs,
    )


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017): one map seen through five windows, joined."""

    def __init__(self, inputs: int, outputs: int, rates: tuple[int, int, int], norm: Norm):
        super().__init__()
        near, middle, far = rates
        self.point = Convolution(inputs, outputs, 1, norm_layer=norm)
        self.near = Convolution(inputs, outputs, 3, dilation=near, norm_layer=norm)
        self.middle = Convolution(inputs, outputs, 3, dilation=middle, norm_layer=norm)
        self.far = Convolution(inputs, outputs, 3, dilation=far, norm_layer=norm)
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), Convolution(inputs, outputs, 1, norm_layer=norm))
        self.join = Convolution(5 * outputs, outputs, 1, norm_layer=norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,inputs,h,w) -> (N,outputs,h,w)."""
        whole = self.whole(x).expand(-1, -1, *x.shape[-2:])  # one value for each channel, everywhere
        return self.join(torch.cat([self.point(x), self.near(x), self.middle(x), self.far(x), whole], dim=1))


class AlphaGAN(nn.Module):
    """The generator.

    encoder: of four-channel pictures (see lib.models.mobile), or None for the dilated ResNet-50. aspp, rates: channels
    and dilations of the pyramid pooling. decoder: channels at 1/4 (twice), of the skip there, and from 1/2 on. groups:
    of the group norms; 0 for batch norms. The defaults are the published size, 40.3 million weights; `small` is another.
    """

    def __init__(
        self,
        encoder: nn.Module | None = None,
        aspp: int = 256,
        rates: tuple[int, int, int] = (6, 12, 18),
        decoder: tuple[int, int, int, int] = (256, 128, 64, 32),
        groups: int = 32,
    ):
        super().__init__()
        norm = norm_of(groups)
        encoder = encoder or dilated_resnet50(4, norm)
        half, quarter, _, deep = encoder.channels
        self.normalise = Normalise(3)
        a, b, c, d = decoder
        self.aspp = ASPP(deep, aspp, rates, norm)
        self.skip4 = Convolution(quarter, c, 1, norm_layer=norm)
        self.decode4 = nn.Sequential(
            Convolution(aspp + c, a, norm_layer=norm),
            Convolution(a, b, norm_layer=norm),
            Convolution(b, c, norm_layer=norm),
        )
        self.skip2 = Convolution(half, d, 1, norm_layer=norm)
        self.decode2 = Convolution(c + d, c, norm_layer=norm)
        self.enlarge = nn.ConvTranspose2d(c, c, 3, stride=2, padding=1, bias=False)
        self.decode1 = nn.Sequential(norm(c), nn.ReLU(inplace=True), Convolution(c, d, norm_layer=norm))
        self.last = nn.Sequential(
            Convolution(d + 3, d, norm_layer=norm),
            Convolution(d, d, norm_layer=norm),
            nn.Conv2d(d, 1, 3, padding=1, bias=False),
        )
        _initialise(self)
        self.encoder = encoder  # after the others have drawn their weights: it may come with trained ones

    def logits(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """Alpha before the sigmoid, (N,1,H,W); same inputs as forward."""
        f1, f2, _, f4 = self.encoder(torch.cat([image, trimap], dim=1))  # 64 at 1/2, 256 at 1/4, 2048 at 1/8
        x = _resized(self.aspp(f4), f2)  # (N, 256, H/4, W/4)
        x = self.decode4(torch.cat([x, self.skip4(f2)], dim=1))  # (N, 64, H/4, W/4)
        x = self.decode2(torch.cat([_resized(x, f1), self.skip2(f1)], dim=1))  # (N, 64, H/2, W/2)
        x = self.decode1(self.enlarge(x, output_size=image.shape[-2:]))  # (N, 32, H, W)
        return self.last(torch.cat([x, self.normalise(image)], dim=1))  # (N, 1, H, W)

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32.

        Where the trimap is 0 or 1, alpha is the trimap, so that a discriminator sees errors of the unknown zone only.
        """
        known = (trimap == 0) | (trimap == 1)
        return torch.where(known, trimap.float(), self.logits(image, trimap).float().sigmoid())


class PatchDiscriminator(nn.Module):
    """Judges patches of 34 x 34 px (Isola et al. 2017) of a picture beside its trimap.

    width: channels of the first layer, 64 as published (664,385 weights), 16 for a small one. groups: of the group
    norms; 0 for the published batch norms, which mix the pictures of a batch.
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
        _initialise(self)

    def forward(self, picture: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """picture (N,3,H,W) in [0,1], trimap (N,1,H,W) -> answers (N,1,H/4-2,W/4-2), 1 for real, 0 for composed.

        No sigmoid: the loss is of least squares (lib.losses.discriminator_loss). Sides of at least 16 px.
        """
        return self.layers(self.normalise(torch.cat([picture, trimap], dim=1)))


class Adversaries(nn.Module):
    """Generator and discriminator, as they are trained and kept; used, it is the generator."""

    def __init__(self, generator: AlphaGAN, discriminator: PatchDiscriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """As AlphaGAN.forward."""
        return self.generator(image, trimap)


def small() -> Adversaries:
    """A size for two cores: EfficientNet-Lite0 instead of the dilated ResNet-50, a quarter of the channels."""
    generator = AlphaGAN(lite0(4), aspp=64, rates=(2, 4, 6), decoder=(64, 48, 32, 16), groups=8)
    return Adversaries(generator, PatchDiscriminator(16, groups=8))


def _resized(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)


def _initialise(model: nn.Module) -> None:
    """Convolutions as published: He et al. 2015, normal, fan-in."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
