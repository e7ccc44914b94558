"""Errors of alpha mattes, as the official evaluation of the matting literature defines them.

SAD, MSE, Grad and Conn: Rhemann et al. 2009, in the form of Xu et al. 2017 (Deep Image Matting), whose MATLAB code all
later tables use. They count the unknown pixels (128) of a trimap; without a trimap, all pixels. Paste the known pixels
into a prediction first (`fill_known`): Conn and Grad see them. Without unknown pixels, sums are 0 and means NaN.

If nothing else is stated, pred and true are alphas (H,W), uint8 0..255 or float in [0,1]; trimap (H,W) is uint8
0/128/255. UserError for other shapes, for alpha outside [0,1], and for other values in a trimap.
"""

import cv2
import numpy as np
import pandas as pd

from lib.base import UserError
from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN, fill_known

SIGMA, EPSILON = 1.4, 1e-2  # of Grad's filter: its width, and the value below which its tails are cut
RADIUS = int(np.ceil(SIGMA * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * SIGMA * EPSILON))))
OFFSETS = np.arange(-RADIUS, RADIUS + 1)
GAUSSIAN = np.exp(-(OFFSETS**2) / (2 * SIGMA**2))
SMOOTH = GAUSSIAN / np.linalg.norm(GAUSSIAN)
DERIVATIVE = OFFSETS * GAUSSIAN / np.linalg.norm(OFFSETS * GAUSSIAN)
THRESHOLDS = (np.arange(11) / 10).astype(np.float32)  # of Conn: 0, 0.1 ... 1
STEP = np.float32(0.15)  # Conn ignores alpha that lies less than this above its level of connectivity
ROUNDING = 1e-6  # a float32 alpha that was resized may lie this far outside [0,1]


