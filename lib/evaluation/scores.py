"""Errors of each image by itself: the mean absolute error, and the field's SAD, MSE, Grad and Conn."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from lib.evaluation import metrics, stats


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

FOUR = ("sad", "mse", "grad", "conn")
HEADERS = {"sad": "SAD (sum/1000)", "mse": "MSE", "grad": "Grad (sum/1000)", "conn": "Conn (sum/1000)"}


def image_metrics(predicted: np.ndarray, alpha: np.ndarray, trimap: np.ndarray) -> dict[str, np.ndarray]:
    """The four of each image, name -> (n,), over unknown pixels, with 0 and 1 written into the known ones.

    predicted (n,1,H,W) uint8 or float in [0,1], alpha and trimap (n,1,H,W) uint8. The literature pastes the known
    pixels back before it measures; Conn and Grad would otherwise see them.
    """
    if predicted.dtype == np.uint8:
        predicted = predicted / np.float32(255)
    pasted = np.where(trimap == 128, predicted, trimap == 255).astype(np.float32)
    found = metrics.all_metrics(pasted, np.ascontiguousarray(alpha), np.ascontiguousarray(trimap))
    return {name: found[name] for name in FOUR}


def method_metrics(predictions: dict[str, Iterable[np.ndarray]], alpha: np.ndarray,
                   trimap: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """method -> measure -> (seeds, n). predictions: method -> one array of alphas (n,1,H,W) a seed."""
    found = {}
    for method, by_seed in predictions.items():
        rows = [image_metrics(predicted, alpha, trimap) for predicted in by_seed]
        found[method] = {name: np.stack([row[name] for row in rows]) for name in FOUR}
    return found


def table(measured: dict[str, dict[str, np.ndarray]], seed: int) -> pd.DataFrame:
    """One row a method; each measure with its 95 % interval over seeds and images."""
    rows = []
    for method, by_name in measured.items():
        row: dict[str, object] = {"method": method}
        for name, header in HEADERS.items():
            found = stats.estimate(by_name[name], seed)
            row |= {header: found["value"], f"{header} low": found["low"], f"{header} high": found["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def estimates(measured: dict[str, dict[str, np.ndarray]], seed: int) -> dict[str, dict[str, dict]]:
    """measure -> method -> number with its spread, for lib.output.values."""
    return {name: {method: stats.estimate(by_name[name], seed) for method, by_name in measured.items()}
            for name in FOUR}


def ranks(measured: dict[str, dict[str, np.ndarray]]) -> dict[str, str]:
    """Measure -> the method with the smallest mean."""
    return {name: min(measured, key=lambda method: np.nanmean(measured[method][name])) for name in FOUR}
