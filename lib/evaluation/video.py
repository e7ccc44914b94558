"""Errors of a clip's mattes over whole frames: mean absolute and squared difference, and dtSSD, which sees flicker."""

import numpy as np


def dtssd(predicted: np.ndarray, alpha: np.ndarray, first: bool = False) -> float:
    """100 times the root of the mean squared difference of the changes from frame to frame, the mean over the pairs.

    predicted (T,H,W) float in [0,1], alpha (T,H,W) uint8. Erofeev et al. 2015; a clip of one frame has no change: 0. first:
    as Robust Video Matting's evaluation has it, the first frame counts as a frame without error, which makes the
    mean (T - 1) / T of that.
    """
    error = np.asarray(predicted, np.float64) - np.asarray(alpha) / 255
    if len(error) < 2:
        return 0.0
    roots = 100 * np.sqrt(((error[1:] - error[:-1]) ** 2).mean(axis=(1, 2)))
    return float(roots.sum() / (len(error) if first else len(error) - 1))


def clip_errors(predicted: np.ndarray, alpha: np.ndarray) -> dict[str, float]:
    """mad, mse (means over all pixels of all frames) and dtssd; arrays as in `dtssd`."""
    error = np.asarray(predicted, np.float64) - np.asarray(alpha) / 255
    return {"mad": float(np.abs(error).mean()), "mse": float((error**2).mean()), "dtssd": dtssd(predicted, alpha)}
