"""Encoders: a picture in, four maps at 1/2, 1/4, 1/8 and 1/16 of its side out.

The three systems take any module as `encoder` that has `channels`, four numbers, and whose forward takes
(N,inputs,H,W) in [0,1] and gives four maps of these channels, finest first, each side halved and rounded up. It
normalises its input itself, the way its weights want. `Pyramid` makes one of four stages, `Adapted` of a network that
returns a list of maps, such as an EfficientNet-Lite0. Weights are random: `load_state_dict` fills them.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import mobilenet_v2 as torchvision_mobilenet_v2, mobilenet_v3_large

from lib.models.encoder import CHANNELS, EfficientNetLite0
from lib.models.layers import Normalise


class Pyramid(nn.Module):
    """An encoder of four stages, each at half the side of the one before.

    channels: of the four maps. inputs: channels of the picture. normalised: whether the input is normalised first.
    """

    def __init__(
        self,
        stage2: nn.Module,
        stage4: nn.Module,
        stage8: nn.Module,
        stage16: nn.Module,
        channels: Sequence[int],
        inputs: int = 3,
        normalised: bool = True,
    ):
        super().__init__()
        self.channels = tuple(channels)
        self.normalise = Normalise(inputs) if normalised else nn.Identity()
        self.stage2, self.stage4, self.stage8, self.stage16 = stage2, stage4, stage8, stage16

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N,inputs,H,W) in [0,1] -> four maps, finest first."""
        f1 = self.stage2(self.normalise(x))  # (N, channels[0], H/2, W/2)
        f2 = self.stage4(f1)  # (N, channels[1], H/4, W/4)
        f3 = self.stage8(f2)  # (N, channels[2], H/8, W/8)
        f4 = self.stage16(f3)  # (N, channels[3], H/16, W/16)
        return f1, f2, f3, f4


class Adapted(nn.Module):
    """An encoder made of a network that returns a list of maps, finest first, of which the first four count.

    The picture is padded to sides that 16 divides and the maps are cut to the rounded-up sides, since such networks
    differ in how they halve an odd side. channels, inputs, normalised: as in Pyramid.
    """

    def __init__(self, network: nn.Module, channels: Sequence[int], inputs: int = 3, normalised: bool = True):
        super().__init__()
        self.channels = tuple(channels)[:4]
        self.normalise = Normalise(inputs) if normalised else nn.Identity()
        self.network = network

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N,inputs,H,W) in [0,1] -> four maps, finest first."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")
        maps = self.network(self.normalise(x))
        return tuple(
            f[..., : -(-height // side), : -(-width // side)] for f, side in zip(maps, (2, 4, 8, 16), strict=False)
        )


def mobilenet_v2(inputs: int = 3) -> Pyramid:
    """MobileNetV2 (Sandler et al. 2018) without its last convolution: 16, 24, 32 and 320 channels, not normalised.

    The last group's stride becomes a dilation, so that the deepest map stays at 1/16, as Background Matting V2 has it.
    """
    blocks = torchvision_mobilenet_v2().features[:-1]
    blocks[0][0] = nn.Conv2d(inputs, 32, 3, stride=2, padding=1, bias=False)
    blocks[14].conv[1][0].stride = (1, 1)
    for block in blocks[15:]:
        depthwise = block.conv[1][0]
        depthwise.dilation = depthwise.padding = (2, 2)
    return Pyramid(blocks[:2], blocks[2:4], blocks[4:7], blocks[7:], (16, 24, 32, 320), inputs, normalised=False)


def mobilenet_v3() -> Pyramid:
    """MobileNetV3-Large (Howard et al. 2019) with its last group dilated: 16, 24, 40 and 960 channels, normalised."""
    blocks = mobilenet_v3_large(dilated=True).features
    return Pyramid(blocks[:2], blocks[2:4], blocks[4:7], blocks[7:], (16, 24, 40, 960))


class Shallow(nn.Module):
    """EfficientNet-Lite0 (lib.models.encoder) without what comes after its map at 1/16: 0.7 million weights.

    As `Adapted` takes it: a list of four maps, of 16, 24, 40 and 112 channels.
    """

    def __init__(self, whole: EfficientNetLite0):
        super().__init__()
        self.stem, self.groups = whole.stem, whole.groups[:5]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(N,inputs,H,W), normalised, 16 divides the sides -> four maps, finest first."""
        x = self.stem(x)  # (N, 32, H/2, W/2)
        a = self.groups[0](x)  # (N, 16, H/2, W/2)
        b = self.groups[1](a)  # (N, 24, H/4, W/4)
        c = self.groups[2](b)  # (N, 40, H/8, W/8)
        d = self.groups[4](self.groups[3](c))  # (N, 112, H/16, W/16)
        return [a, b, c, d]


def lite0(inputs: int = 3) -> Adapted:
    """The encoder of the small networks: EfficientNet-Lite0 down to 1/16, its norms' statistics standing still."""
    return Adapted(Shallow(EfficientNetLite0(inputs)), CHANNELS[:4], inputs)


def start_from(encoder: Adapted, weights: dict[str, torch.Tensor]) -> None:
    """Fill a `lite0` with the weights of another EfficientNet-Lite0, in place; what comes after 1/16 is left out.

    weights: by the names that EfficientNetLite0 gives them. Input channels beyond the first three get zeros, so that the
    encoder begins by seeing the picture alone.
    """
    own = encoder.network.state_dict()
    with torch.no_grad():
        for name, mine in own.items():
            if name == "stem.conv.weight":
                mine.zero_()
                mine[:, :3].copy_(weights[name][:, :3])
            else:
                mine.copy_(weights[name])
