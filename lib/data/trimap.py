"""Trimaps from alpha: thresholds, then distances in pixels instead of repeated erosion and dilation.

A pixel is known foreground when it lies farther than `radius` from every pixel that is not foreground by the threshold
rule, known background likewise, and unknown otherwise. That is erosion of both regions with a disc of that radius. The
distances are computed once an image, so a new random radius in every epoch costs one comparison a pixel.
"""

import numpy as np

from lib.base import UserError

# Rule: (low, high). alpha <= low is background, alpha >= high is foreground, the rest is unknown. `tolerant` allows 5 % at
# both ends, as mattes made by hand are seldom clean inside.
TRIMAP_THRESHOLDS = {"strict": (0, 255), "tolerant": (12, 242)}
BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255


def check_rule(rule: str) -> None:
    """UserError unless there is a rule of this name."""
    if rule not in TRIMAP_THRESHOLDS:
        raise UserError(f"trimap_rule: expected {' or '.join(TRIMAP_THRESHOLDS)}, found '{rule}'; choose one of them.")


def signed_distance(alpha: np.ndarray, rule: str = "tolerant") -> np.ndarray:
    """Distance in pixels from each pixel's centre to the nearest pixel outside its known region, signed by region.

    alpha: (..., H, W) uint8. Returns float16 of the same shape: > 0 in the foreground, < 0 in the background, 0 between the
    thresholds; so |d| >= 1 where it is not 0. The picture's border is no edge: a region that fills the picture has +-60000
    (float16 ends at 65504). UserError for an unknown rule.
    """
    check_rule(rule)
    if alpha.dtype != np.uint8 or alpha.ndim < 2:
        raise ValueError(f"alpha: expected uint8 (..., H, W), found {alpha.dtype} {alpha.shape}")
    low, high = TRIMAP_THRESHOLDS[rule]
    distance = np.empty(alpha.shape, np.float16)
    for index in np.ndindex(alpha.shape[:-2]):
        distance[index] = _distance(alpha[index] >= high) - _distance(alpha[index] <= low)
    return distance


def trimap_from_distance(distance, radius):
    """Trimap of `signed_distance`: uint8 255 where distance > radius, 0 where < -radius, else 128.

    distance: (..., H, W), a NumPy array or a torch tensor; the trimap is of the same kind, on the same device. radius: pixels,
    one number or anything that broadcasts against distance.
    """
    foreground, background = distance > radius, distance < -radius
    if isinstance(distance, np.ndarray):
        return np.where(foreground, FOREGROUND, np.where(background, BACKGROUND, UNKNOWN)).astype(np.uint8)
    trimap = foreground.byte().fill_(UNKNOWN)
    return trimap.masked_fill_(foreground, FOREGROUND).masked_fill_(background, BACKGROUND)


def make_trimap(alpha: np.ndarray, radius: float, rule: str = "tolerant") -> np.ndarray:
    """Trimap (..., H, W) uint8 0/128/255 of alpha (..., H, W) uint8; `radius` in pixels."""
    return trimap_from_distance(signed_distance(alpha, rule), radius)


def default_radius(size: int | tuple[int, int]) -> float:
    """Radius in pixels for pictures of `size` (a side, or (height, width)): 1/80 of the shorter side, at least 1.5.

    1.5 makes the 8 neighbours of a pixel unknown, as a 3x3 kernel does; at 600x800 it is 7.5, a disc of 15 pixels.
    """
    return max(1.5, (min(size) if isinstance(size, tuple) else size) / 80)


def trimap_to_float(trimap):
    """Trimap uint8 0/128/255, an array or a tensor, as float32 0, 0.5 or 1, exactly (128 / 255 is not 0.5)."""
    if isinstance(trimap, np.ndarray):
        return (trimap >= UNKNOWN) * np.float32(0.5) + (trimap == FOREGROUND) * np.float32(0.5)
    return (trimap >= UNKNOWN).float() * 0.5 + (trimap == FOREGROUND).float() * 0.5


def fill_known(predicted: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """`predicted` (float in [0,1]) in the unknown pixels of a trimap 0/128/255, 1 in its foreground, 0 in its background.

    Shapes that broadcast; float32. The official evaluations do so.
    """
    trimap = np.asarray(trimap)
    return np.where(trimap == UNKNOWN, predicted, trimap == FOREGROUND).astype(np.float32)


def to_three_levels(trimap: np.ndarray) -> np.ndarray:
    """Each value of a grey trimap (uint8) as the nearest of 0, 128 and 255: tools write 127, JPEG writes 3."""
    return np.where(trimap < 64, BACKGROUND, np.where(trimap > 191, FOREGROUND, UNKNOWN)).astype(np.uint8)


def _distance(region: np.ndarray) -> np.ndarray:
    """Distance (H, W) float32 in pixels of a boolean region's pixels to the nearest pixel outside it; 0 outside."""
    if region.all():  # no pixel outside: cv2 would return its own idea of infinity
        return np.full(region.shape, 60000, np.float32)
    import cv2  # here, since cut-out with ONNX Runtime works without OpenCV

    return cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
