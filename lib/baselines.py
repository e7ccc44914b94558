"""Alpha without a trained network: K-means, a Gaussian mixture, GrabCut, three solvers of the literature, and controls.

Clustering goes by the colours of one image (the 2021 study, sections 2.2 and 2.4). A clustering does not say which
cluster is the person. Three decisions: "border", clusters that are more common at the top and side borders than inside
are background (unsupervised); "trimap", each cluster goes with the majority of its known pixels; "oracle", each cluster
goes where its pixels are nearer to the true alpha (no method: it sees the truth).

pymatting and scikit-learn take seconds to import, and the cut-out needs neither: they are imported at the first call.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from lib.base import UserError
from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN, fill_known

METHODS = ("kmeans", "gmm")
DECISIONS = ("border", "trimap", "oracle")
SAMPLE = 20_000  # pixels to fit on: more change the centres of a few clusters by less than the noise
STARTS = 4  # K-means from as many random starts, the best kept
GRABCUT_ROUNDS = 5  # of fitting and cutting; Rother et al. see it settle within some twelve, most of it in the first
POOL_PIXELS = 200_000  # of all images: with fewer, starting processes takes longer than clustering
CELLS, CELL = 81, 0.25  # of the distance look-up: cells along an axis, px along a cell


def cluster_memberships(image: np.ndarray, method: str = "kmeans", clusters: int = 2, seed: int = 0) -> np.ndarray:
    """Membership (H,W,k) float32 of each pixel of image (H,W,3) uint8: 0 or 1 for "kmeans", posteriors for "gmm".

    k is smaller than `clusters` where an image has fewer distinct colours.
    """
    if method not in METHODS:
        raise UserError(f"method: expected one of {', '.join(METHODS)}, found {method!r}; choose one.")
    pixels = image.reshape(-1, 3).astype(np.float64) / 255
    k = min(clusters, len(np.unique(image.reshape(-1, 3) @ np.array([65536, 256, 1]))))  # colours as one integer each
    if k == 1:  # scikit-learn would warn and invent a second cluster
        return np.ones((*image.shape[:2], 1), np.float32)
    sample = pixels
    if len(pixels) > SAMPLE:
        sample = pixels[np.random.default_rng(seed).choice(len(pixels), SAMPLE, replace=False)]
        k = min(k, len(np.unique(sample, axis=0)))
    if method == "kmeans":
        from sklearn.cluster import KMeans

        shares = np.eye(k)[KMeans(k, n_init=STARTS, random_state=seed).fit(sample).predict(pixels)]
    else:
        from sklearn.mixture import GaussianMixture

        # The floor under the variances is half a grey level: flat areas would otherwise have none at all.
        model = GaussianMixture(k, reg_covar=(0.5 / 255) ** 2, max_iter=300, tol=1e-2, random_state=seed)
        shares = model.fit(sample).predict_proba(pixels)
    return shares.reshape(*image.shape[:2], k).astype(np.float32)


def choose_foreground(
    shares: np.ndarray, decision: str, trimap: np.ndarray | None = None, alpha: np.ndarray | None = None
) -> np.ndarray:
    """Which clusters of shares (H,W,k) are foreground: bool (k,). A cluster without evidence is background.

    trimap (H,W) uint8 for "trimap", alpha (H,W) uint8 for "oracle". The oracle's choice has the smallest absolute error
    over all pixels for hard shares, and for soft ones where alpha is 0 or 1.
    """
    if decision == "border":
        border = np.zeros(shares.shape[:2], bool)
        border[0], border[:, 0], border[:, -1] = True, True, True  # not the lower side: a portrait stands on it
        on_border = shares[border].sum(0) / border.sum()
        inside = shares[~border].sum(0) / max((~border).sum(), 1)
        return on_border < inside
    if decision == "trimap":
        return shares[trimap == FOREGROUND].sum(0) > shares[trimap == BACKGROUND].sum(0)
    if decision == "oracle":
        weight = shares.sum((0, 1)) + 1e-12
        return np.tensordot(alpha / 255.0, shares, ((0, 1), (0, 1))) / weight > 0.5
    raise UserError(f"decision: expected one of {', '.join(DECISIONS)}, found {decision!r}; choose one.")


def sum_memberships(shares: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Alpha (H,W) float32 in [0,1]: the summed membership in the foreground clusters."""
    return np.clip(shares[..., foreground].sum(-1), 0, 1)


