"""Large photographs: matted at a size that the network knows, then brought to their own pixels by a guided filter.

A network has learnt with unknown bands of so many pixels. In twenty megapixels the band is ten times as wide, and a tile sees
nothing that is known. So the picture is shrunk until the band's widest part is as wide as in training, and alpha is enlarged
along the photograph's edges (He, Sun and Tang 2013, 'Guided image filtering', equations 13 to 16; coefficients of the small
picture: He and Sun 2015, 'Fast guided filter').
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from lib import tiles
from lib.data.trimap import UNKNOWN, fill_known

BAND = 48  # px from the middle of the widest part of the unknown band to its edge
MIN_SIDE = 800  # px, the longest side below which nothing is shrunk
SEARCH_SIDE = 640  # px, the longest side at which the widest part is looked for
RADIUS, EPSILON = 2, 1e-4  # of the guided filter: pixels of the small picture, squared colors
FLAT = 1e-9  # variance of alpha below which it is the same around a pixel
STRIP = 256  # rows at a time, of the photograph and of the small picture


def matte(network: Callable, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Alpha (H,W) float32 of image (H,W,3) uint8 and trimap (H,W) uint8, known pixels kept. network: the same of a tile."""
    if (size := working_size(trimap)) == trimap.shape:
        return tiles.predict_tiled(network, image, trimap)
    small = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX))
    return guided_upsample(tiles.predict_tiled(network, small, shrink_trimap(trimap, size)), small, image, trimap)


def working_size(trimap: np.ndarray) -> tuple[int, int]:
    """(h, w) at which a picture is matted: its own, where its unknown band is no wider than BAND."""
    longest = max(trimap.shape)
    step = -(-longest // SEARCH_SIDE)
    widest = step * half_largest_square(trimap[::step, ::step] == UNKNOWN)
    scale = min(1.0, max(BAND / max(widest, 1), MIN_SIDE / longest))
    return tuple(max(1, round(side * scale)) for side in trimap.shape)


def half_largest_square(region: np.ndarray) -> int:
    """Half the side of the largest square that fits into a region (h,w) bool, by bisection over its summed-area table."""
    total = np.pad(region, [(1, 0), (1, 0)]).cumsum(0, dtype=np.int64).cumsum(1)
    fits, too_large = 0, min(region.shape) + 1
    while too_large - fits > 1:
        side = (fits + too_large) // 2
        inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
        fits, too_large = (side, too_large) if (inside == side * side).any() else (fits, side)
    return fits // 2


def shrink_trimap(trimap: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Unknown where a block has an unknown pixel (a mean would round one in a thousand away), else the nearest pixel."""
    small = np.array(Image.fromarray(trimap).resize(size[::-1], Image.Resampling.NEAREST))
    for top in range(0, len(trimap), STRIP):
        rows, columns = np.nonzero(trimap[top : top + STRIP] == UNKNOWN)
        small[(rows + top) * size[0] // trimap.shape[0], columns * size[1] // trimap.shape[1]] = UNKNOWN
    return small


def guided_upsample(alpha: np.ndarray, small: np.ndarray, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Alpha (H,W) from alpha (h,w) of the picture `small` (h,w,3) uint8: a . color + b, with a and b of each small pixel
    interpolated to the photograph's size and given its colors, image (H,W,3) uint8. Known pixels of the trimap are kept."""
    height, width = trimap.shape
    planes = [Image.fromarray(plane) for plane in _linear_coefficients(alpha, small)]
    result, scale = np.empty((height, width), np.float32), alpha.shape[0] / height
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        box = (0, top * scale, alpha.shape[1], bottom * scale)
        *a, b = (np.asarray(plane.resize((width, bottom - top), Image.Resampling.BILINEAR, box)) for plane in planes)
        colors = image[top:bottom].astype(np.float32) / 255
        result[top:bottom] = b + sum(part * colors[..., channel] for channel, part in enumerate(a))
    return fill_known(result.clip(0, 1), trimap)


def _linear_coefficients(alpha: np.ndarray, image: np.ndarray) -> np.ndarray:
    """a and b (4,h,w) float32 of the guided filter, averaged over the windows that a pixel is in; image (h,w,3) uint8."""
    result = np.empty((4, *alpha.shape), np.float32)
    for top in range(0, len(alpha), STRIP):  # with the rows that an average of averages looks at
        first, last = max(top - 2 * RADIUS, 0), min(top + STRIP + 2 * RADIUS, len(alpha))
        part = _coefficients(alpha[first:last].astype(float), image[first:last] / 255)
        result[:, top : top + STRIP] = part[:, top - first : top - first + STRIP]
    return result


def _coefficients(alpha: np.ndarray, image: np.ndarray) -> np.ndarray:
    mean_i, mean_a = _box_mean(image), _box_mean(alpha)
    soft = _box_mean(alpha * alpha) - mean_a * mean_a > FLAT
    outer = image[..., :, None] * image[..., None, :]
    covariance = (_box_mean(outer) - mean_i[..., :, None] * mean_i[..., None, :])[soft] + EPSILON * np.eye(3)
    with_alpha = _box_mean(image * alpha[..., None]) - mean_i * mean_a[..., None]
    a = np.zeros_like(image)
    a[soft] = np.linalg.solve(covariance, with_alpha[soft][..., None])[..., 0]
    return np.stack([*np.moveaxis(_box_mean(a), -1, 0), _box_mean(mean_a - (a * mean_i).sum(-1))])


def _box_mean(values: np.ndarray) -> np.ndarray:
    """Mean of (h,w,...) over (2 RADIUS + 1)^2 pixels; at a border its pixels go on."""
    for axis in (0, 1):
        pad = [(RADIUS, RADIUS) if axis == each else (0, 0) for each in range(values.ndim)]
        wide, length = np.pad(values, pad, mode="edge"), values.shape[axis]
        values = sum(wide.take(range(start, start + length), axis) for start in range(2 * RADIUS + 1)) / (
            2 * RADIUS + 1
        )
    return values
