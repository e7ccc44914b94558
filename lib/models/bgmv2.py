"""Background Matting V2 (Lin et al. 2021): alpha and foreground from an image and a plate, the same place without anyone.

A base network sees both at low resolution and gives alpha, the foreground's difference from the image, a map of its own
error, and hidden channels. The refiner computes alpha again at full resolution, in cells of 4 x 4 px where the error is
large, or everywhere. Layers and windows are those of the authors' code (PeterL1n/BackgroundMattingV2, MIT), with whose
outputs the tests compare. tests/models/published.py has the published encoders, MobileNetV2 and ResNet-50.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from lib.base import UserError
from lib.models.backbones import LiteBackbone
from lib.models.layers import concat_up, conv_bn_relu

MODES = ("sampling", "full")


class BGMv2Output(NamedTuple):
    """Coarse maps and cells are those of the image padded to sides that 4 divides; coarse ones at `scale` of its side."""

    alpha: torch.Tensor  # (N, 1, H, W)
    foreground: torch.Tensor  # (N, 3, H, W) RGB
    coarse_alpha: torch.Tensor  # (N, 1, scale H, scale W)
    coarse_foreground: torch.Tensor  # (N, 3, scale H, scale W)
    error: torch.Tensor  # (N, 1, scale H, scale W): expected |coarse alpha - alpha|
    refined: torch.Tensor  # (N, 1, H/4, W/4) boolean: the cells computed again


class Base(nn.Module):
    """Encoder, atrous spatial pyramid pooling (torchvision's, of DeepLabV3), decoder with skips at every scale.

    encoder: of six-channel images, as lib.models.backbones.LiteBackbone. aspp, rates: channels and dilations of the
    pyramid pooling; in training its batch norm needs at least two images. decoder: channels at 1/8, 1/4, 1/2. hidden:
    channels for the refiner. The defaults are the published size.
    """

    def __init__(
        self,
        encoder: nn.Module,
        aspp: int = 256,
        rates: tuple[int, ...] = (3, 6, 9),
        decoder: tuple[int, int, int] = (128, 64, 48),
        hidden: int = 32,
    ):
        super().__init__()
        self.encoder = encoder
        half, quarter, eighth, sixteenth = encoder.channels
        self.aspp = ASPP(sixteenth, rates, aspp)
        self.decode8 = conv_bn_relu(aspp + eighth, decoder[0])
        self.decode4 = conv_bn_relu(decoder[0] + quarter, decoder[1])
        self.decode2 = conv_bn_relu(decoder[1] + half, decoder[2])
        self.decode1 = nn.Conv2d(decoder[2] + 6, 1 + 3 + 1 + hidden, 3, padding=1)
        self.outputs = (1, 3, 1, hidden)

    def forward(self, images: torch.Tensor, clamp: bool = True) -> tuple[torch.Tensor, ...]:
        """Image and plate (N,6,H,W) -> alpha (N,1,H,W), residual (N,3,H,W), error (N,1,H,W), hidden (N,32,H,W).

        The foreground is image + residual. With clamp, alpha and error are in [0,1].
        """
        f1, f2, f3, f4 = self.encoder(images)  # 16 at 1/2, 24 at 1/4, 32 at 1/8, 320 at 1/16
        x = self.aspp(f4)  # (N, 256, H/16, W/16)
        x = self.decode8(concat_up(x, f3))  # (N, 128, H/8, W/8)
        x = self.decode4(concat_up(x, f2))  # (N, 64, H/4, W/4)
        x = self.decode2(concat_up(x, f1))  # (N, 48, H/2, W/2)
        x = self.decode1(concat_up(x, images)).float()  # (N, 37, H, W)
        alpha, residual, error, hidden = x.split(self.outputs, dim=1)
        if clamp:
            alpha, error = alpha.clamp(0, 1), error.clamp(0, 1)
        return alpha, residual, error, hidden.relu()


class Refiner(nn.Module):
    """Two convolutions at half resolution and two at full, on the whole image or on windows around chosen cells.

    A cell is 4 x 4 px. Without padding each convolution takes one pixel from every side, so the window of a cell has
    8 x 8 px at half resolution (its own 2 x 2 and 3 around), 4 x 4 after two convolutions, 8 x 8 when doubled, and
    4 x 4 again after two more: the cell. The same layers on the whole image give the same numbers in evaluation mode.

    hidden: channels of the base's hidden map. mode: "sampling" refines the cells of the largest error, as many as
    `pixels` fill (below 1: a share of the image); "full" refines all.
    """

    def __init__(self, hidden: int = 32, mode: str = "sampling", pixels: float = 80_000):
        super().__init__()
        if mode not in MODES:
            raise UserError(f"mode: expected one of {', '.join(MODES)}, found {mode!r}; choose one.")
        self.mode, self.pixels = mode, pixels
        self.at_half = nn.Sequential(conv_bn_relu(hidden + 4 + 6, 24, padding=0), conv_bn_relu(24, 16, padding=0))
        self.at_full = nn.Sequential(conv_bn_relu(16 + 6, 12, padding=0), nn.Conv2d(12, 4, 3))

    def forward(
        self, images: torch.Tensor, coarse: torch.Tensor, error: torch.Tensor, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """images (N,6,H,W); coarse alpha and residual (N,4,h,w), error (N,1,h,w), hidden (N,32,h,w) of the base.

        Gives alpha and residual (N,4,H,W), and the refined cells, (N,H/4,W/4) boolean. 4 divides H and W.
        """
        height, width = images.shape[-2:]
        half_size = height // 2, width // 2
        cells = self.select(_resize(error, (height // 4, width // 4)).squeeze(1))
        half = torch.cat([_resize(torch.cat([hidden, coarse], dim=1), half_size), _resize(images, half_size)], dim=1)
        half = F.pad(half, (3, 3, 3, 3))  # (N, 42, H/2 + 6, W/2 + 6)
        full = F.pad(images, (2, 2, 2, 2))  # (N, 6, H + 4, W + 4)
        if self.mode == "full":
            return self.compute(half, full), cells
        rough = _resize(coarse, (height, width))  # (N, 4, H, W)
        if not cells.any():
            return rough, cells
        fine = self.compute(_windows(half, cells, 2), _windows(full, cells, 4))  # (P, 4, 4, 4)
        return _replace_cells(rough, fine, cells), cells

    def select(self, error: torch.Tensor) -> torch.Tensor:
        """Error of each cell (N,h,w) -> the cells to refine, (N,h,w) boolean; with "sampling" none of error 0."""
        if self.mode == "full":
            return torch.ones_like(error, dtype=torch.bool)
        flat = error.flatten(1)
        cells = round(self.pixels * flat.shape[1]) if self.pixels < 1 else int(self.pixels // 16)
        largest = flat.topk(min(cells, flat.shape[1]), dim=1).indices
        chosen = torch.zeros_like(flat, dtype=torch.bool).scatter(1, largest, True)
        return (chosen & (flat > 0)).view_as(error)

    def compute(self, half: torch.Tensor, full: torch.Tensor) -> torch.Tensor:
        """(M,42,h+6,w+6) at half resolution, (M,6,2h+4,2w+4) at full -> alpha and residual (M,4,2h,2w)."""
        x = self.at_half(half)  # (M, 16, h + 2, w + 2)
        x = F.interpolate(x, scale_factor=2, mode="nearest")  # (M, 16, 2h + 4, 2w + 4)
        return self.at_full(torch.cat([x, full], dim=1))  # (M, 4, 2h, 2w)


class BackgroundMatting(nn.Module):
    """Base at low resolution, refiner at full. scale: of the base's images, at most 1/2; published 1/4."""

    def __init__(self, base: Base, refiner: Refiner, scale: float = 0.25):
        super().__init__()
        if not 0 < scale <= 0.5:
            raise UserError(f"scale: expected more than 0 and at most 0.5, found {scale!r}; the refiner starts at 1/2.")
        self.base, self.refiner, self.scale = base, refiner, scale
        # Alpha starts around 0.5: beyond [0,1] the clamp's gradient is 0, and such pixels would never learn.
        for last in (base.decode1, refiner.at_full[-1]):
            nn.init.normal_(last.weight[:4], std=0.01)
            nn.init.zeros_(last.bias)
            nn.init.constant_(last.bias[:1], 0.5)

    def forward(self, image: torch.Tensor, plate: torch.Tensor, clamp: bool = True) -> BGMv2Output:
        """image, plate (N,3,H,W) float RGB in [0,1], of one size, which may be any.

        clamp: alpha, error and foregrounds to [0,1]; without it, as in the first steps of a training, no gradient is
        cut off. UserError where the sizes differ.
        """
        if image.shape != plate.shape:
            raise UserError(
                f"plate: expected the picture's size, {_size(image)}, found {_size(plate)}; photograph the "
                "empty place with the same camera, or resize it."
            )
        height, width = image.shape[-2:]
        images = torch.cat([image, plate], dim=1)
        images = F.pad(images, (0, -width % 4, 0, -height % 4), mode="replicate")  # (N, 6, H, W), 4 divides the sides
        small = _resize(images, [max(1, int(side * self.scale)) for side in images.shape[-2:]])
        alpha, residual, error, hidden = self.base(small, clamp)  # (N, 1 | 3 | 1 | 32, scale H, scale W)
        fine, cells = self.refiner(images, torch.cat([alpha, residual], dim=1), error, hidden)
        fine = fine[..., :height, :width].float()  # (N, 4, H, W)
        maps = fine[:, :1], image + fine[:, 1:], alpha, small[:, :3] + residual, error
        if clamp:
            maps = (each.clamp(0, 1) for each in maps)
        return BGMv2Output(*maps, cells.unsqueeze(1))


def small(mode: str = "sampling") -> BackgroundMatting:
    """A size for two cores and images of some 320 px: EfficientNet-Lite0, half the channels, a tenth of the cells refined.

    Its training takes mode "full", so that the refiner learns from every pixel.
    """
    base = Base(LiteBackbone(6), aspp=64, rates=(2, 4, 6), decoder=(64, 48, 32), hidden=16)
    return BackgroundMatting(base, Refiner(16, mode, pixels=0.1), scale=0.5)


def _resize(x: torch.Tensor, size) -> torch.Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=False)


def _windows(x: torch.Tensor, cells: torch.Tensor, stride: int) -> torch.Tensor:
    """(N,C,h,w) -> the 8 x 8 windows of the P cells, (P,C,8,8), one window every `stride` px."""
    return x.unfold(2, 8, stride).unfold(3, 8, stride).permute(0, 2, 3, 1, 4, 5)[cells]


def _replace_cells(x: torch.Tensor, patches: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """x (N,4,H,W) with the P patches (P,4,4,4) instead of the cells."""
    n, c, height, width = x.shape
    x = x.view(n, c, height // 4, 4, width // 4, 4).permute(0, 2, 4, 1, 3, 5).clone()  # (N, H/4, W/4, 4, 4, 4)
    x[cells] = patches.to(x.dtype)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(n, c, height, width)


def _size(x: torch.Tensor) -> str:
    return f"{x.shape[-2]}x{x.shape[-1]} px" + (f" ({x.shape[0]} of them)" if x.shape[0] != 1 else "")