def cluster_alpha(
    image: np.ndarray,
    decision: str,
    trimap: np.ndarray | None = None,
    alpha: np.ndarray | None = None,
    clusters: int = 2,
    seed: int = 0,
    method: str = "kmeans",
) -> np.ndarray:
    """Alpha (H,W) float32 of one image (H,W,3) uint8 by clustering: hard for "kmeans", soft for "gmm"."""
    shares = cluster_memberships(image, method, clusters, seed)
    return sum_memberships(shares, choose_foreground(shares, decision, trimap, alpha))


def all_alphas(
    images: np.ndarray, alphas: np.ndarray, trimaps: np.ndarray, clusters: int = 2, seed: int = 0, jobs: int = 0
) -> dict[str, np.ndarray]:
    """Clustering with every decision, and GrabCut: {"kmeans_border": (n,1,H,W) uint8, ..., "grabcut_trimap": ...}.

    images (n,3,H,W), alphas and trimaps (n,1,H,W), uint8. jobs: processes (-1: all cores; 0: all where that pays); each
    image has a seed of its own, so `jobs` changes nothing.
    """
    from joblib import Parallel, delayed

    pixels = len(images) * images.shape[-2] * images.shape[-1]
    rows = Parallel(n_jobs=jobs or (1 if pixels < POOL_PIXELS else -1))(
        delayed(_all_of_one)(np.asarray(images[i]), np.asarray(alphas[i, 0]), trimaps[i, 0], clusters, seed + i)
        for i in range(len(images))
    )
    return {key: np.stack([row[key] for row in rows])[:, None] for key in rows[0]}


def _all_of_one(image: np.ndarray, alpha: np.ndarray, trimap: np.ndarray, clusters: int, seed: int) -> dict:
    from threadpoolctl import threadpool_limits

    image, result = image.transpose(1, 2, 0), {}
    with threadpool_limits(1):  # one image a process; threads of their own would only wait for each other
        for method in METHODS:
            shares = cluster_memberships(image, method, clusters, seed)
            for decision in DECISIONS:
                chosen = choose_foreground(shares, decision, trimap, alpha)
                result[f"{method}_{decision}"] = np.round(sum_memberships(shares, chosen) * 255).astype(np.uint8)
    return result | {"grabcut_trimap": (grabcut_alpha(image, trimap, seed) * 255).astype(np.uint8)}


def grabcut_alpha(image: np.ndarray, trimap: np.ndarray, seed: int = 0) -> np.ndarray:
    """Hard alpha (H,W) float32 of image (H,W,3) uint8 RGB by GrabCut, 0 and 1 where the trimap (H,W) uint8 is known.

    Rother, Kolmogorov and Blake 2004, figure 3: the unknown pixels start as foreground. Without known background there
    is no second model, and they stay foreground.
    """
    unknown = trimap == UNKNOWN
    if not unknown.any() or not (trimap == BACKGROUND).any():
        return fill_known(np.ones_like(trimap), trimap)
    mask = np.where(unknown, cv2.GC_PR_FGD, np.where(trimap == FOREGROUND, cv2.GC_FGD, cv2.GC_BGD)).astype(np.uint8)
    cv2.setRNGSeed(seed)  # its mixtures start from K-means with random centres
    bgr, models = np.ascontiguousarray(image[..., ::-1]), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.grabCut(bgr, mask, None, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    return ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.float32)


