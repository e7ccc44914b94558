"""What makes a picture hard: measures of an image, and every method at all settings of two factors (lib.data.perturb).

Frames of scores here have two columns more than lib.evaluation.scores has: camouflage and detail. Their images are people:
several places of one person are averaged, so that intervals are over people.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr
from torch import nn

from lib import baselines, methods, scores
from lib.compute import Compute
from lib.data.cache import ImageSet
from lib.data.perturb import perturb, setting_grid
from lib.data.sample import Sample
from lib.data.trimap import default_radius, make_trimap
from lib.inference import predict_batches
from lib.scores import TRIMAP_CONTROL, interval

BACKGROUND, FOREGROUND = 12, 242  # alpha up to / from which a pixel counts as background / foreground
BINS = 8  # of each colour axis of a histogram
DIFFICULTIES = {
    "colour_distance": "colour distance (delta E)",
    "colour_overlap": "colours in common (share)",
    "texture": "background texture (grey levels/px)",
}
METHODS = {  # of lib.baselines.all_alphas
    "kmeans_border": "K-means, border",
    "gmm_border": "GMM, border",
    "kmeans_trimap": "K-means, trimap",
    "grabcut_trimap": "GrabCut, trimap",
}
FACTORS = ["camouflage", "detail"]
EFFECTS = ("similar colours", "complex texture", "both beyond their sum")
Scene = tuple[str, Sample]  # a person and a picture


def colour_distance(image: np.ndarray, alpha: np.ndarray) -> float:
    """Distance of the mean colours of foreground and background in CIELAB (delta E, CIE 1976); NaN if one is empty.

    image (H,W,3) uint8 sRGB, alpha (H,W) uint8. About 2 is just noticeable, 100 is black against white.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    foreground, background = alpha >= FOREGROUND, alpha <= BACKGROUND
    if not foreground.any() or not background.any():
        return float("nan")
    return float(np.linalg.norm(lab[foreground].mean(0) - lab[background].mean(0)))


