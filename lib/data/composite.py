"""Porter-Duff compositing (Porter and Duff 1984). Without PyTorch, since planning a run reads the data sets."""

import numpy as np


def composite(alpha: np.ndarray, foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """alpha F + (1 - alpha) B, rounded (Porter and Duff 1984): uint8 (H,W), (H,W,3), (H,W,3) to (H,W,3)."""
    weight = alpha.astype(np.uint32)[..., None]
    return ((weight * foreground + (255 - weight) * background + 127) // 255).astype(np.uint8)


def merge(
    alpha: np.ndarray, foreground: np.ndarray, behind_alpha: np.ndarray, behind_foreground: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One foreground over another (Porter and Duff 1984, "over"): uint8 alpha (H,W), straight foreground (H,W,3).

    alpha = 1 - (1 - a)(1 - b); the colours are weighted by what each contributes.
    """
    front, behind = alpha[..., None] / np.float32(255), behind_alpha[..., None] / np.float32(255)
    share = (1 - front) * behind
    total = front + share
    color = (front * foreground + share * behind_foreground) / np.maximum(total, 1e-6)
    color = np.where(total > 0, color, foreground)
    return np.round(255 * total[..., 0]).astype(np.uint8), np.round(color).astype(np.uint8)
