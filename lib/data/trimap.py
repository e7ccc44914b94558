"""Trimaps from alpha: thresholds, then distances in pixels instead of repeated erosion and dilation.

A pixel is known foreground when it lies farther than `radius` from every pixel that is not foreground by the
threshold rule, known background likewise, and unknown otherwise. That is erosion of both regions with a disc
of that radius, for any real radius; the distances are computed once for an image, so a new random radius in
every epoch of training costs one comparison a pixel.
"""

import numpy as np

from lib.base import UserError

# Rule: (low, high). alpha <= low is background, alpha >= high is foreground, the rest is unknown. `strict`
# takes 0 and 255 only; `tolerant` allows 5 % at both ends, as mattes made by hand are seldom clean inside.
LOW_HIGH = {"strict": (0, 255), "tolerant": (12, 242)}
BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255


def signed_distance(alpha: np.ndarray, rule: str = "tolerant") -> np.ndarray:
    """Distance to the edge of the known regions, in pixels, signed by region.

    alpha: (..., H, W) uint8. Returns float16 of the same shape: d > 0 at a foreground pixel, d the Euclidean
    distance from its centre to the nearest centre of a pixel that is not foreground; d < 0 likewise for
    background; 0 where alpha lies between the thresholds. So |d| >= 1 where it is not 0, and a radius of 0.5
    moves nothing. The picture's own border is no edge; where a region fills the whole image its distance is
    +-60000 (float16 ends at 65504). Distances are exact but for float16's rounding of at most 0.05 %.

    Raises UserError for an unknown rule.
    """
    check_rule(rule)
    if alpha.dtype != np.uint8 or alpha.ndim < 2:
        raise ValueError(f"alpha: expected uint8 (..., H, W), found {alpha.dtype} {alpha.shape}")
    low, high = LOW_HIGH[rule]
    signed = np.empty(alpha.shape, np.float16)
    flat_alpha = alpha.reshape(-1, *alpha.shape[-2:])
    flat_signed = signed.reshape(-1, *alpha.shape[-2:])
    for one, result in zip(flat_alpha, flat_signed, strict=True):
        result[...] = _distance(one >= high) - _distance(one <= low)
    return signed


def check_rule(rule: str) -> None:
    """UserError unless there is a rule of this name."""
    if rule not in LOW_HIGH:
        raise UserError(f"trimap_rule: expected {' or '.join(LOW_HIGH)}, found '{rule}'; choose one of them.")


def from_distance(distance, radius):
    """Trimap from `signed_distance`: uint8 255 where distance > radius, 0 where < -radius, else 128.

    distance: (..., H, W) numpy array or torch tensor; the trimap is of the same kind, on the same device.
    radius: pixels, one number, or anything that broadcasts against distance, for example (N, 1, 1, 1).
    """
    foreground = distance > radius
    background = distance < -radius
    if isinstance(distance, np.ndarray):
        trimap = np.full(foreground.shape, UNKNOWN, np.uint8)
        trimap[foreground] = FOREGROUND
        trimap[background] = BACKGROUND
        return trimap
    import torch

    trimap = torch.full(foreground.shape, UNKNOWN, dtype=torch.uint8, device=distance.device)
    return trimap.masked_fill_(foreground, FOREGROUND).masked_fill_(background, BACKGROUND)


def make_trimap(alpha: np.ndarray, radius: float, rule: str = "tolerant") -> np.ndarray:
    """Trimap (..., H, W) uint8, 0 / 128 / 255, from alpha (..., H, W) uint8; `radius` in pixels."""
    return from_distance(signed_distance(alpha, rule), radius)


def default_radius(size: int | tuple[int, int]) -> float:
    """Radius in pixels for images of `size` (side, or (height, width)): 1/80 of the shorter side, >= 1.5.

    1.5 makes the 8 neighbours of a pixel unknown (the corner lies at 1.41), as the 3x3 kernel does at 28x28;
    at the originals' 600x800 it is 7.5, the 15 px ellipse of the AISegment measurements.
    """
    return max(1.5, (min(size) if isinstance(size, tuple) else size) / 80)


def paste(predicted: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """`predicted` (float in [0,1]) in the trimap's unknown pixels, 1 in its foreground and 0 in its background; float32.

    Shapes that broadcast, trimap uint8 0/128/255. Whoever uses a matte does so, and so do the official evaluations.
    """
    trimap = np.asarray(trimap)
    return np.where(trimap == UNKNOWN, predicted, trimap == FOREGROUND).astype(np.float32)


def three_levels(trimap: np.ndarray) -> np.ndarray:
    """Each value of a grey trimap (uint8) as the nearest of 0, 128 and 255: tools write 127, JPEG writes 3."""
    return np.where(trimap < 64, 0, np.where(trimap > 191, 255, 128)).astype(np.uint8)


def _distance(region: np.ndarray) -> np.ndarray:
    """Distance (H, W) float32 in px of a boolean region's pixels to the nearest pixel outside it; 0
    outside."""
    if region.all():  # no pixel outside: cv2 would return its own idea of infinity
        return np.full(region.shape, 60000, np.float32)
    import cv2  # here, since whoever only has trimaps (lib.cutout with ONNX Runtime) does without

    return cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
