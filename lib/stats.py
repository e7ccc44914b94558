"""Intervals by bootstrap: over test images, over seeds and images, and of paired differences."""

import numpy as np


def bootstrap_interval(values: np.ndarray, seed: int = 0, n: int = 2000,
                       level: float = 0.95) -> tuple[float, float, float]:
    """Mean of `values`, and the percentile bootstrap interval of that mean: (mean, low, high).

    values: (images,) or (seeds, images). With two axes the draw is hierarchical: seeds with replacement,
    then, within the draw, one resample of the images shared by all seeds, since all seeds are tested on the
    same images. Images with NaN for every seed (no unknown pixel) are left out, single NaNs are left out of
    each mean; without any value all three are NaN. n: number of resamples. Efron and Tibshirani, An
    Introduction to the Bootstrap (1993), chapter 13.
    """
    values = np.atleast_2d(np.asarray(values, float))
    values = values[:, ~np.isnan(values).all(axis=0)]
    if values.size == 0:
        return (float("nan"),) * 3
    seeds, images = values.shape
    generator = np.random.default_rng(seed)
    means = np.empty(n)
    for i in range(n):
        rows = generator.integers(seeds, size=seeds)
        columns = generator.integers(images, size=images)
        means[i] = np.nanmean(values[np.ix_(rows, columns)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(np.nanmean(values)), float(low), float(high)


def paired_interval(a: np.ndarray, b: np.ndarray, seed: int = 0, n: int = 2000,
                    level: float = 0.95) -> tuple[float, float, float]:
    """Mean of a - b with its interval, pair by pair: same image and, with two axes, same seed.

    a, b: (images,) or (seeds, images), equal shapes; ValueError otherwise.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        raise ValueError(f"pairs need equal shapes, found {a.shape} and {b.shape}")
    return bootstrap_interval(a - b, seed, n, level)


def verdict(low: float, high: float, better: str = "lower", worse: str = "higher") -> str:
    """Words for the interval of a difference: `better` below zero, `worse` above, else that none is shown."""
    if low > 0:
        return worse
    if high < 0:
        return better
    return "no difference shown"
