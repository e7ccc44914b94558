"""Foreground colors without the background's tint: Germer et al. 2020, 'Fast multi-level foreground estimation'.

I = alpha F + (1 - alpha) B is solved for F and B with small gradients where alpha's is small, from one pixel up to the full
size. `pymatting.estimate_foreground_ml` does the same and needs Numba; these lines need NumPy.
"""

import numpy as np

TILE, MARGIN = 512, 64  # pixels of a tile, and how far it sees beyond itself
REGULARISATION = 1e-5  # of the paper
SMALL, SMALL_STEPS, LARGE_STEPS = 32, 20, 4  # twice the paper's steps, as all pixels change at once (Jacobi)


def estimate(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Foreground (H,W,3) uint8 of image (H,W,3) uint8 and alpha (H,W) float32: the image where alpha is 1, black where it
    is 0, the estimated color between. In tiles that overlap, so that memory is bounded."""
    result = image * (alpha > 0)[..., None]
    height, width = alpha.shape
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            inner = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
            soft = (alpha[inner] > 0) & (alpha[inner] < 1)
            if soft.any():
                outer = tuple(slice(max(0, part.start - MARGIN), part.stop + MARGIN) for part in inner)
                colors = multilevel(image[outer].astype(np.float32) / 255, alpha[outer])
                part = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True))
                result[inner][soft] = np.round(colors[part][soft] * 255).astype(np.uint8)
    return result


def multilevel(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Foreground (h,w,3) float32 in [0,1] of image (h,w,3) and alpha (h,w), float32 in [0,1]."""
    height, width = alpha.shape
    image = np.ascontiguousarray(image.transpose(2, 0, 1))  # (3, h, w): NumPy's inner loops run along rows
    F, B = (_mean(image, mask)[:, None, None] for mask in (alpha > 0.9, alpha < 0.1))
    levels = max(1, int(np.ceil(np.log2(max(height, width)))))
    for level in range(levels + 1):
        size = round(height ** (level / levels)), round(width ** (level / levels))
        steps = SMALL_STEPS if max(size) <= SMALL else LARGE_STEPS
        F, B = _level(_nearest(image, size), _nearest(alpha, size), _nearest(F, size), _nearest(B, size), steps)
    return F.transpose(1, 2, 0)


def _level(image: np.ndarray, a: np.ndarray, F: np.ndarray, B: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """F and B (3,h,w) after so many steps at one size: each pixel solved with its four neighbours held fixed."""
    weights = [REGULARISATION + np.abs(a - near) for near in _neighbours(a)]
    f, b, both = a * a + sum(weights), (1 - a) ** 2 + sum(weights), a * (1 - a)
    determinant = f * b - both * both
    f, b, both = f / determinant, b / determinant, both / determinant  # of the inverse
    data_f, data_b = a * image, (1 - a) * image
    for _ in range(steps):
        right_f, right_b = data_f.copy(), data_b.copy()
        for weight, near_f, near_b in zip(weights, _neighbours(F), _neighbours(B), strict=True):
            right_f += weight * near_f
            right_b += weight * near_b
        F, B = np.clip(b * right_f - both * right_b, 0, 1), np.clip(f * right_b - both * right_f, 0, 1)
    return F, B


def _neighbours(array: np.ndarray) -> list[np.ndarray]:
    """The pixel left, right, above and below of each of (..., h, w), views of one copy; at a border the pixel itself."""
    wide = np.pad(array, [(0, 0)] * (array.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    return [wide[..., 1:-1, :-2], wide[..., 1:-1, 2:], wide[..., :-2, 1:-1], wide[..., 2:, 1:-1]]


def _nearest(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The array (..., h, w) at another size, by its nearest pixels."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, array.shape[-2:], strict=True))
    return array[..., rows[:, None], columns]


def _mean(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean color (3,) of the pixels (h,w) of image (3,h,w); black where there are none."""
    return image[:, mask].mean(axis=1) if mask.any() else np.zeros(3, np.float32)
