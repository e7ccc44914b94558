"""A matting network on a picture of any size, in tiles. NumPy alone: PyTorch and ONNX Runtime both run through it."""

from collections.abc import Callable

import numpy as np

from lib.base import UserError
from lib.data.trimap import UNKNOWN, fill_known

MULTIPLE = 32  # five halvings
TILE, OVERLAP = 800, 128  # px; a tile of 800x800 takes the full-width network about 1.5 GiB in float32


def predict_tiled(
    network: Callable[[np.ndarray, np.ndarray], np.ndarray],
    image: np.ndarray,
    trimap: np.ndarray,
    *,
    tile: int = TILE,
    overlap: int = OVERLAP,
) -> np.ndarray:
    """Alpha (H,W) float32 in [0,1] of image (H,W,3) and trimap (H,W) uint8 0/128/255; known pixels are 0 and 1.

    network: image (h,w,3), trimap (h,w) -> alpha (h,w) float32. It is called for tiles of at most `tile` px a side,
    which overlap by `overlap` px and are blended there; tiles without unknown pixels are skipped.
    """
    if tile < 2 * overlap:
        raise UserError(f"tile: expected at least {2 * overlap} px (twice the overlap), found {tile}; enlarge it.")
    height, width = trimap.shape
    total, weight = np.zeros((2, height, width), np.float32)
    for rows in tile_spans(height, tile, overlap):
        for columns in tile_spans(width, tile, overlap):
            if (trimap[rows, columns] == UNKNOWN).any():
                ramp = blend_ramp(rows, height, overlap)[:, None] * blend_ramp(columns, width, overlap)
                total[rows, columns] += ramp * network(image[rows, columns], trimap[rows, columns])
                weight[rows, columns] += ramp
    return fill_known(total / np.maximum(weight, 1e-6), trimap)


def pad_to_multiple(array: np.ndarray) -> np.ndarray:
    """(h,w) or (h,w,C) with sides of multiples of 32: reflected at the right and below; a side of 1 px is repeated."""
    margins = [(0, -side % MULTIPLE) for side in array.shape[:2]] + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, margins, mode="reflect" if min(array.shape[:2]) > 1 else "edge")


def tile_spans(length: int, tile: int, overlap: int) -> list[slice]:
    """As few spans of one size as cover `length` with at least `overlap` in common; one where it fits the tile."""
    if length <= tile:
        return [slice(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    starts = np.linspace(0, length - tile, count).round().astype(int).tolist()
    return [slice(start, start + tile) for start in starts]


def blend_ramp(span: slice, length: int, overlap: int) -> np.ndarray:
    """Weight (n,) of each pixel of a span: rises over the overlap from a side that has a neighbour."""
    n = span.stop - span.start
    ramp = np.ones(n, np.float32)
    rise = (np.arange(min(overlap, n), dtype=np.float32) + 1) / (overlap + 1)
    if span.start > 0:
        ramp[: len(rise)] = rise
    if span.stop < length:
        ramp[n - len(rise) :] = np.minimum(ramp[n - len(rise) :], rise[::-1])
    return ramp
