"""Alpha without a trained network: K-means, a Gaussian mixture, GrabCut, three solvers of the literature, and controls.

Clustering goes by pixel values, image by image (the 2021 study, sections 2.2 and 2.4). A clustering does not say which
cluster is the person. Three ways to decide, from honest to unreachable:
"border": clusters that are more common on the top and side borders than inside are background (unsupervised);
"trimap": each cluster goes with the majority of the trimap's known pixels in it;
"oracle": each cluster goes where its pixels are nearer to the truth (over all pixels no other choice does better; over the
unknown ones another may). No method, since it looks at the truth.

GrabCut is a mixture for either side and a sense of space: neighbours of like colour want the same side. It starts from the
trimap and finds the person's outline by a minimum cut.

The solvers are pymatting's closed-form, KNN and learning-based matting, on full-size pictures. Each takes image (H,W,3)
float32 RGB in [0,1] and trimap (H,W) uint8 0/128/255 and gives alpha (H,W) float32 in [0,1], 0 and 1 where the trimap is
known. A trimap without unknown pixels is its own answer; one without foreground or background ends in a UserError, as
does a solver that finds no solution. pymatting and scikit-learn are imported at the first call: they take seconds, and
who cuts out a portrait (lib.cutout) needs neither.

A method that does not beat the controls has shown nothing: the trimap returned as alpha, and two that never look at the
image, the mean of the training alphas and the best constant.
"""

from collections.abc import Callable

import cv2
import numpy as np

from lib.base import UserError
from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN, paste

METHODS = ("kmeans", "gmm")
DECISIONS = ("border", "trimap", "oracle")
SAMPLE = 20_000  # pixels to fit on: more change the centres of a few clusters by less than the noise
GRABCUT_ROUNDS = 5  # of fitting and cutting; Rother et al. see it settle within some twelve, most of it in the first
STARTS = 4  # K-means from as many random starts, the best kept
WORTH_A_POOL = 200_000  # pixels of all images: with fewer, starting processes takes longer than clustering


def memberships(image: np.ndarray, method: str = "kmeans", clusters: int = 2, seed: int = 0) -> np.ndarray:
    """Membership (H,W,k) float32 of each pixel in each cluster: 0 or 1 for "kmeans", posteriors for "gmm".

    image (H,W,3) uint8 RGB, clustered as pixel values in [0,1]; fitted on at most SAMPLE pixels, predicted
    for all. Where an image has fewer distinct colours than `clusters`, k is their number. UserError for
    another method.
    """
    if method not in METHODS:
        raise UserError(f"method: expected one of {', '.join(METHODS)}, found {method!r}; choose one.")
    pixels = image.reshape(-1, 3).astype(np.float64) / 255
    k = min(clusters, len(np.unique(image.reshape(-1, 3) @ np.array([65536, 256, 1]))))  # colours as one integer each
    if k == 1:  # one colour is one cluster; scikit-learn would warn and invent a second
        return np.ones((*image.shape[:2], 1), np.float32)
    sample = pixels
    if len(pixels) > SAMPLE:
        sample = pixels[np.random.default_rng(seed).choice(len(pixels), SAMPLE, replace=False)]
        k = min(k, len(np.unique(sample, axis=0)))
    if method == "kmeans":
        from sklearn.cluster import KMeans

        labels = KMeans(k, n_init=STARTS, random_state=seed).fit(sample).predict(pixels)
        shares = np.eye(k)[labels]
    else:
        from sklearn.mixture import GaussianMixture

        # The floor under the variances is half a grey level: flat areas would otherwise have none at all.
        model = GaussianMixture(k, reg_covar=(0.5 / 255) ** 2, max_iter=300, tol=1e-2, random_state=seed)
        shares = model.fit(sample).predict_proba(pixels)
    return shares.reshape(*image.shape[:2], k).astype(np.float32)