def solve(label: str, function: str, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Alpha (H,W) float32 in [0,1] by a function of pymatting, 0 and 1 where the trimap is known.

    image (H,W,3) float RGB in [0,1], trimap (H,W) uint8 0/128/255. UserError for unknown pixels without known
    foreground or background, and where the function finds no solution.
    """
    known = trimap != UNKNOWN
    if known.all():
        return (trimap == FOREGROUND).astype(np.float32)
    for level, side in ((FOREGROUND, "foreground (255)"), (BACKGROUND, "background (0)")):
        if not (trimap == level).any():
            raise UserError(
                f"trimap: {label} expected pixels known as {side}, found none; mark some, or use a network."
            )
    import pymatting

    levels = np.where(known, trimap == FOREGROUND, 0.5)
    try:
        alpha = getattr(pymatting, function)(image.astype(np.float64), levels)
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise UserError(f"{label}: found no solution for this picture ({error}); use another method.") from error
    return np.where(known, levels, np.clip(alpha, 0, 1)).astype(np.float32)


SOLVERS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "closed-form": partial(solve, "closed-form matting", "estimate_alpha_cf"),  # Levin, Lischinski and Weiss 2008
    "KNN": partial(solve, "KNN matting", "estimate_alpha_knn"),  # Chen, Li and Tang 2013
    "learning-based": partial(solve, "learning-based matting", "estimate_alpha_lbdm"),  # Zheng and Kambhamettu 2009
}


# ------------------------------------------------------------------------ controls, none of which looks at the image


def trimap_as_alpha(trimap: np.ndarray) -> np.ndarray:
    """The trimap (...) uint8 returned as alpha, float32: 0.5 where it is unknown."""
    return fill_known(np.float32(0.5), trimap)


def truth_with_half_unknown(trimap: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The true alpha (...) uint8 where the trimap is known, 0.5 where it is not; float32."""
    return np.where(trimap == UNKNOWN, np.float32(0.5), alpha.astype(np.float32) / 255)


def mean_alpha(alphas: np.ndarray) -> np.ndarray:
    """The mean (1,H,W) float32 in [0,1] of alphas (n,1,H,W) uint8."""
    return (np.asarray(alphas).mean(axis=0, dtype=np.float64) / 255).astype(np.float32)


def best_constant(alphas: np.ndarray, mask: np.ndarray | None = None) -> np.float32:
    """The one alpha in [0,1] with the smallest mean absolute error over alphas uint8, or over those where mask is true.

    That is their median, counted rather than sorted: a set may be large. 0.5 where there is no pixel.
    """
    counts = np.bincount(np.asarray(alphas if mask is None else alphas[mask]).ravel(), minlength=256)
    if not counts.any():
        return np.float32(0.5)
    return np.float32(np.searchsorted(counts.cumsum(), counts.sum() / 2) / 255)


def mid_line(trimap: np.ndarray) -> np.ndarray:
    """Hard alpha (...,H,W) float32 with its edge half-way between known foreground and known background.

    Trimaps cut from true alpha have their band centred on the edge: a method must beat this to have used the image.
    """
    return distance_ratio(trimap, np.inf)


def distance_ratio(trimap: np.ndarray, steepness: float = 1.0) -> np.ndarray:
    """Alpha (...,H,W) float32: a ramp over the unknown band from known background (0) to known foreground (1).

    With b and f, the distances to both, it is 0.5 + steepness (b / (f + b) - 0.5), clipped to [0,1].
    """
    foreground, background = _distances(trimap)
    offset = background / (foreground + background) - 0.5
    ramp = np.sign(offset) if np.isinf(steepness) else steepness * offset
    return fill_known(np.clip(0.5 + ramp, 0, 1), trimap)


def fit_distance_lookup(trimaps: np.ndarray, alphas: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function trimap -> alpha (...,H,W) float32: the median training alpha by the two distances of `distance_ratio`.

    trimaps, alphas (n,1,H,W) uint8: unknown pixels count. Distances are rounded to 0.25 px and end at 20 px; pairs that
    training does not have get the distance ratio.
    """
    counts = np.zeros((CELLS**2, 256), np.int64)
    for trimap, alpha in zip(trimaps, alphas, strict=True):
        unknown = np.asarray(trimap) == UNKNOWN
        np.add.at(counts, (_distance_cells(trimap)[unknown], np.asarray(alpha)[unknown]), 1)
    reached, total = counts.cumsum(axis=1), counts.sum(axis=1, keepdims=True)
    middle = [(reached <= position).sum(axis=1) for position in ((total - 1) // 2, total // 2)]
    median = np.where(total[:, 0] > 0, np.mean(middle, axis=0) / 255, np.nan)

    def lookup(trimap: np.ndarray) -> np.ndarray:
        alpha = median[_distance_cells(trimap)]
        return fill_known(np.where(np.isnan(alpha), distance_ratio(trimap), alpha), trimap)

    return lookup


def _distance_cells(trimap: np.ndarray) -> np.ndarray:
    foreground, background = (np.minimum(np.round(d / CELL), CELLS - 1).astype(int) for d in _distances(trimap))
    return foreground * CELLS + background


def _distances(trimap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (...,H,W) in px to the nearest known foreground and background; 60000 where there is none."""
    distances = np.full((2, *np.shape(trimap)), 60_000.0)
    for index in np.ndindex(np.shape(trimap)[:-2]):
        for layer, level in zip(distances, (FOREGROUND, BACKGROUND), strict=True):
            other = np.asarray(trimap[index]) != level
            if not other.all():
                layer[index] = cv2.distanceTransform(other.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distances[0], distances[1]