def sad(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float:
    """Sum of absolute differences / 1000."""
    return float(_differences(pred, true, trimap).sum()) / 1000


def mse(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float:
    """Mean squared difference."""
    return _mean(_differences(pred, true, trimap) ** 2)


def mad(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float:
    """Mean absolute difference."""
    return _mean(_differences(pred, true, trimap))


def grad(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float:
    """Sum of squared differences of the gradients' magnitudes / 1000, each alpha first stretched to [0,1].

    Filter: first derivatives of a Gaussian with sigma 1.4, 9x9, L2 norm 1; border pixels are repeated.
    """
    pred, true, unknown = _checked(pred, true, trimap)
    difference = _gradient_magnitude(pred)[unknown] - _gradient_magnitude(true)[unknown]
    return float((difference**2).sum()) / 1000


def conn(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None = None) -> float:
    """Sum of absolute differences of connectedness / 1000, without Rhemann's factor lambda (as Xu et al. 2017).

    A pixel's level is the highest threshold up to which it belongs, without a gap, to the largest 4-connected part of
    the pixels where both alphas reach the threshold. With d = alpha - level, its connectedness is 1 - d if d >= 0.15,
    else 1.
    """
    pred, true, unknown = _checked(pred, true, trimap)
    both, level, inside = np.minimum(pred, true), np.zeros(pred.shape, np.float32), np.ones(pred.shape, bool)
    for threshold in THRESHOLDS[1:]:
        inside &= _largest_part(both >= threshold)
        level[inside] = threshold
    above = [alpha[unknown] - level[unknown] for alpha in (pred, true)]
    connectedness = [1 - d * (d >= STEP) for d in above]
    return float(np.abs(connectedness[0] - connectedness[1]).sum(dtype=np.float64)) / 1000


def official(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray) -> dict[str, float]:
    """SAD, MSE, Grad and Conn of one picture, by the names sad, mse, grad and conn."""
    return {measure.__name__: measure(pred, true, trimap) for measure in (sad, mse, grad, conn)}


def iou(pred: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union of pred (float) above 0.5 and true (uint8) above 127; 1 where both are empty."""
    pred_mask, true_mask = pred > 0.5, true > 127
    union = (pred_mask | true_mask).sum()
    return float((pred_mask & true_mask).sum() / union) if union else 1.0


def foreground_mse(pred: np.ndarray | None, true: np.ndarray, alpha: np.ndarray) -> float:
    """MSE of colours in [0,1] where true alpha is above 0: pred (H,W,3) float, true uint8; NaN if pred is None."""
    return float("nan") if pred is None else float(((pred - true / 255.0)[alpha > 0] ** 2).mean())


def clip_errors(pred: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """mad and mse over all pixels of all frames, and dtssd: pred (T,H,W) float in [0,1], true (T,H,W) uint8.

    dtssd: 100 times the RMS of the error's change from frame to frame, mean over the frames (Erofeev et al. 2015); 0 for
    a single frame.
    """
    error = np.asarray(pred, np.float64) - np.asarray(true) / 255
    flicker = 100 * np.sqrt((np.diff(error, axis=0) ** 2).mean(axis=(1, 2)))
    dtssd = float(flicker.mean()) if len(flicker) else 0.0
    return {"mad": float(np.abs(error).mean()), "mse": float((error**2).mean()), "dtssd": dtssd}


def errors_by_region(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray) -> pd.DataFrame:
    """Mean absolute error of each image: over `all` pixels, the `unknown` ones, and all with the known ones `pasted`.

    pred (n,1,H,W) float in [0,1]; true, trimap (n,1,H,W) uint8. It is the study's alpha-prediction loss (its section
    2.4.2) for eps -> 0. `unknown` is NaN for an image without unknown pixels.
    """
    unknown = (np.asarray(trimap) == UNKNOWN).reshape(len(true), -1)
    error, pasted = (
        np.abs(alpha.astype(np.float64) - true / 255).reshape(len(true), -1)
        for alpha in (pred, fill_known(pred, trimap))
    )
    count = unknown.sum(axis=1)
    within = np.where(count > 0, (error * unknown).sum(axis=1) / np.maximum(count, 1), np.nan)
    return pd.DataFrame({"all": error.mean(axis=1), "unknown": within, "pasted": pasted.mean(axis=1)})


def _differences(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None) -> np.ndarray:
    pred, true, unknown = _checked(pred, true, trimap)
    return np.abs(pred[unknown] - true[unknown]).astype(np.float64)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _gradient_magnitude(alpha: np.ndarray) -> np.ndarray:
    across = cv2.sepFilter2D(alpha, cv2.CV_64F, DERIVATIVE, SMOOTH, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(alpha, cv2.CV_64F, SMOOTH, DERIVATIVE, borderType=cv2.BORDER_REPLICATE)
    return np.sqrt(across**2 + down**2) / (float(alpha.max()) - float(alpha.min()) or 1.0)


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected part of mask (H,W) bool; of equal ones the first, column by column as in MATLAB."""
    columns = np.ascontiguousarray(mask.T).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(columns, connectivity=4)
    area = stats[:, cv2.CC_STAT_AREA] * (np.arange(len(stats)) > 0)  # label 0 lies outside of mask
    largest = np.flatnonzero(area == area.max())
    first = largest[0] if len(largest) == 1 else labels.flat[np.argmax(np.isin(labels, largest))]
    return mask & (labels == first).T


def _checked(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Both alphas as float32, and which pixels count, bool. In float64, 153/255 would miss Conn's threshold 0.6."""
    if pred.ndim != 2:
        raise UserError(f"pred: expected the shape (H,W), found {pred.shape}; measure one picture at a time.")
    trimap = np.full(pred.shape, UNKNOWN) if trimap is None else trimap
    for name, array in (("true", true), ("trimap", trimap)):
        if array.shape != pred.shape:
            raise UserError(f"{name}: expected the shape {pred.shape} of pred, found {array.shape}; resize one.")
    unknown = trimap == UNKNOWN
    others = trimap[~(unknown | (trimap == BACKGROUND) | (trimap == FOREGROUND))]
    if len(others):
        raise UserError(f"trimap: expected 0, 128 and 255 only, found {others[0]}; recode it.")
    return _as_float("pred", pred), _as_float("true", true), unknown


def _as_float(name: str, alpha: np.ndarray) -> np.ndarray:
    if alpha.dtype == np.uint8:
        return np.divide(alpha, 255, dtype=np.float32)
    low, high = alpha.min(), alpha.max()
    if not (-ROUNDING <= low and high <= 1 + ROUNDING):  # NaN fails both
        raise UserError(f"{name}: expected values in [0,1], found {low:.7g} to {high:.7g}; scale or clip it.")
    return np.clip(alpha, 0, 1).astype(np.float32)