def foreground_clusters(
    shares: np.ndarray, decision: str, trimap: np.ndarray | None = None, alpha: np.ndarray | None = None
) -> np.ndarray:
    """Which clusters are foreground: bool (k,).

    shares (H,W,k) as `memberships` gives them; trimap (H,W) uint8 for "trimap", alpha (H,W) uint8 for
    "oracle". A cluster without evidence counts as background. The oracle's choice has the smallest absolute
    error of all for hard shares, and for soft ones where alpha is 0 or 1; UserError for another decision.
    """
    weight = shares.sum((0, 1)) + 1e-12
    if decision == "border":
        border = np.zeros(shares.shape[:2], bool)
        # The lower side is left out: a half-length portrait stands on it.
        border[0], border[:, 0], border[:, -1] = True, True, True
        on_border = shares[border].sum(0) / border.sum()
        inside = shares[~border].sum(0) / max((~border).sum(), 1)
        return on_border < inside
    if decision == "trimap":
        return shares[trimap == 255].sum(0) > shares[trimap == 0].sum(0)
    if decision == "oracle":
        return np.tensordot(alpha / 255.0, shares, ((0, 1), (0, 1))) / weight > 0.5
    raise UserError(f"decision: expected one of {', '.join(DECISIONS)}, found {decision!r}; choose one.")


