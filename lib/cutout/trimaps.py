"""A trimap from the alpha that a network guesses.

It is made at a small size, where a few pixels are a person's hair, and enlarged: so the unknown band grows with the picture,
and one of 100 megapixels costs no more than a thumbnail.
"""

import numpy as np
from PIL import Image, ImageFilter

from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN, default_radius

SIDE = 640  # px, the longest side at which trimaps are made
LOW, HIGH = 0.05, 0.95  # alpha up to and from which the network is believed
UNSURE = 0.3  # mean of 4 alpha (1 - alpha) around a pixel where hair or doubt is; a sharp edge has about 0.15
WIDER = 2.5  # times the radius there


def from_alpha(alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Trimap uint8 0/128/255 of `size` (H,W) from a guessed alpha (h,w) float32 in [0,1], of any size.

    Unknown is what lies within a radius (lib.data.trimap.default_radius) of both regions' edges and within WIDER times
    that of pixels where alpha is soft over a distance, as in hair and where the network does not know.
    """
    scale = min(1, SIDE / max(alpha.shape))
    small = tuple(max(1, round(side * scale)) for side in alpha.shape)
    if small != alpha.shape:
        alpha = np.asarray(Image.fromarray(alpha).resize(small[::-1], Image.Resampling.BOX))
    radius = default_radius(small)
    softness = Image.fromarray(np.round(4 * alpha * (1 - alpha) * 255).astype(np.uint8))
    unsure = np.asarray(softness.filter(ImageFilter.BoxBlur(radius))).astype(np.float32) / 255 > UNSURE
    wide = dilate(unsure, WIDER * radius)
    regions = {FOREGROUND: ~dilate(alpha < HIGH, radius) & ~wide, BACKGROUND: ~dilate(alpha > LOW, radius) & ~wide}
    trimap = np.full(size, UNKNOWN, np.uint8)
    for level, region in regions.items():  # known where all pixels around are, so that no edge has steps
        large = Image.fromarray(region.astype(np.uint8) * 255).resize(size[::-1], Image.Resampling.BILINEAR)
        trimap[np.asarray(large) > 250] = level
    return trimap


def dilate(region: np.ndarray, radius: float) -> np.ndarray:
    """A region (h,w) bool and all within `radius` px of it, one row of the disc at a time.

    A row's window holds a pixel of the region where the running count rises over the window.
    """
    height, width = region.shape
    result = np.zeros_like(region)
    for step in range(-int(radius), int(radius) + 1):
        reach = int(np.sqrt(radius * radius - step * step))
        count = np.cumsum(np.pad(region, [(0, 0), (reach + 1, reach)]), axis=1, dtype=np.int32)
        near = count[:, 2 * reach + 1 :] > count[:, :width]
        if abs(step) < height:
            source, target = slice(max(0, -step), height - max(0, step)), slice(max(0, step), height - max(0, -step))
            result[target] |= near[source]
    return result
