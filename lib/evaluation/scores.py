"""Scores: the error of every method on every image by every measure, in one frame, and all that is summed up from it.

A frame of scores has the columns method, seed, image (its position or name), measure and value: one row each. Methods that
are not trained have one seed. Measures: "all", "unknown" and "pasted", mean absolute error of alpha over all pixels, over
the trimap's unknown ones, and over all with the known ones pasted (lib.evaluation.errors); "sad", "mse", "grad" and "conn"
over unknown pixels (lib.evaluation.metrics).
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from lib.data.trimap import paste
from lib.evaluation import metrics, stats
from lib.evaluation.errors import alpha_errors

REGIONS = ("all", "unknown", "pasted")
REGION_NAMES = {"all": "all pixels", "unknown": "unknown pixels", "pasted": "all pixels, known ones pasted"}
FOUR = ("sad", "mse", "grad", "conn")
HEADERS = {"sad": "SAD (sum/1000)", "mse": "MSE", "grad": "Grad (sum/1000)", "conn": "Conn (sum/1000)"}


def frame(method: str, seed: int, images: Sequence, measured: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Scores of one method and seed. measured: measure -> one value an image."""
    parts = [
        pd.DataFrame(
            {
                "method": method,
                "seed": seed,
                "image": list(images),
                "measure": measure,
                "value": np.asarray(values, float),
            }
        )
        for measure, values in measured.items()
    ]
    return pd.concat(parts, ignore_index=True)


def by_region(
    method: str, seed: int, images: Sequence, predicted: np.ndarray, alpha: np.ndarray, trimap: np.ndarray
) -> pd.DataFrame:
    """Scores by REGIONS of predicted (n,1,H,W) float in [0,1]; alpha, trimap (n,1,H,W) uint8."""
    return frame(method, seed, images, alpha_errors(predicted, alpha, trimap))


def by_field(
    method: str, seed: int, images: Sequence, predicted: np.ndarray, alpha: np.ndarray, trimap: np.ndarray
) -> pd.DataFrame:
    """Scores by FOUR; arrays as in by_region."""
    return frame(method, seed, images, image_metrics(predicted, alpha, trimap))


def image_metrics(predicted: np.ndarray, alpha: np.ndarray, trimap: np.ndarray) -> dict[str, np.ndarray]:
    """The four of each image, name -> (n,), over unknown pixels, with 0 and 1 written into the known ones.

    predicted (n,1,H,W) uint8 or float in [0,1], alpha and trimap (n,1,H,W) uint8. The literature pastes the known
    pixels back before it measures; Conn and Grad would otherwise see them.
    """
    if predicted.dtype == np.uint8:
        predicted = predicted / np.float32(255)
    found = metrics.all_metrics(paste(predicted, trimap), np.ascontiguousarray(alpha), np.ascontiguousarray(trimap))
    return {name: found[name] for name in FOUR}


def matrix(scores: pd.DataFrame, method: str, measure: str) -> np.ndarray:
    """The values of a method by a measure: (seeds, images) float64, in the order in which the frame has them."""
    rows = scores[(scores.method == method) & (scores.measure == measure)]
    table = rows.pivot(index="seed", columns="image", values="value")[rows.image.unique()]
    return np.ascontiguousarray(table)  # one seed after the other, also in memory: sums then have the same last digit


def summarise(scores: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row a method and measure: method, measure, then value, sd, low, high, seeds and n (`stats.estimate`)."""
    pairs = scores[["method", "measure"]].drop_duplicates().itertuples(index=False)
    return pd.DataFrame(
        [
            {"method": method, "measure": measure, **stats.estimate(matrix(scores, method, measure), seed)}
            for method, measure in pairs
        ]
    )


def compare(scores: pd.DataFrame, pairs: Iterable[tuple[str, str]], seed: int) -> pd.DataFrame:
    """Paired differences: one row a pair of methods and measure, a, b, measure, then `stats.difference` of a minus b."""
    rows = []
    for a, b in pairs:
        for measure in scores[scores.method == a].measure.unique():
            both = matrix(scores, a, measure), matrix(scores, b, measure)
            rows.append({"a": a, "b": b, "measure": measure, **stats.difference(*both, seed)})
    return pd.DataFrame(rows)


def renamed(scores: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The scores of the methods in `names` only, under their new names, in that order."""
    parts = [scores[scores.method == old].assign(method=new) for old, new in names.items()]
    return pd.concat(parts, ignore_index=True)


def named(summary: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """measure -> method -> number with its spread: a summary, as lib.output.values takes it."""
    return {
        measure: {row["method"]: stats.spread(row) for row in part.to_dict("records")}
        for measure, part in summary.groupby("measure", sort=False)
    }


def named_pairs(compared: pd.DataFrame, short: Mapping[str, str] | None = None) -> dict[str, dict[str, dict]]:
    """measure -> "a minus b" -> number with its spread. short: method -> what it is called in the name."""
    short = short or {}
    return {
        measure: {
            f"{row['a']} minus {short.get(row['b'], row['b'])}": stats.spread(row) for row in part.to_dict("records")
        }
        for measure, part in compared.groupby("measure", sort=False)
    }


def best(summary: pd.DataFrame) -> dict[str, str]:
    """Measure -> the method with the smallest mean."""
    lowest = summary.loc[summary.groupby("measure", sort=False).value.idxmin()]
    return dict(zip(lowest.measure, lowest.method, strict=True))
