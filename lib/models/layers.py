"""Layers that several networks share. Maps are (N,C,H,W)."""

import torch
import torch.nn.functional as F
from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PoolIndices = tuple[torch.Tensor, torch.Size]  # positions of the maxima; height and width before the pooling


class Normalise(nn.Module):
    """Every three channels in [0,1] as ImageNet's RGB; channels left over, a trimap, stay as they are."""

    def __init__(self, inputs: int = 3):
        super().__init__()
        mean = IMAGENET_MEAN * (inputs // 3) + (0.0,) * (inputs % 3)
        std = IMAGENET_STD * (inputs // 3) + (1.0,) * (inputs % 3)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.std


class Pool(nn.MaxPool2d):
    """Max-pooling that also returns the positions of its maxima."""

    def __init__(self, kernel_size: int = 2, stride: int = 2, padding: int = 0):
        super().__init__(kernel_size, stride, padding, return_indices=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, PoolIndices]:
        pooled, indices = super().forward(x)
        return pooled, (indices, x.shape[-2:])


class Unpool(nn.MaxUnpool2d):
    """Max-unpooling to the size before the pooling, which may be odd: 28 -> 14 -> 7 -> 3 -> 1 and back."""

    def forward(self, x: torch.Tensor, positions: PoolIndices) -> torch.Tensor:
        indices, size = positions
        return super().forward(x, indices, output_size=size)


class SamePadConv2d(nn.Conv2d):
    """Zero-padded convolution of an odd kernel without the taps that only ever meet padding.

    On a map of h rows these are the taps h or more rows from the centre: a 5x5 kernel on a 1x1 map is its centre.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # The result is the same, and the work 1/25 of it at 28 px. The gradient of the other taps is exactly 0, where
        # oneDNN's bf16 kernel (PyTorch 2.15, CPU) leaves them unwritten.
        centre = self.padding[0]
        reach = [min(centre, side - 1) for side in x.shape[-2:]]
        rows, columns = (slice(centre - r, centre + r + 1) for r in reach)
        return F.conv2d(x, self.weight[:, :, rows, columns], self.bias, padding=reach)


def convolutions(
    inputs: int, *outputs: int, kernel: int = 3, batch_norm: bool = True, kind: type[nn.Conv2d] = SamePadConv2d
) -> nn.Sequential:
    """A convolution to each of `outputs` channels, each with batch norm (or not) and ReLU; sides stay."""
    layers: list[nn.Module] = []
    for channels in outputs:
        layers.append(kind(inputs, channels, kernel, padding=kernel // 2))
        layers += [nn.BatchNorm2d(channels)] if batch_norm else []
        layers.append(nn.ReLU(inplace=True))
        inputs = channels
    return nn.Sequential(*layers)


def conv_bn_relu(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
    norm=nn.BatchNorm2d,
) -> nn.Sequential:
    """Convolution without bias, norm (made from its channels) and ReLU; the padding keeps the sides by default."""
    padding = kernel // 2 * dilation if padding is None else padding
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, norm(outputs), nn.ReLU(inplace=True))


def upsample_like(coarse: torch.Tensor, fine: torch.Tensor, align_corners: bool = False) -> torch.Tensor:
    """The coarse map, bilinear, at the size of the fine one."""
    return F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=align_corners)


def concat_up(coarse: torch.Tensor, skip: torch.Tensor, align_corners: bool = False) -> torch.Tensor:
    """The coarse map at the skip's size, and the skip, in one map."""
    return torch.cat([upsample_like(coarse, skip, align_corners), skip], dim=1)


def trimap_classes(trimap: torch.Tensor) -> torch.Tensor:
    """(N,1,H,W) float 0, 0.5 or 1 -> (N,3,H,W) bool: known background, unknown, known foreground."""
    return torch.cat([trimap < 0.25, (trimap - 0.5).abs() <= 0.25, trimap > 0.75], dim=1)


def initialise(model: nn.Module, seed: int = 0) -> None:
    """Draw the weights of all convolutions from `seed` alone (He et al. 2015, normal, fan-in), biases 0."""
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