def colour_overlap(image: np.ndarray, alpha: np.ndarray) -> float:
    """Intersection of the RGB histograms of foreground and background, in [0,1]; NaN if one is empty."""
    bins = (image // (256 // BINS)).astype(int) @ [BINS * BINS, BINS, 1]
    foreground, background = alpha >= FOREGROUND, alpha <= BACKGROUND
    if not foreground.any() or not background.any():
        return float("nan")
    counts = [np.bincount(bins[side], minlength=BINS**3) / side.sum() for side in (foreground, background)]
    return float(np.minimum(*counts).sum())


def texture(image: np.ndarray, alpha: np.ndarray) -> float:
    """Mean gradient of the luma over background pixels, in grey levels (0 to 255) a pixel; NaN without background."""
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    gradient = np.hypot(cv2.Sobel(luma, -1, 1, 0, scale=1 / 8), cv2.Sobel(luma, -1, 0, 1, scale=1 / 8))
    # Gradients that reach into the foreground are left out: the outline is not texture.
    background = cv2.erode((alpha <= BACKGROUND).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return float(gradient[background].mean()) if background.any() else float("nan")


MEASURES = {"colour_distance": colour_distance, "colour_overlap": colour_overlap, "texture": texture}


def image_difficulty(images: np.ndarray, alphas: np.ndarray) -> pd.DataFrame:
    """One row an image, one column for each of DIFFICULTIES; images (n,3,H,W), alphas (n,1,H,W) uint8."""
    pairs = [(image.transpose(1, 2, 0), alpha[0]) for image, alpha in zip(images, alphas, strict=True)]
    return pd.DataFrame([{name: measure(*pair) for name, measure in MEASURES.items()} for pair in pairs])


def rank_correlation(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Spearman's rank correlation of x and y (n,) with its 95 % percentile bootstrap interval.

    Pairs with a NaN are left out; NaN where fewer than three pairs or a single value remain.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return (float("nan"),) * 3
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(x), size=len(x)) for _ in range(2000)]
    # Without scipy's p-value, which costs ten times as much; a resample of a single value has no correlation.
    values = [
        np.corrcoef(rankdata(x[draw]), rankdata(y[draw]))[0, 1]
        for draw in draws
        if np.ptp(x[draw]) > 0 and np.ptp(y[draw]) > 0
    ]
    return float(spearmanr(x, y)[0]), *(float(end) for end in np.quantile(values, [0.025, 0.975]))


def failure_table(scored: pd.DataFrame, hardness: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Mean error over all pixels by thirds of the images by difficulty, and the rank correlation with its interval.

    scored: scores of methods with one seed; hardness: `image_difficulty` of the same images.
    """
    rows = []
    for method in scored.method.unique():
        error = pd.Series(scores.matrix(scored, method, "all")[0], index=hardness.index)
        for name, label in DIFFICULTIES.items():
            order = hardness[name].dropna().sort_values(kind="stable").index
            thirds = [error.loc[part].mean() for part in np.array_split(order, 3)]
            row = {"method": method, "difficulty": label}
            row |= dict(zip(("lowest third", "middle third", "highest third"), thirds, strict=True))
            correlation = rank_correlation(hardness[name], error, seed)
            rows.append(row | dict(zip(("rho", "rho low", "rho high"), correlation, strict=True)))
    return pd.DataFrame(rows)


def rho_values(table: pd.DataFrame) -> dict[str, dict]:
    """Of a `failure_table`: method -> difficulty -> rank correlation with its interval, as named values."""
    names = {label: name for name, label in DIFFICULTIES.items()}
    values: dict[str, dict] = {method: {} for method in sorted(table.method.unique())}
    for row in table.to_dict("records"):
        values[row["method"]][names[row["difficulty"]]] = interval(row["rho"], row["rho low"], row["rho high"])
    return values


# ---------------------------------------------------------------------------------------------------------- two factors


def perturb_all(scenes: Sequence[Scene], setting: tuple[float, float]) -> list[Scene]:
    """All scenes at one setting of (camouflage, detail); each has a texture of its own, the same at every setting."""
    return [(person, perturb(sample, *setting, seed)) for seed, (person, sample) in enumerate(scenes)]


def difficulty_of_settings(scenes: Sequence[Scene]) -> pd.DataFrame:
    """The measures of DIFFICULTIES at every setting: medians over the scenes."""
    rows = []
    for setting in setting_grid():
        samples = [sample for _, sample in perturb_all(scenes, setting)]
        table = pd.DataFrame([{name: f(one.image, one.alpha) for name, f in MEASURES.items()} for one in samples])
        rows.append(dict(zip(FACTORS, setting, strict=True)) | table.median().to_dict())
    return pd.DataFrame(rows)


def score_thumbnails(
    scenes: Sequence[Scene],
    models: Mapping[str, nn.Module],
    seed: int,
    compute: Compute = Compute(),
    rule: str = "tolerant",
) -> pd.DataFrame:
    """Errors by region at every setting, of clustering, GrabCut and networks of the study's size (method -> model)."""
    everything = [scene for setting in setting_grid() for scene in perturb_all(scenes, setting)]
    image, alpha = (np.stack([getattr(sample, layer) for _, sample in everything]) for layer in ("image", "alpha"))
    image, alpha = np.ascontiguousarray(image.transpose(0, 3, 1, 2)), alpha[:, None]
    trimap = make_trimap(alpha, default_radius(alpha.shape[-2:]), rule)
    keys, people = [str(number) for number in range(len(everything))], [person for person, _ in everything]
    images = ImageSet(image, alpha, trimap, None, None, keys, people, {}, [], "", rule)
    solved = baselines.all_alphas(image, alpha, trimap, seed=seed)
    alphas = {name: solved[key] / np.float32(255) for key, name in METHODS.items()}
    alphas |= {name: predict_batches(model, images, range(len(images)), compute) for name, model in models.items()}
    alphas[TRIMAP_CONTROL] = baselines.trimap_as_alpha(trimap)
    parts = []
    for number, setting in enumerate(setting_grid()):
        rows = slice(number * len(scenes), (number + 1) * len(scenes))
        for method, predicted in alphas.items():
            scored = scores.score_regions(method, 0, people[rows], predicted[rows], alpha[rows], trimap[rows])
            parts.append(_by_person(scored, setting))
    return pd.concat(parts, ignore_index=True)


def score_pictures(scenes: Sequence[Scene], rivals: Mapping[str, methods.Method], settings: Sequence) -> pd.DataFrame:
    """Errors of methods on pictures with hair at the chosen settings."""
    people = {f"person {number}": person for number, (person, _) in enumerate(scenes, 1)}
    parts = []
    for setting in settings:
        samples = [methods.with_trimap(sample) for _, sample in perturb_all(scenes, setting)]
        scored = methods.evaluate(dict(zip(people, samples, strict=True)), rivals, methods.picture_measures)
        parts.append(_by_person(scored.assign(image=scored.image.map(people)), setting))
    return pd.concat(parts, ignore_index=True)


def _by_person(scored: pd.DataFrame, setting: tuple[float, float]) -> pd.DataFrame:
    means = scored.groupby(["method", "seed", "image", "measure"], sort=False).value.mean().reset_index()
    return means.assign(**dict(zip(FACTORS, setting, strict=True)))


def factor_effects(scored: pd.DataFrame, measure: str, seed: int) -> pd.DataFrame:
    """What each factor, from its lowest to its highest setting, adds to the error: a row a method and effect.

    Columns method, effect (of EFFECTS), then `scores.mean_with_interval` over people. A factor's effect is the mean over the
    settings of the other; the interaction is taken from the four corners.
    """
    rows = []
    for method, part in scored[scored.measure == measure].groupby("method", sort=False):
        table = part.set_index(["image", *FACTORS]).value.unstack(FACTORS)  # people x settings
        colours, details = (table.columns.levels[level] for level in (0, 1))
        first, last = (table.xs(end, axis=1, level=0) for end in (colours.min(), colours.max()))
        plain, rich = (table.xs(end, axis=1, level=1) for end in (details.min(), details.max()))
        corners = [table[c, d] for c in (colours.max(), colours.min()) for d in (details.max(), details.min())]
        both = corners[0] - corners[1] - corners[2] + corners[3]
        by_effect = ((last - first).mean(axis=1), (rich - plain).mean(axis=1), both)
        for effect, values in zip(EFFECTS, by_effect, strict=True):
            rows.append(
                {"method": method, "effect": effect, **scores.mean_with_interval(values.to_numpy()[None], seed)}
            )
    return pd.DataFrame(rows)


def effects_table(effects: Mapping[str, pd.DataFrame], names: Mapping[str, str]) -> pd.DataFrame:
    """A row a measure and method: each effect with its interval. effects: measure -> `factor_effects`; names: as said."""
    rows: dict[tuple[str, str], dict] = {}
    for measure, part in effects.items():
        for row in part.to_dict("records"):
            table_row = rows.setdefault((measure, row["method"]), {"over": names[measure], "method": row["method"]})
            effect = row["effect"]
            table_row |= {effect: row["value"], f"{effect} low": row["low"], f"{effect} high": row["high"]}
    return pd.DataFrame(rows.values())


def effect_values(effects: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """method -> effect -> number with its spread, as named values."""
    return {
        method: {row["effect"]: scores.to_value(row) for row in part.to_dict("records")}
        for method, part in effects.groupby("method", sort=False)
    }
