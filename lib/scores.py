"""One table of scores for all experiments, and what is computed from it: means, intervals, paired differences.

A frame of scores has the columns method, seed, image (position or name), measure and value. Methods that are not
trained have one seed. Errors of a method are a matrix (seeds, images); NaN stands for an image without a value.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from lib import metrics

REGIONS = ("all", "unknown", "pasted")  # of metrics.errors_by_region
REGION_NAMES = {"all": "all pixels", "unknown": "unknown pixels", "pasted": "all pixels, known ones pasted"}
OFFICIAL_MEASURES = ("sad", "mse", "grad", "conn")
FRAME_MEASURES = ("mad", "whole_mse", "foreground")
CLIP_MEASURES = ("mad", "mse", "dtssd")
MEASURE_LABELS = {
    "sad": "SAD (sum/1000)",
    "mse": "MSE",
    "grad": "Grad (sum/1000)",
    "conn": "Conn (sum/1000)",
    "mad": "MAD, whole frame",
    "whole_mse": "MSE, whole frame",
    "foreground": "MSE of the foreground",
    "dtssd": "dtSSD (× 100)",
}
TRIMAP_CONTROL = "control: trimap as alpha"
HALF = "f2:"  # marks errors that are encoded as float16


def scores_frame(method: str, seed: int, images: Sequence, values: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Scores of one method and seed; values: measure -> one value for each image."""
    columns = {"method": method, "seed": seed, "image": list(images)}
    parts = [pd.DataFrame({**columns, "measure": name, "value": np.asarray(v, float)}) for name, v in values.items()]
    return pd.concat(parts, ignore_index=True)


def score_regions(
    method: str, seed: int, images: Sequence, pred: np.ndarray, alpha: np.ndarray, trimap: np.ndarray
) -> pd.DataFrame:
    """Scores by REGIONS: pred (n,1,H,W) float in [0,1]; alpha and trimap (n,1,H,W) uint8."""
    return scores_frame(method, seed, images, metrics.errors_by_region(pred, alpha, trimap))


def score_official(
    method: str, seed: int, images: Sequence, pred: np.ndarray, alpha: np.ndarray, trimap: np.ndarray
) -> pd.DataFrame:
    """Scores by OFFICIAL_MEASURES over unknown pixels, the known ones pasted: pred uint8 or float; (n,1,H,W) each."""
    pred = pred / np.float32(255) if pred.dtype == np.uint8 else pred
    pasted, alpha, trimap = (np.asarray(array)[:, 0] for array in (metrics.fill_known(pred, trimap), alpha, trimap))
    rows = [metrics.official(*arrays) for arrays in zip(pasted, alpha, trimap, strict=True)]
    return scores_frame(method, seed, images, pd.DataFrame(rows, columns=OFFICIAL_MEASURES))


def matrix(scores: pd.DataFrame, method: str, measure: str) -> np.ndarray:
    """Values (seeds, images) float64 of a method by a measure; images in the order of the frame."""
    rows = scores[(scores.method == method) & (scores.measure == measure)]
    table = rows.pivot(index="seed", columns="image", values="value")[rows.image.unique()]
    return np.ascontiguousarray(table)  # one seed after the other in memory: sums then have the same last digit


