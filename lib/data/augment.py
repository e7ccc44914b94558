"""Augmentation of the study and of Deep Image Matting."""

import numpy as np
import torch
import torch.nn.functional as F

from lib.base import RngStream


def draw_augmentation(
    n: int, seed: int, epoch: int, probability: float = 0.5, max_degrees: float = 30.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """For images 0 to n-1: flip (n,) bool and angle (n,) float32 in degrees.

    An image is chosen with `probability`; the chosen are flipped and turned by a uniform angle of at most
    `max_degrees` to either side (the study: "50% of images to flip and rotate"). Image i gets the same draw for any n.
    """
    uniform = np.random.default_rng([seed, epoch, RngStream.AUGMENT]).random((n, 2))
    chosen = uniform[:, 0] < probability
    angle = np.where(chosen, (2 * uniform[:, 1] - 1) * max_degrees, 0.0)
    return torch.from_numpy(chosen), torch.from_numpy(angle.astype(np.float32))


def flip_rotate(
    image: torch.Tensor,
    alpha: torch.Tensor,
    trimap: torch.Tensor,
    flip: torch.Tensor,
    angle: torch.Tensor,
    border: str = "reflection",
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mirror, then turn counter-clockwise about the centre; the three layers move together.

    image (N,3,H,W), alpha (N,1,H,W), trimap (N,1,H,W): float; flip (N,) bool; angle (N,) degrees. border: what comes in
    from outside, reflection, border or zeros (as in grid_sample). Bilinear for image and alpha, nearest for the trimap.
    """
    stack = torch.cat([image, alpha, trimap], dim=1)
    stack = torch.where(flip.view(-1, 1, 1, 1), stack.flip(-1), stack)
    grid = _rotation_grid(angle, *image.shape[-2:])
    smooth = F.grid_sample(stack[:, :-1], grid, mode="bilinear", padding_mode=border, align_corners=False)
    labels = F.grid_sample(stack[:, -1:], grid, mode="nearest", padding_mode=border, align_corners=False)
    turned = torch.cat([smooth, labels], dim=1)
    turned = torch.where((angle == 0).view(-1, 1, 1, 1), stack, turned)  # no rounding where nothing turns
    channels = image.shape[1]
    return turned[:, :channels], turned[:, channels:-1], turned[:, -1:]


def _rotation_grid(angle: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Grid (N,H,W,2) for grid_sample, turned in pixels so that oblong images are not sheared."""
    radians = torch.deg2rad(angle.float()).view(-1, 1, 1)
    x = torch.arange(width, device=angle.device, dtype=torch.float32) - (width - 1) / 2
    y = torch.arange(height, device=angle.device, dtype=torch.float32).view(-1, 1) - (height - 1) / 2
    source_x = radians.cos() * x - radians.sin() * y
    source_y = radians.sin() * x + radians.cos() * y
    return torch.stack([2 * source_x / width, 2 * source_y / height], dim=-1)


def dim_color_jitter(layer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One layer (H,W,3) uint8 with a gain a channel (within 15 %) and a gamma of 0.8 to 1.25 (Xu et al. 2017, 3.3)."""
    gain = rng.uniform(0.85, 1.15) * rng.uniform(0.93, 1.07, 3)
    gamma = np.exp(rng.uniform(-0.223, 0.223))
    table = np.clip(255 * gain * (np.arange(256)[:, None] / 255) ** gamma, 0, 255).round().astype(np.uint8)
    return np.stack([table[layer[..., channel], channel] for channel in range(3)], axis=-1)
