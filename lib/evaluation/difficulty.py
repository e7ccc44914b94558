"""How hard is an image? The study's abstract names similar background colours and complex textures."""

import cv2
import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from lib.evaluation import difficulty, scores
from lib.evaluation.stats import interval

SURE = (12, 242)  # alpha up to / from which a pixel counts as background / foreground
BINS = 8  # of each colour axis, for the overlap of histograms


def colour_distance(image: np.ndarray, alpha: np.ndarray) -> float:
    """Distance between the mean colours of foreground and background in CIELAB (delta E, CIE 1976).

    image (H,W,3) uint8 sRGB, alpha (H,W) uint8. About 2 is just noticeable, 100 is black against white; NaN
    if the image is all foreground or all background.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    foreground, background = _sides(alpha)
    if not foreground.any() or not background.any():
        return float("nan")
    return float(np.linalg.norm(lab[foreground].mean(0) - lab[background].mean(0)))


def colour_overlap(image: np.ndarray, alpha: np.ndarray) -> float:
    """Share of colours that foreground and background have in common: their RGB histograms' intersection.

    0: no colour bin in common; 1: the same histogram. NaN if one side is empty.
    """
    bins = (image // (256 // BINS)).astype(int) @ [BINS * BINS, BINS, 1]
    foreground, background = _sides(alpha)
    if not foreground.any() or not background.any():
        return float("nan")
    counts = [np.bincount(bins[side], minlength=BINS**3) / side.sum() for side in (foreground, background)]
    return float(np.minimum(*counts).sum())


def texture(image: np.ndarray, alpha: np.ndarray) -> float:
    """Mean gradient magnitude of the luma over background pixels, in grey levels (0 ... 255) a pixel.

    Gradients that reach into the foreground are left out: the outline is no texture. NaN without background.
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    gradient = np.hypot(cv2.Sobel(luma, -1, 1, 0, scale=1 / 8), cv2.Sobel(luma, -1, 0, 1, scale=1 / 8))
    background = cv2.erode(_sides(alpha)[1].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return float(gradient[background].mean()) if background.any() else float("nan")


def _sides(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return alpha >= SURE[1], alpha <= SURE[0]


DIFFICULTIES = {
    "colour_distance": "colour distance (delta E)",
    "colour_overlap": "colours in common (share)",
    "texture": "background texture (grey levels/px)",
}


def image_difficulty(images: np.ndarray, alphas: np.ndarray) -> pd.DataFrame:
    """One row an image, one column for each of DIFFICULTIES; images (n,3,H,W), alphas (n,1,H,W) uint8."""
    rows = [
        {name: getattr(difficulty, name)(image.transpose(1, 2, 0), alpha[0]) for name in DIFFICULTIES}
        for image, alpha in zip(np.asarray(images), np.asarray(alphas), strict=True)
    ]
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


def failure_table(scored: pd.DataFrame, hardness: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Mean error over all pixels in each third of the images by difficulty, and the rank correlation.

    scored: lib.evaluation.scores of methods with one seed; hardness: `image_difficulty` of the same images. One row a
    method and difficulty: thirds from the lowest to the highest value, then Spearman's rho with its 95 % interval over
    test images.
    """
    rows = []
    for method in scored.method.unique():
        error = pd.Series(scores.matrix(scored, method, "all")[0], index=hardness.index)
        for name, label in DIFFICULTIES.items():
            order = hardness[name].dropna().sort_values(kind="stable").index
            thirds = [error.loc[part].mean() for part in np.array_split(order, 3)]
            rho, low, high = rank_correlation(hardness[name], error, seed)
            rows.append(
                {
                    "method": method,
                    "difficulty": label,
                    "lowest third": thirds[0],
                    "middle third": thirds[1],
                    "highest third": thirds[2],
                    "rho": rho,
                    "rho low": low,
                    "rho high": high,
                }
            )
    return pd.DataFrame(rows)


def rho_values(table: pd.DataFrame) -> dict[str, dict]:
    """Of a `failure_table`: method -> difficulty -> rank correlation with its interval, for lib.output.values."""
    short = {label: name for name, label in DIFFICULTIES.items()}
    return {
        method: {
            short[row["difficulty"]]: interval(row["rho"], row["rho low"], row["rho high"])
            for row in part.to_dict("records")
        }
        for method, part in table.groupby("method")
    }