def summarise(scores: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row for each method and measure: method, measure, then `mean_with_interval`."""
    pairs = scores[["method", "measure"]].drop_duplicates().itertuples(index=False, name=None)
    return pd.DataFrame(
        {"method": method, "measure": measure, **mean_with_interval(matrix(scores, method, measure), seed)}
        for method, measure in pairs
    )


def compare(scores: pd.DataFrame, pairs: Iterable[tuple[str, str]], seed: int) -> pd.DataFrame:
    """One row for each pair of methods and measure: a, b, measure, then `mean_with_interval` of a minus b.

    Paired by seed and image; a method without seeds (one row) meets all rows of the other.
    """
    rows = []
    for a, b in pairs:
        for name in scores[scores.method == a].measure.unique():
            difference = np.subtract(*np.broadcast_arrays(matrix(scores, a, name), matrix(scores, b, name)))
            rows.append({"a": a, "b": b, "measure": name, **mean_with_interval(difference, seed)})
    return pd.DataFrame(rows)


def renamed(scores: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The scores of the methods in names (old -> new) only, in that order."""
    parts = [scores[scores.method == old].assign(method=new) for old, new in names.items()]
    return pd.concat(parts, ignore_index=True)


def to_values(summary: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """measure -> method -> number with its interval, of a table by `summarise`."""
    return {
        measure: {row["method"]: to_value(row) for row in rows.to_dict("records")}
        for measure, rows in summary.groupby("measure", sort=False)
    }


def differences_to_values(compared: pd.DataFrame, short: Mapping[str, str] | None = None) -> dict[str, dict[str, dict]]:
    """measure -> "a minus b" -> number with its interval, of a table by `compare`; short: names for b."""
    names = compared.a + " minus " + compared.b.replace(dict(short or {}))
    return to_values(compared.assign(method=names))


def to_value(row: Mapping) -> dict:
    """The number with its interval of a table's row; None where the table has NaN."""
    keys = ("value", "sd", "low", "high", "seeds", "n")
    numbers = {key: None if row[key] is None or np.isnan(row[key]) else row[key] for key in keys}
    return numbers | ({"sample": row["sample"]} if isinstance(row.get("sample"), str) else {})


def mean_with_interval(errors: np.ndarray, seed: int) -> dict:
    """Mean of errors (seeds, n): value, sd over seeds (None for one), 95 % interval low to high, seeds, n, sample.

    sample: the errors as text (`encode_errors`). A single number has neither interval nor sample: None.
    """
    errors = np.atleast_2d(errors)
    row = _estimate(*bootstrap_interval(errors, seed), errors)
    single = {"low": None, "high": None, "sample": None}
    return row | (single if errors.size == 1 else {"sample": encode_errors(errors)})


def gap(tested: np.ndarray, trained: np.ndarray, seed: int) -> dict:
    """Mean of tested minus mean of trained, (seeds, images) each, with its interval: paired by seed, not by image."""
    if len(tested) != len(trained):
        raise ValueError(f"a gap needs the same seeds, found {len(tested)} and {len(trained)}")
    rng = np.random.default_rng(seed)
    rows = _draw_counts(rng, 2000, len(tested))
    ends = _percentiles(_resampled_means(tested, rng, rows) - _resampled_means(trained, rng, rows))
    by_seed = (np.nanmean(tested, axis=1) - np.nanmean(trained, axis=1))[:, None]
    mean = float(np.nanmean(tested) - np.nanmean(trained))
    return _estimate(mean, *ends, by_seed) | {"n": tested.shape[1]}


def _estimate(mean: float, low: float, high: float, errors: np.ndarray) -> dict:
    sd = float(np.nanmean(errors, axis=1).std(ddof=1)) if len(errors) > 1 else None
    return {"value": mean, "sd": sd, "low": low, "high": high, "seeds": len(errors), "n": errors.shape[1]}


def bootstrap_interval(values: np.ndarray, seed: int, n: int = 2000, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of values, (images,) or (seeds, images), and the percentile bootstrap interval of that mean.

    With two axes the draw is hierarchical: n resamples of the seeds, and for each one resample of the images, which all
    seeds share. NaNs are left out; without any value all three are NaN. Efron and Tibshirani 1993, chapter 13.
    """
    values = np.atleast_2d(np.asarray(values, float))
    values = values[:, ~np.isnan(values).all(axis=0)]
    if values.size == 0:
        return (float("nan"),) * 3
    rng = np.random.default_rng(seed)
    means = _resampled_means(values, rng, _draw_counts(rng, n, len(values)))
    return float(np.nanmean(values)), *_percentiles(means, level)


def _percentiles(means: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def interval(mean: float, low: float, high: float) -> dict:
    """A number with an interval that was computed elsewhere, as `to_value` gives it."""
    return {"value": mean, "low": low, "high": high}


def _resampled_means(values: np.ndarray, rng: np.random.Generator, seed_counts: np.ndarray) -> np.ndarray:
    """Means (n,) of resamples of values (seeds, images): products of counts (n, seeds) and (n, images), no copies."""
    images = values.shape[1]
    present, filled = (~np.isnan(values)).astype(float), np.nan_to_num(values)
    means = []
    for rows in np.array_split(seed_counts, -(-len(seed_counts) * images // 4_000_000)):  # at most 32 MB of counts
        columns = _draw_counts(rng, len(rows), images)
        means.append(((rows @ filled) * columns).sum(axis=1) / ((rows @ present) * columns).sum(axis=1))
    return np.concatenate(means)


def _draw_counts(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    """How often each of size things is drawn, for n draws of size with replacement: (n, size) float64."""
    drawn = rng.integers(size, size=(n, size)) + size * np.arange(n)[:, None]  # some 20 times as fast as multinomial()
    return np.bincount(drawn.ravel(), minlength=n * size).reshape(n, size).astype(float)


def direction(low: float | None, high: float | None) -> str:
    """ "below" or "above" where the interval of a difference lies on that side of 0, else "no difference shown"."""
    if low is None or high is None or not (low > 0 or high < 0):
        return "no difference shown"
    return "above" if low > 0 else "below"


def encode_errors(errors: np.ndarray) -> str:
    """Errors (seeds, n) as base64 of little-endian float32; of float16 above 4,096, where the mean stays the same."""
    errors = np.asarray(errors)
    prefix, dtype = (HALF, "<f2") if errors.size > 4096 else ("", "<f4")
    return prefix + base64.b64encode(errors.astype(dtype).tobytes()).decode()


def decode_errors(text: str, seeds: int) -> np.ndarray:
    """Errors (seeds, n) float64 of an encoded text. ValueError when it does not hold as many for each seed."""
    dtype = "<f2" if text.startswith(HALF) else "<f4"
    return np.frombuffer(error_bytes(text), dtype).reshape(seeds, -1).astype(float)


def error_bytes(text: str) -> bytes:
    """The bytes that an encoded text holds."""
    return base64.b64decode(text.removeprefix(HALF))
