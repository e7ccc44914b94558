"""Robust Video Matting (Lin et al. 2022): alpha and foreground of a clip, each frame with the memory of those before.

An encoder, a light pyramid pooling, and a decoder in which half of the channels of each scale pass through a
convolutional gated recurrent unit (ConvGRU, Ballas et al. 2016). Large frames are computed small and brought to full
size by a deep guided filter (Wu et al. 2018). Written from the paper and from the shapes of the published network, with
whose outputs the tests compare; the authors' code is GPL-3.0 and wasn't used. M = B T frames go through the convolutions
at once; only the recurrent units walk through time. tests/models/published.py has the published encoders.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from lib.base import UserError
from lib.models.backbones import LiteBackbone
from lib.models.layers import conv_bn_relu, upsample_like

States = tuple[torch.Tensor | None, ...]  # of the ConvGRUs at 1/2, 1/4, 1/8, 1/16: (B, channels / 2, h, w) each


class RVMOutput(NamedTuple):
    """Without T for a single image."""

    alpha: torch.Tensor  # (B, T, 1, H, W)
    foreground: torch.Tensor  # (B, T, 3, H, W) RGB
    states: States  # to be handed over with the clip's next frames


class LRASPP(nn.Module):
    """Lite reduced atrous spatial pyramid pooling (Howard et al. 2019): features times a gate of the whole image."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.features = conv_bn_relu(inputs, outputs, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, outputs, 1, bias=False), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(M,inputs,h,w) -> (M,outputs,h,w)."""
        return self.features(x) * self.gate(x)


