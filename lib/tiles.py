"""A picture of any size by whatever knows the alpha of a part: tiles, their blending, margins. NumPy alone.

PyTorch (lib.inference) and ONNX Runtime (lib.cutout.network) run networks through it.
"""

from collections.abc import Callable, Iterator

import numpy as np

from lib.base import UserError
from lib.data.trimap import UNKNOWN, paste

MULTIPLE = 32  # five halvings
TILE, OVERLAP = 800, 128  # pixels; a tile of 800x800 takes the full-width network about 1.5 GiB in float32


def matte(
    alpha_of: Callable[[np.ndarray, np.ndarray], np.ndarray],
    image: np.ndarray,
    trimap: np.ndarray,
    *,
    tile: int = TILE,
    overlap: int = OVERLAP,
) -> np.ndarray:
    """Alpha (H,W) float32 in [0,1] of image (H,W,3) float32 RGB in [0,1] and trimap (H,W) uint8 0/128/255.

    alpha_of: from image (h,w,3) and trimap (h,w) of a tile, views of the whole, to its alpha (h,w) float32.

    Known pixels come back as 0 and 1. A picture larger than `tile` px on a side is cut into tiles of at most that
    size, which overlap by `overlap` px and are blended there; tiles without unknown pixels are skipped. UserError for
    a tile that hardly reaches beyond its overlaps.
    """
    if tile < 2 * overlap:
        raise UserError(f"tile: expected at least {2 * overlap} px (twice the overlap), found {tile}; enlarge it.")
    height, width = trimap.shape
    total = np.zeros((height, width), np.float32)
    weight = np.zeros((height, width), np.float32)
    for rows, columns in _tiles(trimap, tile, overlap):
        ramp = _ramp(rows, height, overlap)[:, None] * _ramp(columns, width, overlap)
        total[rows, columns] += ramp * alpha_of(image[rows, columns], trimap[rows, columns])
        weight[rows, columns] += ramp
    return paste(total / np.maximum(weight, 1e-6), trimap)


def padded(array: np.ndarray) -> np.ndarray:
    """array (h,w) or (h,w,C), its sides brought up to multiples of 32 at the right and below, by reflection; a side of
    one pixel, which has nothing to reflect, is repeated."""
    margins = [(0, -side % MULTIPLE) for side in array.shape[:2]] + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, margins, mode="reflect" if min(array.shape[:2]) > 1 else "edge")


def _tiles(trimap: np.ndarray, tile: int, overlap: int) -> Iterator[tuple[slice, slice]]:
    """The tiles that hold unknown pixels."""
    for rows in _spans(trimap.shape[0], tile, overlap):
        for columns in _spans(trimap.shape[1], tile, overlap):
            if (trimap[rows, columns] == UNKNOWN).any():
                yield rows, columns


def _spans(length: int, tile: int, overlap: int) -> list[slice]:
    """As few spans of one size as cover `length` with at least `overlap` in common; one where it fits the tile."""
    if length <= tile:
        return [slice(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    starts = np.linspace(0, length - tile, count).round().astype(int).tolist()
    return [slice(start, start + tile) for start in starts]


def _ramp(span: slice, length: int, overlap: int) -> np.ndarray:
    """Weight of each pixel of a span (n,): rises over the overlap from a side that has a neighbour."""
    n = span.stop - span.start
    ramp = np.ones(n, np.float32)
    rise = (np.arange(min(overlap, n), dtype=np.float32) + 1) / (overlap + 1)
    if span.start > 0:
        ramp[: len(rise)] = rise
    if span.stop < length:
        ramp[n - len(rise) :] = np.minimum(ramp[n - len(rise) :], rise[::-1])
    return ramp
