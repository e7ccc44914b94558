"""The error that the study trains by, of each image for itself."""

import numpy as np
import pandas as pd

from lib.data.trimap import UNKNOWN, paste


def alpha_errors(predicted: np.ndarray, alpha: np.ndarray, trimap: np.ndarray) -> pd.DataFrame:
    """Mean |predicted - alpha| of each image, float64, three ways: `all` (every pixel), `unknown` (trimap 128), and
    `pasted` (every pixel, after 0 and 1 were written into those that the trimap knows).

    predicted (n,1,H,W) float32 in [0,1], alpha and trimap (n,1,H,W) uint8. It is the alpha-prediction loss
    with eps -> 0 (section 2.4.2). `unknown` is NaN for an image without unknown pixels. A control that copies the trimap
    is right by construction where that is known; `pasted` gives every method the same.
    """
    truth, unknown = alpha / 255, (np.asarray(trimap) == UNKNOWN).reshape(len(alpha), -1)
    error, pasted = (
        np.abs(one.astype(np.float64) - truth).reshape(len(alpha), -1) for one in (predicted, paste(predicted, trimap))
    )
    count = unknown.sum(axis=1)
    within = np.where(count > 0, (error * unknown).sum(axis=1) / np.maximum(count, 1), np.nan)
    return pd.DataFrame({"all": error.mean(axis=1), "unknown": within, "pasted": pasted.mean(axis=1)})
