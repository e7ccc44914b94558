"""Trimaps for a picture that has none: from the alpha that a network guesses, from a rough mask, with a brush's strokes.

All of it happens at a small size, where a few pixels are a person's hair, and is brought to the picture's size then: so
the unknown band grows with the picture, and one of 100 megapixels costs no more than a thumbnail.
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
    that of places where alpha is soft over a distance, as in hair and where the network does not know.
    """
    alpha = resized(alpha, _working_size(alpha.shape))
    radius = default_radius(alpha.shape)
    unsure = blurred(4 * alpha * (1 - alpha), radius) > UNSURE
    wide = grown(unsure, WIDER * radius)
    foreground = ~grown(alpha < HIGH, radius) & ~wide
    background = ~grown(alpha > LOW, radius) & ~wide
    return _enlarged(foreground, background, size)


def from_mask(mask: np.ndarray) -> np.ndarray:
    """Trimap (H,W) uint8 from a rough mask (H,W) uint8, 255 = person: unknown within twice the radius of its edge."""
    alpha = resized(mask.astype(np.float32) / 255, _working_size(mask.shape))
    radius = 2 * default_radius(alpha.shape)
    return _enlarged(~grown(alpha < HIGH, radius), ~grown(alpha > LOW, radius), mask.shape)


def brushed(trimap: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    """The trimap with a user's strokes (H,W) uint8 over it: 255 stays, 0 goes, 128 is left as it was."""
    return np.where(strokes == UNKNOWN, trimap, strokes)


def grown(region: np.ndarray, radius: float) -> np.ndarray:
    """A boolean region (h,w) and all within `radius` px of it: dilation with a disc, one row of the disc at a time.

    A row's window has someone in it where the running count of the region rises over it.
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


def resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h,w) float32 at `size` (H,W): means of blocks where that is smaller, bilinear where it is larger."""
    if values.shape == tuple(size):
        return values
    image = Image.fromarray(np.asarray(values, np.float32))
    smaller = size[0] * size[1] < values.size
    return np.asarray(image.resize(size[::-1], Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR))


def blurred(values: np.ndarray, radius: float) -> np.ndarray:
    """Mean (h,w) float32 of values (h,w) in [0,1] over a box of `radius` px to each side, to 1/255."""
    levels = Image.fromarray(np.round(values * 255).astype(np.uint8))
    return np.asarray(levels.filter(ImageFilter.BoxBlur(radius))).astype(np.float32) / 255


def _working_size(shape: tuple[int, int]) -> tuple[int, int]:
    scale = min(1, SIDE / max(shape))
    return tuple(max(1, round(side * scale)) for side in shape)


def _enlarged(foreground: np.ndarray, background: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Trimap of `size`: known where all pixels around it are, so that no edge has steps."""
    trimap = np.full(size, UNKNOWN, np.uint8)
    for region, level in ((foreground, FOREGROUND), (background, BACKGROUND)):
        levels = Image.fromarray(region.astype(np.uint8) * 255).resize(size[::-1], Image.Resampling.BILINEAR)
        trimap[np.asarray(levels) > 250] = level
    return trimap
