"""Intervals by bootstrap: over test images, over seeds and images, and of paired differences."""

import numpy as np

from lib.evaluation import samples


def bootstrap_interval(
    values: np.ndarray, seed: int = 0, n: int = 2000, level: float = 0.95
) -> tuple[float, float, float]:
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
    means = _resampled_means(values, np.random.default_rng(seed), n)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(np.nanmean(values)), float(low), float(high)


def _resampled_means(
    values: np.ndarray, generator: np.random.Generator, n: int, rows: np.ndarray | None = None
) -> np.ndarray:
    """Means (n,) of resamples of (seeds, images) values, NaNs left out.

    A resample is how often it holds each seed and each image: products of counts, no copies. rows: counts (n, seeds)
    of seeds drawn before.
    """
    seeds, images = values.shape
    if rows is None:
        rows = draw_counts(generator, n, seeds)
    present, filled = (~np.isnan(values)).astype(float), np.nan_to_num(values)
    means = []
    for some in np.array_split(rows, -(-n * images // 4_000_000)):  # at most 32 MB of counts at a time
        columns = draw_counts(generator, len(some), images)
        means.append(((some @ filled) * columns).sum(axis=1) / ((some @ present) * columns).sum(axis=1))
    return np.concatenate(means)


def draw_counts(generator: np.random.Generator, n: int, size: int) -> np.ndarray:
    """How often each of `size` things is in a draw of as many with replacement: (n, size), for n draws."""
    # Drawn and counted: some twenty times as fast as a multinomial.
    drawn = generator.integers(size, size=(n, size)) + size * np.arange(n)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * size).reshape(n, size).astype(float)


def paired_interval(
    a: np.ndarray, b: np.ndarray, seed: int = 0, n: int = 2000, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of a - b with its interval, pair by pair: same image and, with two axes, same seed.

    a, b: (images,) or (seeds, images), equal shapes; ValueError otherwise.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        raise ValueError(f"pairs need equal shapes, found {a.shape} and {b.shape}")
    return bootstrap_interval(a - b, seed, n, level)


def gap_interval(
    a: np.ndarray, b: np.ndarray, seed: int = 0, n: int = 2000, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of a minus mean of b with its interval, where a and b (seeds, images) share seeds but not images."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if len(a) != len(b):
        raise ValueError(f"a gap needs the same seeds, found {len(a)} and {len(b)}")
    generator = np.random.default_rng(seed)
    rows = draw_counts(generator, n, len(a))
    gaps = _resampled_means(a, generator, n, rows) - _resampled_means(b, generator, n, rows)
    low, high = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2])
    return float(np.nanmean(a) - np.nanmean(b)), float(low), float(high)


def seed_deviation(values: np.ndarray) -> float | None:
    """Standard deviation over seeds of the means of (seeds, n) values; None for one seed."""
    return float(np.nanmean(values, axis=1).std(ddof=1)) if len(values) > 1 else None


def verdict(low: float | None, high: float | None, better: str = "lower", worse: str = "higher") -> str:
    """Words for the interval of a difference: `better` below zero, `worse` above, else that none is shown.

    low, high: None where there is no interval (`estimate` of a single number), which shows nothing.
    """
    if low is None or high is None:
        return "no difference shown"
    if low > 0:
        return worse
    if high < 0:
        return better
    return "no difference shown"


def estimate(errors: np.ndarray, seed: int) -> dict:
    """Mean of (seeds, n) values with `sd` over seeds (None for one) and the 95 % interval `low` to `high`.

    sample: the values themselves, as `samples.packed` writes them. A single number has neither interval nor sample: None.
    """
    errors = np.atleast_2d(errors)
    mean, low, high = bootstrap_interval(errors, seed)
    if errors.size == 1:  # nothing to resample
        low = high = None
    return {
        "value": mean,
        "sd": seed_deviation(errors),
        "low": low,
        "high": high,
        "seeds": errors.shape[0],
        "n": errors.shape[1],
        "sample": samples.packed(errors) if errors.size > 1 else None,
    }


def difference(a: np.ndarray, b: np.ndarray, seed: int) -> dict:
    """`estimate` of a - b, paired by seed and image; one row (a method without seeds) meets all rows."""
    return estimate(np.subtract(*np.broadcast_arrays(np.atleast_2d(a), np.atleast_2d(b))), seed)


def gap(tested: np.ndarray, trained: np.ndarray, seed: int) -> dict:
    """Mean over (seeds, test images) minus mean over (seeds, training images), paired by seed only."""
    mean, low, high = gap_interval(tested, trained, seed)
    by_seed = (np.nanmean(tested, axis=1) - np.nanmean(trained, axis=1))[:, None]
    return {
        "value": mean,
        "sd": seed_deviation(by_seed),
        "low": low,
        "high": high,
        "seeds": tested.shape[0],
        "n": tested.shape[1],
    }


def interval(mean: float, low: float, high: float) -> dict:
    """A number with an interval that was computed elsewhere."""
    return {"value": mean, "low": low, "high": high}


def spread(row: dict) -> dict:
    """Of a table's row, the number with its spread: what `estimate` gave, None where the table has NaN."""
    numbers = {
        name: None if row[name] is None or np.isnan(row[name]) else row[name]
        for name in ("value", "sd", "low", "high", "seeds", "n")
    }
    return numbers | ({"sample": row["sample"]} if isinstance(row.get("sample"), str) else {})
