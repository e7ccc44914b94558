"""The errors that the matting literature reports, with the definitions of its official evaluation.

SAD, MSE, Grad and Conn stem from Rhemann et al. 2009, 'A perceptually motivated online benchmark for image
matting'; their exact form here is that of Xu et al. 2017, 'Deep image matting', whose MATLAB evaluation every
later table goes back to. They look at the unknown pixels of a trimap (128); without a trimap, at all pixels.
MAD, and MSE over the whole image, are what portrait matting without trimaps reports.

Every function takes `pred` and `true`, alpha as uint8 0..255 or float in [0,1], and `trimap`, uint8 with
0 background, 128 unknown, 255 foreground. All have one shape: (H,W), which gives a float, or (N,1,H,W), which
gives float64 (N,), one value an image. Bad input ends in a UserError.

Pixels are compared in float32, as in the official evaluation: 153/255 reaches the threshold 0.6 in float32
and misses it in float64, which moves Conn of drawn portraits by 0.1 %, more where alpha has few values. Sums
are taken in float64. Where a trimap has no unknown pixel, sums are 0 and means NaN, as there. Predictions are
taken as they are; it is the caller who writes 0 and 1 into the known pixels (they matter to Conn, and to Grad
next to the unknown ones).

Sums grow with the number of pixels: those of small images compare with nothing printed for large ones.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from lib.base import UserError
from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN

# The unit of what each function returns, and of each column of `all_metrics`. Some papers print MSE and MAD
# times 1000; here they are plain means in [0,1].
UNITS = {
    "sad": "sum / 1000",
    "mse": "mean",
    "grad": "sum / 1000",
    "conn": "sum / 1000",
    "whole_mad": "mean",
    "whole_mse": "mean",
}
PER = 1000
THRESHOLDS = (np.arange(11) / 10).astype(np.float32)  # 0, 0.1 ... 1
BREAK = np.float32(0.15)  # how far alpha may lie above its level of connectivity before it counts in Conn
ROUNDING = 1e-6  # how far outside [0,1] alpha may lie: a float32 image once resized may
SIGMA, EPSILON = 1.4, 1e-2  # of Grad's filter: its width, and the value below which its tails are cut


def sad(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float | np.ndarray:
    """Sum of absolute differences / 1000 over the unknown pixels. Rhemann et al. 2009."""
    return _for_each(_sad, pred, true, trimap)


def mse(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float | np.ndarray:
    """Mean squared difference over the unknown pixels, in [0,1]. Rhemann et al. 2009."""
    return _for_each(_mse, pred, true, trimap)


def mad(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float | np.ndarray:
    """Mean absolute difference, in [0,1]; the literature takes it over the whole image: no trimap."""
    return _for_each(_mad, pred, true, trimap)


def grad(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float | np.ndarray:
    """Sum of squared differences of the gradients' lengths / 1000 over the unknown pixels.

    Rhemann et al. 2009, with the filter of Xu et al. 2017: first derivatives of a Gaussian of sigma 1.4, 9x9,
    divided by its L2 norm, border pixels repeated. Before it each alpha is stretched to [0,1] by its minimum
    and maximum, as in the official evaluation (many ports leave that out; it changes nothing where an alpha
    has both a 0 and a 1). It hides the scale of a prediction that never reaches 0 or 1.
    """
    return _for_each(_grad, pred, true, trimap)


def conn(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float | np.ndarray:
    """Sum of differences of connectedness / 1000 over the unknown pixels.

    Rhemann et al. 2009, in the form of Xu et al. 2017, which drops the factor lambda. A pixel's level l is
    the highest of the thresholds 0, 0.1 ... 1 up to which it belongs, without a gap, to the largest
    4-connected part of the pixels where both alphas reach the threshold. With d = alpha - l, connectedness is
    1 - d where d >= 0.15, else 1. Where no pixel reaches a threshold in both alphas, none belongs: the
    official script cannot do that case (Octave stops there), mmagic and mmeval do it the same way.
    """
    return _for_each(_conn, pred, true, trimap)


def all_metrics(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray) -> dict[str, float | np.ndarray]:
    """All of UNITS' columns at once: {name: value}, or for a batch {name: (N,)}, ready for a DataFrame."""
    rows = [_row(*one) for one in _images(pred, true, trimap)]
    return rows[0] if pred.ndim == 2 else {name: np.array([row[name] for row in rows]) for name in UNITS}


def _for_each(measure: Callable, pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None) -> float | np.ndarray:
    values = [measure(*one) for one in _images(pred, true, trimap)]
    return values[0] if pred.ndim == 2 else np.array(values)


