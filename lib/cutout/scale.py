"""Large photographs: alpha at a size that the network knows, then brought to the photograph's own pixels.

A network has learnt with unknown bands of so many pixels. In a photograph of twenty megapixels the band around a person is ten
times as wide: a tile then sees nothing that is known, and the matte becomes a veil. So the picture is shrunk until the widest
place of the band is as wide as in training, and what comes out is enlarged along the edges of the photograph by the guided
filter (He, Sun and Tang 2013, 'Guided image filtering', equations 13 to 16; coefficients of the small picture, He and Sun
2015, 'Fast guided filter').
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from lib.data.trimap import FOREGROUND, UNKNOWN, paste

REACH = 48  # px from the middle of the widest place of the unknown band to its edge
LEAST = 800  # px, the longest side below which nothing is shrunk: that of the pictures that the networks were judged on
LOOKED = 640  # px, the longest side at which the widest place is looked for
RADIUS, EPSILON = 2, 1e-4  # of the guided filter, in pixels of the small picture and squared colours
FLAT = 1e-9  # variance of alpha below which it is the same around a pixel
STRIP = 256  # rows at a time, of the photograph and of the small picture


def matted(alpha_of: Callable[..., np.ndarray], image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Alpha (H,W) float32 of image (H,W,3) uint8 and trimap (H,W) uint8 0/128/255, by `alpha_of` (the same of both) at a size
    that it knows. Known pixels come back as 0 and 1 where that is smaller, else as `alpha_of` leaves them."""
    if (size := working_size(trimap)) == trimap.shape:
        return alpha_of(image, trimap)
    small, known = shrunk(image, trimap, size)
    return enlarged(alpha_of(small, known), small, image, trimap)


def working_size(trimap: np.ndarray) -> tuple[int, int]:
    """(h, w) at which a picture with this trimap (H,W) uint8 is matted: its own, where its unknown band is no wider than REACH."""
    longest = max(trimap.shape)
    step = -(-longest // LOOKED)
    widest = step * reach(trimap[::step, ::step] == UNKNOWN)
    scale = min(1.0, max(REACH / max(widest, 1), LEAST / longest))
    return tuple(max(1, round(side * scale)) for side in trimap.shape)


def reach(region: np.ndarray) -> int:
    """Half the side of the largest square that fits into a region (h,w) bool, in px; 0 for an empty one."""
    count = np.pad(region, [(1, 0), (1, 0)]).cumsum(0, dtype=np.int64).cumsum(1)
    fits, too_large = 0, min(region.shape) + 1
    while too_large - fits > 1:
        side = (fits + too_large) // 2
        inside = count[side:, side:] - count[:-side, side:] - count[side:, :-side] + count[:-side, :-side]
        fits, too_large = (side, too_large) if (inside == side * side).any() else (fits, side)
    return fits // 2


def shrunk(image: np.ndarray, trimap: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """image (H,W,3) uint8 and trimap (H,W) uint8 at a smaller `size`: means of blocks; unknown where a block has an unknown
    pixel."""
    small = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX))
    known = np.array(Image.fromarray(trimap).resize(size[::-1], Image.Resampling.NEAREST))
    for top in range(0, len(trimap), STRIP):  # counted, not averaged: a mean rounds one pixel in a thousand away
        rows, columns = np.nonzero(trimap[top : top + STRIP] == UNKNOWN)
        known[(rows + top) * size[0] // len(trimap), columns * size[1] // trimap.shape[1]] = UNKNOWN
    return small, known


def enlarged(alpha: np.ndarray, small: np.ndarray, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Alpha (H,W) float32 from alpha (h,w) float32 of the picture `small` (h,w,3), shrunk from image (H,W,3), both uint8.

    Around each pixel of the small picture alpha is as nearly a linear function of colour as it can be; that function, averaged
    over a pixel's neighbours, is then given the photograph's own colours. Known pixels of trimap (H,W) come back as 0 and 1.
    """
    slope, level = _linear(alpha, small)
    height, width = trimap.shape
    result = (trimap == FOREGROUND).astype(np.float32)
    columns = _between(width, alpha.shape[1])
    for top in range(0, height, STRIP):
        rows = slice(top, min(top + STRIP, height))
        if (trimap[rows] == UNKNOWN).any():
            places = tuple(part[rows] for part in _between(height, alpha.shape[0])), columns
            found = _bilinear(level, *places)
            for channel in range(3):
                found += _bilinear(slope[channel], *places) * (image[rows, :, channel].astype(np.float32) / 255)
            result[rows] = paste(found.clip(0, 1), trimap[rows])
    return result


def _linear(alpha: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes (3,h,w) and levels (h,w), float32, of alpha as a linear function of colour within RADIUS of each pixel, averaged
    over all functions that a pixel takes part in; image (h,w,3) uint8. In strips, whose margins are what an average looks at."""
    height, margin = len(alpha), 2 * RADIUS
    parts = []
    for top in range(0, height, STRIP):
        first, last = max(top - margin, 0), min(top + STRIP + margin, height)
        slope, level = _functions(alpha[first:last], image[first:last])
        inner = slice(top - first, min(top + STRIP, height) - first)
        parts.append((slope[:, inner], level[inner]))
    slopes, levels = zip(*parts, strict=True)
    return np.concatenate(slopes, axis=1), np.concatenate(levels)


def _functions(alpha: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `_linear` says of a picture as a whole. In double precision, since a covariance is a small difference."""
    colours = image.transpose(2, 0, 1) / 255
    alpha = alpha.astype(float)
    mean, mean_alpha = np.stack([_mean(one) for one in colours]), _mean(alpha)
    soft = _mean(alpha * alpha) - mean_alpha * mean_alpha > FLAT
    matrices = np.empty((np.count_nonzero(soft), 3, 3))
    for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        spread = _mean(colours[a] * colours[b])[soft] - mean[a][soft] * mean[b][soft]
        matrices[:, a, b] = matrices[:, b, a] = spread + (EPSILON if a == b else 0)
    together = (
        np.stack([_mean(colours[c] * alpha)[soft] for c in range(3)], axis=-1)
        - mean[:, soft].T * mean_alpha[soft, None]
    )
    slope = np.zeros_like(mean)
    slope[:, soft] = np.linalg.solve(matrices, together[..., None])[..., 0].T
    level = mean_alpha - (slope * mean).sum(axis=0)
    return np.stack([_mean(one) for one in slope]).astype(np.float32), _mean(level).astype(np.float32)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean (h,w) over the square within RADIUS of each pixel; at a border the border's pixels go on."""
    for axis in range(2):
        margins = [(RADIUS, RADIUS) if each == axis else (0, 0) for each in range(2)]
        wide, length = np.pad(values, margins, mode="edge"), values.shape[axis]
        parts = (wide.take(range(start, start + length), axis) for start in range(2 * RADIUS + 1))
        values = sum(parts) / (2 * RADIUS + 1)
    return values


def _between(many: int, few: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `many` pixels of a side its two neighbours among `few`, and the second's weight; pixels are areas."""
    place = ((np.arange(many, dtype=np.float32) + 0.5) * (few / many) - 0.5).clip(0, few - 1)
    first = place.astype(np.int64)
    return first, np.minimum(first + 1, few - 1), place - first


def _bilinear(values: np.ndarray, rows: tuple, columns: tuple) -> np.ndarray:
    """Values (h,w) at the places of `_between`."""
    (top, bottom, down), (left, right, across) = rows, columns
    tall = values[top] * (1 - down)[:, None] + values[bottom] * down[:, None]
    return tall[:, left] * (1 - across) + tall[:, right] * across
