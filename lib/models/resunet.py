"""A small residual U-Net, to compare with the study's network at as many weights, or at as long a step.

Residual blocks (He et al. 2016), strided convolutions instead of pooling, skip connections that hand over whole maps
(U-Net, Ronneberger et al. 2015), 3x3 kernels, and the trimap as three channels, one a class (as in FBA matting, Forte
and Pitie 2020).
"""

import torch
import torch.nn.functional as F
from torch import nn

from lib.models.layers import Normalise, concat_up, conv_bn_relu, trimap_classes


class ResidualUNet(nn.Module):
    """Alpha from image and trimap. width: channels at full size; they double at each halving of the side."""

    def __init__(self, width: int = 16):
        super().__init__()
        c = width
        self.normalise = Normalise()
        self.level1 = nn.Sequential(conv_bn_relu(6, c), Residual(c))
        self.level2 = nn.Sequential(conv_bn_relu(c, 2 * c, stride=2), Residual(2 * c))
        self.level4 = nn.Sequential(conv_bn_relu(2 * c, 4 * c, stride=2), Residual(4 * c))
        self.level8 = nn.Sequential(conv_bn_relu(4 * c, 8 * c, stride=2), Residual(8 * c))
        self.up4 = nn.Sequential(conv_bn_relu(12 * c, 4 * c), Residual(4 * c))
        self.up2 = nn.Sequential(conv_bn_relu(6 * c, 2 * c), Residual(2 * c))
        self.up1 = nn.Sequential(conv_bn_relu(3 * c, c), Residual(c))
        self.alpha = nn.Conv2d(c, 1, 3, padding=1)

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32. Any size."""
        x = torch.cat([self.normalise(image), trimap_classes(trimap).to(image.dtype)], dim=1)  # (N, 6, H, W)
        a = self.level1(x)  # (N, 16, H, W) for width 16
        b = self.level2(a)  # (N, 32, H/2, W/2)
        c = self.level4(b)  # (N, 64, H/4, W/4)
        x = self.level8(c)  # (N, 128, H/8, W/8)
        x = self.up4(concat_up(x, c))  # (N, 64, H/4, W/4)
        x = self.up2(concat_up(x, b))  # (N, 32, H/2, W/2)
        x = self.up1(concat_up(x, a))  # (N, 16, H, W)
        return self.alpha(x).float().sigmoid()  # (N, 1, H, W)


class Residual(nn.Module):
    """x + two 3x3 convolutions of it, then ReLU; (N,C,H,W) both."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = conv_bn_relu(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.second(self.first(x)))
