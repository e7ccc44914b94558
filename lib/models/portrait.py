"""The networks for photographs: an encoder trained on ImageNet, a decoder with skip connections; two uses of one class.

With a trimap it is a network of Deep Image Matting's task (Xu et al. 2017), which its unpooling decoder solves with
indices alone; here every scale hands over its whole map (U-Net, Ronneberger et al. 2015; for matting GCA, Li and Lu
2020). Without one it finds the person by itself (Sengupta et al. 2020, Lin et al. 2022 do so with a plate or over
time).
"""

import torch
import torch.nn.functional as F
from torch import nn

from lib.base import UserError
from lib.models.dim import VGG16Matting
from lib.models.encoder import CHANNELS, ConvNorm, EfficientNetLite0
from lib.models.layers import Normalise

DECODER = (128, 128, 96, 64, 32, 16)  # channels at 1/32, 1/16, ... 1/1 of the side, for width 1


STRUCTURES = ("skips", "unpooling")


def build(trimap: bool, width: float = 1.0, structure: str = "skips") -> nn.Module:
    """A network by its training's configuration: `PortraitMatting`, or for comparison, with "unpooling", stage 1 of Deep
    Image Matting with batch norm and 64 `width` channels in its first block. UserError for one that there isn't."""
    if structure not in STRUCTURES or (structure == "unpooling" and not trimap):
        raise UserError(f"structure: expected skips, or unpooling with a trimap, found {structure!r}; choose one.")
    if structure == "skips":
        return PortraitMatting(trimap, width)
    return VGG16Matting(pools=5, conv6_kernel=1, four_channels=True, width=round(64 * width))


class PortraitMatting(nn.Module):
    """Alpha from an image, with a trimap or without.

    trimap: the network expects one, as three more channels (known background, unknown, known foreground). width: factor
    on the decoder's channels.
    """

    def __init__(self, trimap: bool, width: float = 1.0):
        super().__init__()
        self.normalise, self.trimap = Normalise(), trimap
        inputs = 6 if trimap else 3
        self.encoder = EfficientNetLite0(inputs)
        w = [max(8, round(width * channels / 8) * 8) for channels in DECODER]
        s = CHANNELS
        self.level32 = _convolution(s[4], w[0])
        self.level16 = _convolution(w[0] + s[3], w[1])
        self.level8 = _convolution(w[1] + s[2], w[2])
        self.level4 = _convolution(w[2] + s[1], w[3])
        self.level2 = _convolution(w[3] + s[0], w[4])
        self.narrow = nn.Conv2d(w[4], w[5], 1)
        self.detail = _convolution(inputs, w[5])
        self.level1 = _convolution(w[5], w[5])
        self.sharper = nn.Sequential(
            _convolution(w[5], w[5]), ConvNorm(w[5], w[5], 3, activation="", frozen=False, eps=1e-5)
        )
        self.alpha = nn.Conv2d(w[5], 1, 1)
        _initialise(self)

    def unclamped(self, image: torch.Tensor, trimap: torch.Tensor | None = None) -> torch.Tensor:
        """Alpha (N,1,H,W) float32 that may leave [0,1]: what the loss sees, so that no pixel's gradient is cut off."""
        x = self._inputs(image, trimap)  # (N, 3 or 6, H, W)
        a, b, c, d, e = self.encoder(x)
        y = self.level32(e)  # (N, 128, H/32, W/32)
        y = self.level16(_joined(y, d))  # (N, 128, H/16, W/16)
        y = self.level8(_joined(y, c))  # (N, 96, H/8, W/8)
        y = self.level4(_joined(y, b))  # (N, 64, H/4, W/4)
        y = self.level2(_joined(y, a))  # (N, 32, H/2, W/2)
        y = _grown(self.narrow(y), x)  # (N, 16, H, W), narrowed first: at full size channels are dear
        y = self.level1(y + self.detail(x))  # (N, 16, H, W)
        y = y + self.sharper(y)  # (N, 16, H, W), nothing at first: a residual that learns what is finer
        return self.alpha(y).float()  # (N, 1, H, W)

    def forward(self, image: torch.Tensor, trimap: torch.Tensor | None = None) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32 in [0,1].

        Sides from 32 px up; multiples of 32 are best, since a halving of an odd side leaves out its last pixel.
        """
        return self.unclamped(image, trimap).clamp(0, 1)

    def _inputs(self, image: torch.Tensor, trimap: torch.Tensor | None) -> torch.Tensor:
        if self.trimap != (trimap is not None):
            raise UserError(
                f"trimap: expected {'one' if self.trimap else 'none'}, found "
                f"{'none' if trimap is None else 'one'}; use the network made for it."
            )
        x = self.normalise(image)
        if trimap is None:
            return x
        levels = torch.cat([trimap < 0.25, (trimap - 0.5).abs() <= 0.25, trimap > 0.75], dim=1)
        return torch.cat([x, levels.to(x.dtype)], dim=1).contiguous(memory_format=torch.channels_last)


def _convolution(inputs: int, outputs: int) -> ConvNorm:
    """3x3 convolution, batch norm with living statistics, ReLU."""
    return ConvNorm(inputs, outputs, 3, activation="relu", frozen=False, eps=1e-5)


def _joined(coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    """The coarse map brought to the skip's size, and the skip: (N, c + s, h, w)."""
    return torch.cat([_grown(coarse, skip), skip], dim=1)


def _grown(coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
    """The coarse map, bilinear, at the fine one's size."""
    return F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)


def _initialise(model: PortraitMatting, seed: int = 0) -> None:
    """All convolutions drawn from `seed` (He et al. 2015, normal, fan-out), the last one small, around an alpha of 0.5;
    the residual at full size starts as nothing (Goyal et al. 2017, section 5.1)."""
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    nn.init.zeros_(model.sharper[1].norm.weight)
    nn.init.normal_(model.alpha.weight, std=0.01, generator=generator)
    nn.init.constant_(model.alpha.bias, 0.5)