class ConvGRU(nn.Module):
    """Recurrent unit on the second half of the channels; the first half passes by."""

    def __init__(self, channels: int):
        super().__init__()
        self.gates = nn.Conv2d(channels, channels, 3, padding=1)
        self.candidate = nn.Conv2d(channels, channels // 2, 3, padding=1)

    def forward(self, x: torch.Tensor, frames: int, state: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """(M,channels,h,w), T, state (B,channels/2,h,w) or None for zeros -> (M,channels,h,w), state of frame T."""
        passing, now = x.chunk(2, dim=1)
        now = now.unflatten(0, (-1, frames))  # (B, T, channels / 2, h, w)
        state = torch.zeros_like(now[:, 0]) if state is None else state
        if state.shape != now[:, 0].shape:
            raise UserError(
                f"states: expected {tuple(now[:, 0].shape)}, found {tuple(state.shape)}; hand over states "
                "of frames of the same size and ratio only, and none at a cut."
            )
        outputs = []
        for frame in now.unbind(1):
            reset, update = self.gates(torch.cat([frame, state], dim=1)).sigmoid().chunk(2, dim=1)
            candidate = self.candidate(torch.cat([frame, reset * state], dim=1)).tanh()
            state = (1 - update) * state + update * candidate  # (B, channels / 2, h, w)
            outputs.append(state)
        return torch.cat([passing, torch.stack(outputs, dim=1).flatten(0, 1)], dim=1), state


class NoMemory(nn.Module):
    """Instead of a ConvGRU: every frame for itself."""

    def forward(self, x: torch.Tensor, frames: int, state: None) -> tuple[torch.Tensor, None]:
        return x, None


class DecoderStage(nn.Module):
    """One scale of the decoder: the coarser map, the encoder's and the image, convolved, then the ConvGRU."""

    def __init__(self, coarse: int, skip: int, outputs: int, memory: bool):
        super().__init__()
        self.convolution = conv_bn_relu(coarse + skip + 3, outputs)
        self.memory = ConvGRU(outputs) if memory else NoMemory()

    def forward(
        self, x: torch.Tensor, skip: torch.Tensor, image: torch.Tensor, frames: int, state: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(M,coarse,h/2,w/2), (M,skip,h,w), (M,3,h,w) -> (M,outputs,h,w), state."""
        x = self.convolution(torch.cat([_doubled(x, image), skip, image], dim=1))
        return self.memory(x, frames, state)


class DeepGuidedFilter(nn.Module):
    """Brings a small result to full size: y = A x + b in each window, A learned from the window's statistics."""

    def __init__(self, hidden: int):
        super().__init__()
        self.box = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
        nn.init.constant_(self.box.weight, 1 / 9)  # a mean at the start, trained on
        self.coefficients = nn.Sequential(
            conv_bn_relu(4 + 4 + hidden, 16, 1), conv_bn_relu(16, 16, 1), nn.Conv2d(16, 4, 1)
        )

    def forward(self, small: torch.Tensor, full: torch.Tensor, y: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """small (M,3,h,w) and full (M,3,H,W) RGB, y (M,4,h,w), hidden (M,hidden,h,w) -> y at full size (M,4,H,W)."""
        x = torch.cat([small, small.mean(1, keepdim=True)], dim=1)  # (M, 4, h, w), the fourth guides alpha
        mean_x, mean_y = self.box(x), self.box(y)
        covariance = self.box(x * y) - mean_x * mean_y  # (M, 4, h, w)
        variance = self.box(x * x) - mean_x * mean_x  # (M, 4, h, w)
        a = self.coefficients(torch.cat([covariance, variance, hidden], dim=1))
        b = mean_y - a * mean_x
        return upsample_like(a, full) * torch.cat([full, full.mean(1, keepdim=True)], dim=1) + upsample_like(b, full)


class VideoMatting(nn.Module):
    """Encoder, pooling, recurrent decoder, and the deep guided filter for frames computed at a smaller size.

    encoder: of RGB images, as lib.models.backbones.LiteBackbone. aspp: channels at 1/16. decoder: channels at 1/8, 1/4,
    1/2, 1/1. memories: how many scales have a ConvGRU, from the coarsest on: 4 (published), 3 (not 1/2) ... 0 (every
    frame for itself). The defaults are the published size, with MobileNetV3-Large 3.7 million weights.
    """

    def __init__(
        self,
        encoder: nn.Module,
        aspp: int = 128,
        decoder: tuple[int, int, int, int] = (80, 40, 32, 16),
        memories: int = 4,
    ):
        super().__init__()
        self.encoder = encoder
        half, quarter, eighth, sixteenth = encoder.channels
        self.aspp = LRASPP(sixteenth, aspp)
        self.memory16 = ConvGRU(aspp) if memories > 0 else NoMemory()
        self.level8 = DecoderStage(aspp, eighth, decoder[0], memories > 1)
        self.level4 = DecoderStage(decoder[0], quarter, decoder[1], memories > 2)
        self.level2 = DecoderStage(decoder[1], half, decoder[2], memories > 3)
        self.level1 = nn.Sequential(conv_bn_relu(decoder[2] + 3, decoder[3]), conv_bn_relu(decoder[3], decoder[3]))
        self.matting = nn.Conv2d(decoder[3], 4, 1)
        self.segmentation = nn.Conv2d(
            decoder[3], 1, 1
        )  # of the published training's second task; in the weights' files
        self.filter = DeepGuidedFilter(decoder[3])
        self.halve = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)
        # Alpha starts around 0.5: beyond [0,1] the clamp's gradient is 0, and such pixels would never learn.
        nn.init.normal_(self.matting.weight, std=0.01)
        nn.init.zeros_(self.matting.bias)
        nn.init.constant_(self.matting.bias[3:], 0.5)

    def features(self, s1: torch.Tensor, frames: int, states: States) -> tuple[torch.Tensor, States]:
        """RGB frames (M,3,H,W) in [0,1], T of each clip, states -> (M,16,H,W), states."""
        r1, r2, r3, r4 = states
        s2 = self.halve(s1)  # (M, 3, H/2, W/2)
        s4 = self.halve(s2)  # (M, 3, H/4, W/4)
        s8 = self.halve(s4)  # (M, 3, H/8, W/8)
        f1, f2, f3, f4 = self.encoder(s1)  # 16 at 1/2, 24 at 1/4, 40 at 1/8, 960 at 1/16
        x, r4 = self.memory16(self.aspp(f4), frames, r4)  # (M, 128, H/16, W/16), 64 of them in the state
        x, r3 = self.level8(x, f3, s8, frames, r3)  # (M, 80, H/8, W/8), 40
        x, r2 = self.level4(x, f2, s4, frames, r2)  # (M, 40, H/4, W/4), 20
        x, r1 = self.level2(x, f1, s2, frames, r1)  # (M, 32, H/2, W/2), 16
        x = self.level1(torch.cat([_doubled(x, s1), s1], dim=1))  # (M, 16, H, W)
        return x, (r1, r2, r3, r4)

    def forward(
        self, clip: torch.Tensor, states: States | None = None, ratio: float = 1.0, clamp: bool = True
    ) -> RVMOutput:
        """clip (B,T,3,H,W), or one image (B,3,H,W), float RGB in [0,1].

        states: those of the frames just before, or None at the start and at a cut. ratio: frames are computed at this
        fraction of their size, then filtered to full size; published rule: min(512 / longest side, 1). clamp: alpha and
        foreground to [0,1]; without it, as in the first steps of a training, no gradient is cut off. UserError for a
        ratio out of range, or states of another size.
        """
        if not 0 < ratio <= 1:
            raise UserError(f"ratio: expected more than 0 and at most 1, found {ratio!r}; 1 computes at full size.")
        frames = clip.shape[1] if clip.ndim == 5 else 1
        full = clip.flatten(0, 1) if clip.ndim == 5 else clip  # (M, 3, H, W)
        small = full  # (M, 3, h, w)
        if ratio != 1:
            small = F.interpolate(full, scale_factor=ratio, mode="bilinear", align_corners=False)
        hidden, states = self.features(small, frames, states or (None,) * 4)
        y = self.matting(hidden).float()  # (M, 4, h, w): residual and alpha
        if ratio != 1:
            y = self.filter(small, full, y, hidden).float()  # (M, 4, H, W)
        foreground, alpha = full + y[:, :3], y[:, 3:]
        if clamp:
            foreground, alpha = foreground.clamp(0, 1), alpha.clamp(0, 1)
        if clip.ndim == 5:
            foreground, alpha = (each.unflatten(0, (-1, frames)) for each in (foreground, alpha))
        return RVMOutput(alpha, foreground, states)


def small(memories: int = 3) -> VideoMatting:
    """A size for two cores: EfficientNet-Lite0 instead of MobileNetV3, half the channels, no memory at 1/2."""
    return VideoMatting(LiteBackbone(3), aspp=64, decoder=(40, 24, 16, 12), memories=memories)


def _doubled(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """x at twice its size, cut to that of `like`: sides are halved and rounded up, so one pixel may be too many."""
    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return x[..., : like.shape[-2], : like.shape[-1]]
