"""Where clustering fails: its error against how hard the image is (the opening claim of the 2021 study)."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from lib.evaluation import stats
from lib.evaluation.difficulty import DIFFICULTIES
from lib.evaluation.stats import interval


def method_table(errors: dict[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """One row a method: mean error over all and over unknown pixels, with 95 % intervals over test images.

    errors: method -> `lib.evaluation.scores.alpha_errors` of the same images in the same order.
    """
    rows = []
    for method, error in errors.items():
        row = {"method": method}
        for region in ("all", "unknown"):
            mean, low, high = stats.bootstrap_interval(error[region].to_numpy(), seed)
            row |= {region: mean, f"{region} low": low, f"{region} high": high}
        rows.append({**row, "test images": len(error)})
    return pd.DataFrame(rows)


def rank_correlation(x: np.ndarray, y: np.ndarray, seed: int, n: int = 2000) -> tuple[float, float, float]:
    """Spearman's rank correlation of x and y (images,) with its 95 % percentile bootstrap interval.

    Pairs with a NaN are left out; all three are NaN where fewer than three pairs or one value only are left.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = x[kept], y[kept]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return (float("nan"),) * 3
    generator = np.random.default_rng(seed)
    draws = [generator.integers(len(x), size=len(x)) for _ in range(n)]
    # A resample can hold one value only; its correlation does not exist and it is left out.
    values = [_spearman(x[draw], y[draw]) for draw in draws if np.ptp(x[draw]) > 0 and np.ptp(y[draw]) > 0]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(spearmanr(x, y)[0]), float(low), float(high)


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    # scipy's spearmanr without its p-value, which costs ten times as much as the correlation
    return np.corrcoef(rankdata(x), rankdata(y))[0, 1]


def failure_table(errors: dict[str, pd.DataFrame], hardness: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Mean error over all pixels in each third of the images by difficulty, and the rank correlation.

    One row a method and difficulty: thirds from the lowest to the highest value, then Spearman's rho with its
    95 % interval over test images.
    """
    rows = []
    for method, error in errors.items():
        for name, label in DIFFICULTIES.items():
            order = hardness[name].dropna().sort_values(kind="stable").index
            thirds = [error["all"].loc[part].mean() for part in np.array_split(order, 3)]
            rho, low, high = rank_correlation(hardness[name], error["all"], seed)
            rows.append({"method": method, "difficulty": label, "lowest third": thirds[0],
                         "middle third": thirds[1], "highest third": thirds[2],
                         "rho": rho, "rho low": low, "rho high": high})
    return pd.DataFrame(rows)


def method_values(table: pd.DataFrame) -> dict[str, dict]:
    """test_all and test_unknown of a `method_table`: method -> number with its interval, for lib.output.values."""
    rows = table.to_dict("records")
    return {f"test_{region}": {row["method"]: interval(row[region], row[f"{region} low"], row[f"{region} high"])
                               for row in rows} for region in ("all", "unknown")}


def rho_values(table: pd.DataFrame) -> dict[str, dict]:
    """Of a `failure_table`: method -> difficulty -> rank correlation with its interval, for lib.output.values."""
    short = {label: name for name, label in DIFFICULTIES.items()}
    return {method: {short[row["difficulty"]]: interval(row["rho"], row["rho low"], row["rho high"])
                     for row in part.to_dict("records")} for method, part in table.groupby("method")}


def correlation_sentence(table: pd.DataFrame, method: str) -> str:
    """Words for the correlations of one method in a `failure_table`, each with its interval."""
    parts = []
    for row in table[table.method == method].to_dict("records"):
        direction = {"lower": "falls", "higher": "rises"}.get(stats.verdict(row["rho low"], row["rho high"]))
        outcome = f"{direction} with" if direction else "is not shown to depend on"
        interval = f"rho {row['rho']:.2f}, {row['rho low']:.2f} to {row['rho high']:.2f}"
        parts.append(f"{outcome} {row['difficulty']} ({interval})")
    return f"{method}: the error " + "; ".join(parts) + "."
