"""The error that the study trains by, of each image for itself."""

import numpy as np
import pandas as pd


def alpha_errors(predicted: np.ndarray, alpha: np.ndarray, trimap: np.ndarray) -> pd.DataFrame:
    """Mean |predicted - alpha| of each image, float64: `all` (every pixel) and `unknown` (trimap 128).

    predicted (n,1,H,W) float32 in [0,1], alpha and trimap (n,1,H,W) uint8. It is the alpha-prediction loss
    with eps -> 0 (section 2.4.2). `unknown` is NaN for an image without unknown pixels.
    """
    error = np.abs(predicted.astype(np.float64) - alpha / 255).reshape(len(alpha), -1)
    unknown = (np.asarray(trimap) == 128).reshape(len(alpha), -1)
    count = unknown.sum(axis=1)
    within = np.where(count > 0, (error * unknown).sum(axis=1) / np.maximum(count, 1), np.nan)
    return pd.DataFrame({"all": error.mean(axis=1), "unknown": within})
