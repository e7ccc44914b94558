"""The published sizes of AlphaGAN, Background Matting V2 and Robust Video Matting: the encoders that lib leaves out."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torchvision
from torch import nn

from lib.models.alphagan import AlphaGAN, initialise_as_published, norm_of
from lib.models.bgmv2 import BackgroundMatting, Base, Refiner
from lib.models.layers import Normalise
from lib.models.rvm import VideoMatting


class StagedBackbone(nn.Module):
    """An encoder of four stages, each at half the side of the one before; channels: of their maps."""

    def __init__(self, stages: Sequence[nn.Module], channels: Sequence[int], normalise: nn.Module | None = None):
        super().__init__()
        self.channels, self.normalise = tuple(channels), normalise or nn.Identity()
        self.stage2, self.stage4, self.stage8, self.stage16 = stages

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        f1 = self.stage2(self.normalise(x))
        f2 = self.stage4(f1)
        f3 = self.stage8(f2)
        return f1, f2, f3, self.stage16(f3)


def convolutions_of_stride_2(inputs: int) -> StagedBackbone:
    """The smallest encoder, with the channels of EfficientNet-Lite0."""
    channels = (inputs, 16, 24, 40, 112)
    stages = [nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels)]
    return StagedBackbone(stages, channels[1:], Normalise(inputs))


def timm_lite0(net: nn.Module, inputs: int) -> StagedBackbone:
    """timm's EfficientNet-Lite0 down to 1/16."""
    stages = nn.Sequential(net.conv_stem, net.bn1, net.blocks[0]), net.blocks[1], net.blocks[2], net.blocks[3:5]
    return StagedBackbone(stages, (16, 24, 40, 112), Normalise(inputs))


def mobilenet_v2(inputs: int = 6) -> StagedBackbone:
    """MobileNetV2 (Sandler et al. 2018) without its last convolution, its last group dilated, as BGMv2 has it."""
    blocks = torchvision.models.mobilenet_v2().features[:-1]
    blocks[0][0] = nn.Conv2d(inputs, 32, 3, stride=2, padding=1, bias=False)
    blocks[14].conv[1][0].stride = (1, 1)
    for block in blocks[15:]:
        block.conv[1][0].dilation = block.conv[1][0].padding = (2, 2)
    return StagedBackbone([blocks[:2], blocks[2:4], blocks[4:7], blocks[7:]], (16, 24, 32, 320))


def mobilenet_v3() -> StagedBackbone:
    """MobileNetV3-Large (Howard et al. 2019) with its last group dilated, as RVM has it."""
    blocks = torchvision.models.mobilenet_v3_large(dilated=True).features
    return StagedBackbone([blocks[:2], blocks[2:4], blocks[4:7], blocks[7:]], (16, 24, 40, 960), Normalise(3))


def resnet50(inputs: int, dilate: Sequence[bool] = (False, False, True), norm=nn.BatchNorm2d) -> StagedBackbone:
    """ResNet-50 (He et al. 2016), by default with its last group dilated, as BGMv2 and RVM have it."""
    net = torchvision.models.resnet50(replace_stride_with_dilation=dilate, norm_layer=norm)
    net.conv1 = nn.Conv2d(inputs, 64, 7, stride=2, padding=3, bias=False)
    stem, quarter = nn.Sequential(net.conv1, net.bn1, net.relu), nn.Sequential(net.maxpool, net.layer1)
    return StagedBackbone([stem, quarter, net.layer2, nn.Sequential(net.layer3, net.layer4)], (64, 256, 512, 2048))


def alphagan(groups: int = 32) -> AlphaGAN:
    """With a ResNet-50 whose deepest map stays at 1/8."""
    encoder = resnet50(4, (False, True, True), norm_of(groups))
    # torchvision leaves the first block of a group at the dilation of the group before.
    for group, rate in zip(encoder.stage16, (2, 4), strict=True):
        group[0].conv2.dilation = group[0].conv2.padding = (rate, rate)
    initialise_as_published(encoder)
    encoder.normalise = Normalise(4)
    return AlphaGAN(encoder, groups=groups)


def background_matting(encoder: nn.Module | None = None, **refiner) -> BackgroundMatting:
    return BackgroundMatting(Base(encoder or mobilenet_v2()), Refiner(**refiner))


def video_matting(encoder: nn.Module | None = None, *size) -> VideoMatting:
    return VideoMatting(encoder or mobilenet_v3(), *size)