def cluster_alpha(shares: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Alpha (H,W) float32 in [0,1]: the summed membership in the foreground clusters; hard for K-means."""
    return np.clip(shares[..., foreground].sum(-1), 0, 1)


def kmeans_alpha(
    image: np.ndarray,
    decision: str,
    trimap: np.ndarray | None = None,
    alpha: np.ndarray | None = None,
    clusters: int = 2,
    seed: int = 0,
) -> np.ndarray:
    """Hard alpha (H,W) float32 of one image (H,W,3) uint8 by K-means; see `foreground_clusters`."""
    shares = memberships(image, "kmeans", clusters, seed)
    return cluster_alpha(shares, foreground_clusters(shares, decision, trimap, alpha))


def gmm_alpha(
    image: np.ndarray,
    decision: str,
    trimap: np.ndarray | None = None,
    alpha: np.ndarray | None = None,
    clusters: int = 2,
    seed: int = 0,
) -> np.ndarray:
    """Soft alpha (H,W) float32 of one image (H,W,3) uint8 by a GMM; see `foreground_clusters`."""
    shares = memberships(image, "gmm", clusters, seed)
    return cluster_alpha(shares, foreground_clusters(shares, decision, trimap, alpha))


def all_alphas(
    images: np.ndarray, alphas: np.ndarray, trimaps: np.ndarray, clusters: int = 2, seed: int = 0, jobs: int = 0
) -> dict[str, np.ndarray]:
    """Clustering with every decision, and GrabCut: {"kmeans_border": (n,1,H,W) uint8, ..., "grabcut_trimap": ...}.

    images (n,3,H,W), alphas and trimaps (n,1,H,W), uint8. Each image is clustered once a method, in `jobs`
    processes (-1: all cores; 0: all where that pays), seeded by `seed` + position: `jobs` changes nothing.
    """
    from joblib import Parallel, delayed

    pixels = len(images) * images.shape[-2] * images.shape[-1]
    rows = Parallel(n_jobs=jobs or (1 if pixels < WORTH_A_POOL else -1))(
        delayed(_one)(np.asarray(images[i]), np.asarray(alphas[i, 0]), trimaps[i, 0], clusters, seed + i)
        for i in range(len(images))
    )
    return {key: np.stack([row[key] for row in rows])[:, None] for key in rows[0]}


def _one(image: np.ndarray, alpha: np.ndarray, trimap: np.ndarray, clusters: int, seed: int) -> dict:
    from threadpoolctl import threadpool_limits

    result = {}
    with threadpool_limits(1):  # one image a process; threads of their own would only wait for each other
        for method in METHODS:
            shares = memberships(image.transpose(1, 2, 0), method, clusters, seed)
            for decision in DECISIONS:
                chosen = foreground_clusters(shares, decision, trimap, alpha)
                alpha_255 = np.round(cluster_alpha(shares, chosen) * 255)
                result[f"{method}_{decision}"] = alpha_255.astype(np.uint8)
    cut = grabcut_alpha(image.transpose(1, 2, 0), trimap, seed)
    return result | {"grabcut_trimap": (cut * 255).astype(np.uint8)}


def grabcut_alpha(image: np.ndarray, trimap: np.ndarray, seed: int = 0) -> np.ndarray:
    """Hard alpha (H,W) float32 of one image (H,W,3) uint8 RGB by GrabCut, 0 and 1 where the trimap (H,W) uint8 knows.

    Rother, Kolmogorov and Blake 2004, "GrabCut", figure 3: the unknown pixels begin as foreground. With nothing known as
    background there is no second model, and they stay so; a trimap without unknown pixels is its own answer.
    """
    unknown = trimap == UNKNOWN
    if not unknown.any() or not (trimap == BACKGROUND).any():
        return paste(np.ones_like(trimap), trimap)
    mask = np.where(unknown, cv2.GC_PR_FGD, np.where(trimap == FOREGROUND, cv2.GC_FGD, cv2.GC_BGD)).astype(np.uint8)
    cv2.setRNGSeed(seed)  # its mixtures start from K-means with random centres
    bgr, models = np.ascontiguousarray(image[..., ::-1]), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.grabCut(bgr, mask, None, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    return ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.float32)


def closed_form(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Levin, Lischinski and Weiss 2008, 'A closed-form solution to natural image matting'."""
    from pymatting import estimate_alpha_cf

    return _solve("closed-form matting", estimate_alpha_cf, image, trimap)


def knn(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Chen, Li and Tang 2013, 'KNN matting'."""
    from pymatting import estimate_alpha_knn

    return _solve("KNN matting", estimate_alpha_knn, image, trimap)


def learning_based(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Zheng and Kambhamettu 2009, 'Learning based digital matting'; what it learns, it learns from the one picture."""
    from pymatting import estimate_alpha_lbdm

    return _solve("learning-based matting", estimate_alpha_lbdm, image, trimap)


SOLVERS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "closed-form": closed_form,
    "KNN": knn,
    "learning-based": learning_based,
}


def _solve(name: str, solver: Callable, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    known = trimap != UNKNOWN
    if known.all():
        return (trimap == FOREGROUND).astype(np.float32)
    for level, what in ((FOREGROUND, "foreground (255)"), (BACKGROUND, "background (0)")):
        if not (trimap == level).any():
            raise UserError(f"trimap: {name} expected pixels known as {what}, found none; mark some, or use a network.")
    levels = np.where(known, trimap == FOREGROUND, 0.5)
    try:
        alpha = solver(image.astype(np.float64), levels)
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise UserError(f"{name}: found no solution for this picture ({error}); use another method.") from error
    return np.where(known, levels, np.clip(alpha, 0, 1)).astype(np.float32)


def trimap_as_alpha(trimap: np.ndarray) -> np.ndarray:
    """The trimap returned as alpha: 1 in its foreground, 0 in its background, 0.5 where it is unknown.

    trimap (N,1,H,W) uint8 0/128/255 -> float32 of the same shape.
    """
    return np.where(trimap == 128, np.float32(0.5), (trimap == 255).astype(np.float32))


def half_unknown(trimap: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The true alpha where the trimap is known, 0.5 where it is not.

    Over unknown pixels its error is that of `trimap_as_alpha`; over all pixels it is what the unknown band
    alone costs someone who never guesses. trimap, alpha (N,1,H,W) uint8 -> float32 of the same shape.
    """
    return np.where(trimap == 128, np.float32(0.5), alpha.astype(np.float32) / 255)


def mean_alpha(alphas: np.ndarray) -> np.ndarray:
    """The mean (1,H,W) float32 in [0,1] of alphas (n,1,H,W) uint8: what somebody says who knows only how people stand."""
    return (np.asarray(alphas).mean(axis=0, dtype=np.float64) / 255).astype(np.float32)


def best_constant(alphas: np.ndarray, where: np.ndarray | None = None) -> np.float32:
    """The one alpha in [0,1] with the smallest mean absolute error over all pixels, or over those of `where` (bool).

    That is the median of alphas (n,1,H,W) uint8; 0.5 where there is no pixel. Counted, not sorted: a set may be large.
    """
    counts = np.bincount(np.asarray(alphas if where is None else alphas[where]).ravel(), minlength=256)
    if not counts.any():
        return np.float32(0.5)
    return np.float32(np.searchsorted(counts.cumsum(), counts.sum() / 2) / 255)
