"""Layers and starting weights that the networks share."""

import torch
import torch.nn.functional as F
from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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


def _convolution(inputs: int, outputs: int, kernel: int, batch_norm: bool) -> nn.Sequential:
    layers = [SamePadConv2d(inputs, outputs, kernel)]
    layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


def initialise(model: nn.Module, seed: int = 0) -> None:
    """Draw all convolution weights anew from `seed` (He et al. 2015, normal, fan-in), biases 0.

    The draws come from a generator of their own, so that they depend on nothing but the seed.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
