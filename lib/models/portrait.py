"""The networks for photographs that ship: EfficientNet-Lite0 trained on ImageNet, and a decoder with skip connections.

With a trimap it solves Deep Image Matting's task (Xu et al. 2017), whose unpooling decoder gets indices alone; here
every scale hands over its whole map (U-Net, Ronneberger et al. 2015; for matting GCA, Li and Lu 2020). Without one it
finds the person by itself. The hybrid gets the answer of closed-form matting (Levin, Lischinski and Weiss 2008) as well,
which follows colours along hair.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from lib.base import UserError
from lib.closed_form import half_closed_form
from lib.models.backbones import CHANNELS, ConvNorm, EfficientNetLite0
from lib.models.layers import Normalise, concat_up, trimap_classes, upsample_like
from lib.models.vgg import VGG16Matting

DECODER = (128, 128, 96, 64, 32, 16)  # channels at 1/32, 1/16, ... 1/1 of the side, for width 1
STRUCTURES = ("skips", "unpooling")


def build(trimap: bool, width: float = 1.0, structure: str = "skips") -> nn.Module:
    """PortraitMatting, or for comparison, with "unpooling", stage 1 of Deep Image Matting with batch norm.

    width: of the unpooling network, 1 is 64 channels in its first block. UserError for another structure.
    """
    if structure not in STRUCTURES or (structure == "unpooling" and not trimap):
        raise UserError(f"structure: expected skips, or unpooling with a trimap, found {structure!r}; choose one.")
    if structure == "skips":
        return PortraitMatting(trimap, width)
    return VGG16Matting(pools=5, conv6_kernel=1, four_channels=True, width=round(64 * width))


class PortraitMatting(nn.Module):
    """Alpha from an image, with a trimap or without.

    trimap: the network is given one, as three more channels. width: factor on the decoder's channels. more: further
    input channels.
    """

    def __init__(self, trimap: bool, width: float = 1.0, more: int = 0):
        super().__init__()
        self.normalise, self.trimap = Normalise(), trimap
        inputs = (6 if trimap else 3) + more
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
        self.sharper = nn.Sequential(_convolution(w[5], w[5]), _convolution(w[5], w[5], activation=""))
        self.alpha = nn.Conv2d(w[5], 1, 1)
        self._initialise()

    def _initialise(self) -> None:
        """Convolutions from seed 0 (He et al. 2015, normal, fan-out); alpha around 0.5; `sharper` adds nothing at first
        (Goyal et al. 2017, section 5.1)."""
        generator = torch.Generator().manual_seed(0)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.sharper[1].norm.weight)
        nn.init.normal_(self.alpha.weight, std=0.01, generator=generator)
        nn.init.constant_(self.alpha.bias, 0.5)

    def unclamped(self, image: torch.Tensor, trimap: torch.Tensor | None = None) -> torch.Tensor:
        """Alpha (N,1,H,W) float32 that may leave [0,1]: for the loss, so that no pixel's gradient is cut off."""
        x = self._inputs(image, trimap)  # (N, 3, 6 or 7, H, W)
        a, b, c, d, e = self.encoder(x)
        y = self.level32(e)  # (N, 128, H/32, W/32)
        y = self.level16(concat_up(y, d))  # (N, 128, H/16, W/16)
        y = self.level8(concat_up(y, c))  # (N, 96, H/8, W/8)
        y = self.level4(concat_up(y, b))  # (N, 64, H/4, W/4)
        y = self.level2(concat_up(y, a))  # (N, 32, H/2, W/2)
        y = upsample_like(self.narrow(y), x)  # (N, 16, H, W), narrowed first: at full size channels are dear
        y = self.level1(y + self.detail(x))  # (N, 16, H, W)
        y = y + self.sharper(y)  # (N, 16, H, W), a residual of what is finest
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
        return torch.cat([x, trimap_classes(trimap).to(x.dtype)], dim=1).contiguous(memory_format=torch.channels_last)


class HybridMatting(PortraitMatting):
    """PortraitMatting with a trimap and a seventh input channel, the alpha of lib.closed_form; forward as there."""

    def __init__(self, width: float = 1.0):
        super().__init__(trimap=True, width=width, more=1)

    def load_trimap_network(self, weights: dict[str, torch.Tensor]) -> None:
        """Take the weights of a network with a trimap, or of a hybrid. The former's answers stay: the new channel's
        weights are 0."""
        for name, value in self.state_dict().items():
            if value.ndim == 4 and value.shape[1] == 7 and weights[name].shape[1] == 6:
                weights = weights | {name: F.pad(weights[name], (0, 0, 0, 0, 0, 1))}  # (out, 6, h, w) -> (out, 7, h, w)
        self.load_state_dict(weights)

    def _inputs(self, image: torch.Tensor, trimap: torch.Tensor | None) -> torch.Tensor:
        x = super()._inputs(image, trimap)  # (N, 6, H, W)
        images = image.detach().float().permute(0, 2, 3, 1).cpu().numpy()
        trimaps = trimap.detach()[:, 0].float().cpu().numpy()
        alphas = [half_closed_form(*pair) for pair in zip(images, trimaps, strict=True)]
        alpha = torch.from_numpy(np.stack(alphas)[:, None]).to(x)  # (N, 1, H, W)
        return torch.cat([x, alpha], dim=1).contiguous(memory_format=torch.channels_last)


def _convolution(inputs: int, outputs: int, activation: str = "relu") -> ConvNorm:
    """3x3 convolution, batch norm with statistics of its own, activation."""
    return ConvNorm(inputs, outputs, 3, activation=activation, frozen=False, eps=1e-5)