# ------------------------------------------------------------------------------- one image
# pred, true: (H,W) float32 in [0,1]; unknown: (H,W) bool.


def _row(pred: np.ndarray, true: np.ndarray, unknown: np.ndarray) -> dict[str, float]:
    everywhere = np.ones_like(unknown)
    return {
        "sad": _sad(pred, true, unknown),
        "mse": _mse(pred, true, unknown),
        "grad": _grad(pred, true, unknown),
        "conn": _conn(pred, true, unknown),
        "whole_mad": _mad(pred, true, everywhere),
        "whole_mse": _mse(pred, true, everywhere),
    }


def _sad(pred: np.ndarray, true: np.ndarray, unknown: np.ndarray) -> float:
    return float(_difference(pred, true, unknown).sum()) / PER


def _mad(pred: np.ndarray, true: np.ndarray, unknown: np.ndarray) -> float:
    return _mean(_difference(pred, true, unknown))


def _mse(pred: np.ndarray, true: np.ndarray, unknown: np.ndarray) -> float:
    return _mean(_difference(pred, true, unknown) ** 2)


def _difference(pred: np.ndarray, true: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """(unknown pixels,) float64, absolute."""
    return np.abs(pred[unknown] - true[unknown]).astype(np.float64)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")  # 0 / 0, without NumPy's warning


def _grad(pred: np.ndarray, true: np.ndarray, unknown: np.ndarray) -> float:
    # Pixels farther from the unknown ones than the filter reaches need no filtering.
    near = _box(unknown, margin=len(SMOOTH) // 2)
    unknown = unknown[near]
    if not unknown.size:
        return 0.0
    slopes = [_slope(alpha[near], unknown) / _range(alpha) for alpha in (pred, true)]
    return float(((slopes[0] - slopes[1]) ** 2).sum()) / PER


def _range(alpha: np.ndarray) -> float:
    """What the gradient is divided by where alpha is stretched to [0,1]; 1 for constant alpha."""
    return float(alpha.max()) - float(alpha.min()) or 1.0


def _slope(alpha: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """(unknown pixels,) float64, the length of alpha's gradient there."""
    across = cv2.sepFilter2D(alpha, cv2.CV_64F, DERIVATIVE, SMOOTH, borderType=cv2.BORDER_REPLICATE)[unknown]
    down = cv2.sepFilter2D(alpha, cv2.CV_64F, SMOOTH, DERIVATIVE, borderType=cv2.BORDER_REPLICATE)[unknown]
    return np.sqrt(across**2 + down**2)


def _filters() -> tuple[np.ndarray, np.ndarray]:
    """The two 1-D factors of Grad's filter, float64 (9,), both of L2 norm 1, so that their product is too."""
    reach = int(np.ceil(SIGMA * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * SIGMA * EPSILON))))
    x = np.arange(-reach, reach + 1)
    smooth = np.exp(-(x**2) / (2 * SIGMA**2))
    derivative = x * smooth
    return smooth / np.linalg.norm(smooth), derivative / np.linalg.norm(derivative)


SMOOTH, DERIVATIVE = _filters()


def _conn(pred: np.ndarray, true: np.ndarray, unknown: np.ndarray) -> float:
    level = THRESHOLDS[_levels(np.minimum(pred, true), unknown)]
    phi = [_connectedness(alpha[unknown], level) for alpha in (pred, true)]
    return float(np.abs(phi[0] - phi[1]).sum(dtype=np.float64)) / PER


def _connectedness(alpha: np.ndarray, level: np.ndarray) -> np.ndarray:
    above = alpha - level
    return 1 - above * (above >= BREAK)


def _levels(both: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Index into THRESHOLDS of each unknown pixel's level of connectivity, (unknown pixels,) uint8.

    both: (H,W) float32, the smaller of the two alphas, which reaches a threshold where both do.
    """
    needed = _box(unknown | (both >= THRESHOLDS[1]))  # nothing outside it is part of anything
    both, where = both[needed], np.flatnonzero(unknown[needed])
    level, inside = np.zeros(len(where), np.uint8), np.zeros(len(where), bool)
    before, pixel = 0, None
    # Downwards, so that what is reached only grows, and a pixel of the largest part mostly stays one.
    for threshold in THRESHOLDS[:0:-1]:
        reached = both >= threshold
        count = np.count_nonzero(reached)
        if count != before:  # else it is the same set as before
            largest, pixel = _largest(reached, count, pixel)
            inside, before = largest.ravel()[where], count
        level = (level + 1) * inside  # without a gap: whoever is outside here starts again from 0
    return level


def _largest(mask: np.ndarray, count: int, pixel: tuple[int, int] | None) -> tuple[np.ndarray, tuple[int, int]]:
    """(H,W) bool, the largest 4-connected part of mask, and the (column, row) of a pixel of it.

    mask: (H,W) bool with count > 0 pixels. pixel: a guess, a pixel of mask. Its part is the largest if it has
    more than half of all pixels; to see that is ten times faster than to measure every part.
    """
    pixel = pixel or _middle(mask)
    part, size = _part(mask, pixel)
    if 2 * size <= count:
        pixel = _pixel_of_largest(mask)
        part, _ = _part(mask, pixel)
    return part, pixel


def _middle(mask: np.ndarray) -> tuple[int, int]:
    """(column, row) of the median pixel of mask, row by row: a good first guess, as people are compact."""
    pixels = np.flatnonzero(mask)
    return divmod(int(pixels[len(pixels) // 2]), mask.shape[1])[::-1]


def _part(mask: np.ndarray, pixel: tuple[int, int]) -> tuple[np.ndarray, int]:
    """The 4-connected part of mask around pixel, (H,W) bool, and its number of pixels."""
    filled = mask.astype(np.uint8)
    size, *_ = cv2.floodFill(filled, None, pixel, 2, flags=4)
    return filled == 2, size


def _pixel_of_largest(mask: np.ndarray) -> tuple[int, int]:
    """(column, row) of the first pixel of the largest 4-connected part; of equal parts, of the first.

    First column by column: MATLAB's order, in which the official evaluation takes the first of equal parts.
    """
    _, labels = cv2.connectedComponents(cv2.transpose(mask.view(np.uint8)), connectivity=4)
    by_column = labels.ravel()
    area = np.bincount(by_column)
    area[0] = 0  # what lies outside of mask
    return divmod(int(np.argmax((area == area.max())[by_column])), len(mask))


def _box(mask: np.ndarray, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle around mask, widened by margin inside the image."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return (
        slice(max(top - margin, 0), top + height + margin if height else 0),
        slice(max(left - margin, 0), left + width + margin if width else 0),
    )


# ------------------------------------------------------------------------------- input


def _images(
    pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """pred and true (H,W) float32, unknown (H,W) bool, of each image; UserError for what is none of it."""
    for name, array in {"pred": pred, "true": true, "trimap": trimap}.items():
        if array is not None or name != "trimap":
            _check_shape(name, array, np.shape(pred))
    for index in np.ndindex(pred.shape[:-2]):
        unknown = np.ones(pred.shape[-2:], bool) if trimap is None else _unknown(trimap[index])
        yield _alpha("pred", pred[index]), _alpha("true", true[index]), unknown


def _check_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray):
        raise UserError(f"{name}: expected a NumPy array, found {type(array).__name__}; convert it.")
    if array.ndim not in (2, 4) or (array.ndim == 4 and array.shape[1] != 1) or not array.size:
        raise UserError(f"{name}: expected the shape (H,W) or (N,1,H,W), found {array.shape}; reshape it.")
    if array.shape != shape:
        raise UserError(f"{name}: expected the shape {shape} of pred, found {array.shape}; resize one.")


def _alpha(name: str, alpha: np.ndarray) -> np.ndarray:
    if alpha.dtype == np.uint8:
        return np.divide(alpha, 255, dtype=np.float32)
    if alpha.dtype.kind != "f":
        raise UserError(f"{name}: expected uint8 or float, found {alpha.dtype}; convert it.")
    low, high = alpha.min(), alpha.max()
    if 0 <= low and high <= 1:
        return alpha.astype(np.float32, copy=False)
    if -ROUNDING <= low and high <= 1 + ROUNDING:
        return np.clip(alpha, 0, 1, dtype=np.float32, casting="same_kind")
    # also for NaN, with which no comparison holds
    raise UserError(f"{name}: expected values in [0,1], found {low:.7g} to {high:.7g}; scale or clip it.")


def _unknown(trimap: np.ndarray) -> np.ndarray:
    unknown = trimap == UNKNOWN
    strange = ~(unknown | (trimap == BACKGROUND) | (trimap == FOREGROUND))
    if strange.any():
        raise UserError(
            f"trimap: expected {BACKGROUND}, {UNKNOWN} and {FOREGROUND} only, found {trimap[strange][0]}; recode it."
        )
    return unknown
