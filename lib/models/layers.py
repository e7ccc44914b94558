"""Layers and starting weights that the networks share."""

import torch
import torch.nn.functional as F
from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Place = tuple[torch.Tensor, torch.Size]  # where each maximum was found, and the size of the map before pooling


class Normalise(nn.Module):
    """(N,inputs,H,W) in [0,1] -> every three channels as ImageNet's RGB; what is left, a trimap, stays as it is."""

    def __init__(self, inputs: int = 3):
        super().__init__()
        mean = IMAGENET_MEAN * (inputs // 3) + (0.0,) * (inputs % 3)
        std = IMAGENET_STD * (inputs // 3) + (1.0,) * (inputs % 3)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.std


class Pool(nn.MaxPool2d):
    """Max-pooling that says where it found each maximum: (N,C,H,W) -> (pooled, place)."""

    def __init__(self, kernel_size: int = 2, stride: int = 2, padding: int = 0):
        super().__init__(kernel_size, stride, padding, return_indices=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, Place]:
        pooled, indices = super().forward(x)
        return pooled, (indices, x.shape[-2:])


class Unpool(nn.MaxUnpool2d):
    """Puts each value back to where its maximum was found, zeros elsewhere: (x, place) -> (N,C,H,W).

    The place knows the size, since an odd side is not twice its half: 28 -> 14 -> 7 -> 3 -> 1.
    """

    def forward(self, x: torch.Tensor, place: Place) -> torch.Tensor:
        indices, size = place
        return super().forward(x, indices, output_size=size)


class SamePadConv2d(nn.Conv2d):
    """Convolution with an odd kernel and zero padding that leaves out the taps which only ever meet padding.

    On a map of h rows these are the taps h or more rows from the centre: at 28 px the first 5x5 kernel of the
    decoder sees a 1x1 map, that is, its centre. The result is the same; the work is a 25th, and the gradient
    of the other taps is exactly 0, where oneDNN's bf16 kernel (PyTorch 2.15, CPU) leaves them unwritten.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centre = self.padding[0]
        reach = [min(centre, side - 1) for side in x.shape[-2:]]
        rows, columns = (slice(centre - r, centre + r + 1) for r in reach)
        return F.conv2d(x, self.weight[:, :, rows, columns], self.bias, padding=reach)


def convolutions(
    inputs: int, *outputs: int, kernel: int = 3, batch_norm: bool = True, kind: type[nn.Conv2d] = SamePadConv2d
) -> nn.Sequential:
    """One convolution after the other, to `outputs` channels, each with batch norm (or not) and ReLU; sides stay."""
    layers: list[nn.Module] = []
    for channels in outputs:
        layers.append(
            kind(inputs, channels, kernel)
            if kind is SamePadConv2d
            else kind(inputs, channels, kernel, padding=kernel // 2)
        )
        layers += [nn.BatchNorm2d(channels)] if batch_norm else []
        layers.append(nn.ReLU(inplace=True))
        inputs = channels
    return nn.Sequential(*layers)


def initialise(model: nn.Module, seed: int = 0) -> None:
    """Draw all convolution weights anew from `seed` (He et al. 2015, normal, fan-in), biases 0.

    The draws come from a generator of their own, so that they depend on nothing but the seed.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
