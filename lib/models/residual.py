"""A small encoder-decoder as they are built today, to set beside the study's at as many weights, or at as long a step.

Residual blocks (He et al. 2016) in place of VGG-16's plain rows of convolutions, strided convolutions in place of pooling,
whole maps handed across by skip connections (U-Net, Ronneberger et al. 2015) in place of the places of maxima, 3x3 kernels
throughout, and the trimap as three channels, one a class (as FBA matting has it, Forte and Pitie 2020).
"""

import torch
import torch.nn.functional as F
from torch import nn

from lib.models.layers import Normalise


class ResidualUNet(nn.Module):
    """Alpha from an image and its trimap.

    width: channels at full size; twice, four and eight times as many at a half, a quarter and an eighth of the side.
    """

    def __init__(self, width: int = 16):
        super().__init__()
        c = width
        self.normalise = Normalise()
        self.level1 = nn.Sequential(_convolution(6, c), Residual(c))
        self.level2 = nn.Sequential(_convolution(c, 2 * c, stride=2), Residual(2 * c))
        self.level4 = nn.Sequential(_convolution(2 * c, 4 * c, stride=2), Residual(4 * c))
        self.level8 = nn.Sequential(_convolution(4 * c, 8 * c, stride=2), Residual(8 * c))
        self.up4 = nn.Sequential(_convolution(12 * c, 4 * c), Residual(4 * c))
        self.up2 = nn.Sequential(_convolution(6 * c, 2 * c), Residual(2 * c))
        self.up1 = nn.Sequential(_convolution(3 * c, c), Residual(c))
        self.alpha = nn.Conv2d(c, 1, 3, padding=1)

    def logits(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """Alpha before the sigmoid, (N,1,H,W); same inputs as forward. Behind each line: channels for width 16, height."""
        classes = torch.cat([trimap < 0.25, (trimap - 0.5).abs() <= 0.25, trimap > 0.75], dim=1)
        a = self.level1(torch.cat([self.normalise(image), classes.to(image.dtype)], dim=1))  # 16, H
        b = self.level2(a)  # 32, H/2
        c = self.level4(b)  # 64, H/4
        x = self.level8(c)  # 128, H/8
        x = self.up4(_joined(x, c))  # 64, H/4
        x = self.up2(_joined(x, b))  # 32, H/2
        x = self.up1(_joined(x, a))  # 16, H
        return self.alpha(x)  # 1, H

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32. Any size."""
        return self.logits(image, trimap).float().sigmoid()


class Residual(nn.Module):
    """x + two 3x3 convolutions of it, then ReLU. (N,C,H,W) both."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.second(self.first(x)))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    layers = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    return nn.Sequential(*layers)


def _joined(coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    """The coarse map, bilinear at the skip's size, and the skip: (N, c + s, h, w)."""
    grown = F.interpolate(coarse, size=skip.shape[-2:], mode="bilinear", align_corners=False)
    return torch.cat([grown, skip], dim=1)
