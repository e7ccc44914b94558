"""Porter-Duff compositing (Porter and Duff 1984): one picture over a background, one foreground over another."""

import numpy as np


def composite(alpha: np.ndarray, foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """image = alpha F + (1 - alpha) B (Porter and Duff 1984), rounded: uint8 (H, W) and (H, W, 3) to (H, W,
    3)."""
    weight = alpha.astype(np.uint32)[..., None]
    return ((weight * foreground + (255 - weight) * background + 127) // 255).astype(np.uint8)


def merge(
    alpha: np.ndarray, foreground: np.ndarray, behind_alpha: np.ndarray, behind_foreground: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One foreground over another (Porter and Duff 1984, over): uint8 alpha (H,W), foreground (H,W,3), straight.

    alpha = 1 - (1 - a)(1 - b); the colours are weighted by what each contributes.
    """
    front, behind = alpha[..., None] / np.float32(255), behind_alpha[..., None] / np.float32(255)
    share = (1 - front) * behind
    total = front + share
    colour = (front * foreground + share * behind_foreground) / np.maximum(total, 1e-6)
    colour = np.where(total > 0, colour, foreground)
    return np.round(255 * total[..., 0]).astype(np.uint8), np.round(colour).astype(np.uint8)
