"""Methods without a trained network: clustering beside scikit-learn, solvers beside pymatting, controls by hand."""

import itertools
import warnings

import cv2
import numpy as np
import pymatting
import pytest
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from lib import baselines
from lib.base import UserError
from lib.baselines import trimap_as_alpha, truth_with_half_unknown
from lib.data.trimap import make_trimap
from lib.metrics import errors_by_region

every_solver = pytest.mark.parametrize("name", baselines.SOLVERS)
TRIMAP = np.uint8([0, 128, 128, 255]).reshape(1, 1, 2, 2)
ALPHA = np.uint8([0, 51, 255, 204]).reshape(1, 1, 2, 2)


def person(size: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """Image (H,W,3) and alpha (H,W) uint8: a flat body that stands on the lower border before a flat wall."""
    alpha = np.zeros((size, size), np.uint8)
    alpha[size // 4 :, size // 4 : -size // 4] = 255
    image = np.where(alpha[..., None] == 255, np.uint8([200, 40, 30]), np.uint8([20, 90, 160]))
    return image, alpha


def noise(size: int = 20, seed: int = 0) -> np.ndarray:
    """Two overlapping clouds of colour, so that posteriors lie strictly between 0 and 1."""
    random = np.random.default_rng(seed)
    means = np.where(random.random((size, size, 1)) < 0.4, [170, 120, 90], [110, 130, 120])
    return np.clip(random.normal(means, 25), 0, 255).astype(np.uint8)


def test_kmeans_memberships_are_scikit_learns_labels():
    image = noise()
    pixels = image.reshape(-1, 3) / 255
    labels = KMeans(3, n_init=4, random_state=7).fit(pixels).labels_
    shares = baselines.cluster_memberships(image, "kmeans", 3, seed=7)
    assert (shares.argmax(-1).ravel() == labels).all()
    assert set(np.unique(shares)) == {0, 1} and (shares.sum(-1) == 1).all()


def test_gmm_memberships_are_scikit_learns_posteriors():
    image = noise()
    pixels = image.reshape(-1, 3) / 255
    model = GaussianMixture(2, reg_covar=(0.5 / 255) ** 2, max_iter=300, tol=1e-2, random_state=7).fit(pixels)
    shares = baselines.cluster_memberships(image, "gmm", 2, seed=7)
    np.testing.assert_allclose(shares.reshape(-1, 2), model.predict_proba(pixels), atol=1e-6)
    assert ((shares > 0.05) & (shares < 0.95)).any(), "posteriors of overlapping clouds are soft"


@pytest.mark.parametrize("method", baselines.METHODS)
def test_alpha_is_the_summed_membership_of_the_foreground_clusters(method):
    image, k = noise(), 3
    truth = (np.arange(400).reshape(20, 20) % 255).astype(np.uint8)
    shares = baselines.cluster_memberships(image, method, k, seed=2)
    mean = [np.average(truth / 255, weights=shares[..., i]) for i in range(k)]
    expected = sum((shares[..., i] for i in range(k) if mean[i] > 0.5), np.zeros((20, 20)))
    found = baselines.cluster_alpha(image, "oracle", alpha=truth, clusters=k, seed=2, method=method)
    assert found.dtype == np.float32 and found.shape == (20, 20)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("method", baselines.METHODS)
@pytest.mark.parametrize("decision", baselines.DECISIONS)
def test_two_flat_colours_are_recovered_exactly(method, decision):
    image, alpha = person()
    found = baselines.cluster_alpha(image, decision, make_trimap(alpha, 1.5), alpha, method=method)
    np.testing.assert_array_equal(np.round(found * 255).astype(np.uint8), alpha)


@pytest.mark.parametrize("method", baselines.METHODS)
def test_oracle_has_the_smallest_error_of_all_choices(method):
    """Every subset of the clusters tried, for a truth of zeros and ones."""
    image = noise(seed=3)
    alpha = (image[..., 0] > np.random.default_rng(1).integers(100, 180, (20, 20))).astype(np.uint8) * 255
    shares = baselines.cluster_memberships(image, method, 4)
    subsets = itertools.product([False, True], repeat=4)
    errors = [np.abs(baselines.sum_memberships(shares, np.array(one)) - alpha / 255).mean() for one in subsets]
    chosen = baselines.choose_foreground(shares, "oracle", alpha=alpha)
    error = np.abs(baselines.sum_memberships(shares, chosen) - alpha / 255).mean()
    assert error == pytest.approx(min(errors), abs=1e-6)


def test_border_leaves_out_the_lower_side_on_which_a_portrait_stands():
    image, _ = person()
    shares = baselines.cluster_memberships(image)
    assert (image[-1] == [200, 40, 30]).all(-1).mean() == 0.5
    chosen = baselines.choose_foreground(shares, "border")
    assert chosen.sum() == 1 and baselines.sum_memberships(shares, chosen)[-1, 14] == 1


def test_trimap_decides_by_known_pixels_only():
    shares = np.zeros((2, 3, 2), np.float32)
    shares[..., 0] = [[1, 1, 1], [0, 0, 0]]
    shares[..., 1] = 1 - shares[..., 0]
    trimap = np.uint8([[255, 128, 128], [0, 128, 128]])
    assert baselines.choose_foreground(shares, "trimap", trimap).tolist() == [True, False]
    assert baselines.choose_foreground(shares, "trimap", 255 - trimap).tolist() == [False, True]


@pytest.mark.parametrize("method", baselines.METHODS)
@pytest.mark.parametrize("decision", baselines.DECISIONS)
def test_one_colour_is_one_cluster_and_background_without_evidence(method, decision):
    """Nothing parts a uniform image: one cluster, no warning, background until a pixel speaks against it."""
    image = np.full((12, 12, 3), 90, np.uint8)
    alpha = np.zeros((12, 12), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shares = baselines.cluster_memberships(image, method, clusters=4)
    assert shares.shape == (12, 12, 1)
    chosen = baselines.choose_foreground(shares, decision, np.full_like(alpha, 128), alpha)
    assert baselines.sum_memberships(shares, chosen).max() == 0


@pytest.mark.parametrize("method", baselines.METHODS)
def test_fewer_colours_than_clusters_means_fewer_clusters_without_a_warning(method):
    image, alpha = person()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shares = baselines.cluster_memberships(image, method, clusters=8)
    assert shares.shape == (28, 28, 2)
    chosen = baselines.choose_foreground(shares, "oracle", alpha=alpha)
    np.testing.assert_array_equal(np.round(baselines.sum_memberships(shares, chosen) * 255), alpha)


@pytest.mark.parametrize("method,model", [("kmeans", KMeans), ("gmm", GaussianMixture)])
def test_a_large_image_is_fitted_on_a_sample_and_predicted_whole(method, model, monkeypatch):
    image, alpha = person(400)
    fitted = []
    fit = model.fit
    monkeypatch.setattr(model, "fit", lambda self, x, *rest: fitted.append(len(x)) or fit(self, x, *rest))
    shares = baselines.cluster_memberships(image, method)
    assert fitted[0] == baselines.SAMPLE < 400 * 400 and shares.shape == (400, 400, 2)
    chosen = baselines.choose_foreground(shares, "border")
    np.testing.assert_array_equal(np.round(baselines.sum_memberships(shares, chosen) * 255), alpha)


def test_many_images_give_the_same_in_one_process_and_in_two():
    images = np.stack([noise(16, seed).transpose(2, 0, 1) for seed in range(3)])
    alphas = np.repeat((images[:, :1] > 140).astype(np.uint8) * 255, 1, axis=1)
    trimaps = np.stack([make_trimap(one, 1.5) for one in alphas])
    first = baselines.all_alphas(images, alphas, trimaps, seed=5, jobs=1)
    second = baselines.all_alphas(images, alphas, trimaps, seed=5, jobs=2)
    both = {f"{method}_{one}" for method in baselines.METHODS for one in baselines.DECISIONS}
    assert set(first) == both | {"grabcut_trimap"}
    for key, value in first.items():
        assert value.shape == alphas.shape and value.dtype == np.uint8
        np.testing.assert_array_equal(value, second[key])
    alone = baselines.cluster_alpha(images[1].transpose(1, 2, 0), "border", seed=6, method="gmm")
    np.testing.assert_array_equal(first["gmm_border"][1, 0], np.round(alone * 255).astype(np.uint8))


def test_unknown_method_and_decision_are_refused():
    with pytest.raises(UserError, match="method: expected one of kmeans, gmm, found 'dbscan'"):
        baselines.cluster_memberships(noise(), "dbscan")
    with pytest.raises(UserError, match="decision: expected one of border, trimap, oracle, found 'luck'"):
        baselines.cluster_alpha(noise(), "luck")


def test_grabcut_finds_two_flat_colours_and_keeps_what_the_trimap_knows():
    image, alpha = person()
    trimap = make_trimap(alpha, 3)
    found = baselines.grabcut_alpha(image, trimap, seed=3)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found * 255, alpha)
    wrong = np.where(trimap == 128, 128, 255 - trimap).astype(np.uint8)
    known = wrong != 128
    assert (baselines.grabcut_alpha(image, wrong)[known] == (wrong / 255)[known]).all()


def test_grabcut_is_opencvs_and_the_same_again():
    image = noise(24)
    trimap = np.full((24, 24), 128, np.uint8)
    trimap[:4], trimap[20:] = 0, 255
    first = baselines.grabcut_alpha(image, trimap, seed=5)
    cv2.setRNGSeed(99)  # must not matter
    np.testing.assert_array_equal(first, baselines.grabcut_alpha(image, trimap, seed=5))
    mask = np.select([trimap == 0, trimap == 255], [cv2.GC_BGD, cv2.GC_FGD], cv2.GC_PR_FGD).astype(np.uint8)
    cv2.setRNGSeed(5)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    cv2.grabCut(bgr, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    np.testing.assert_array_equal(first, mask % 2)


@pytest.mark.parametrize(("level", "rest"), [(0, 1), (255, 1)])
def test_grabcut_without_seeds_of_one_side(level, rest):
    """Without known foreground the unknown begins as such; without known background there is nothing else to be."""
    image, alpha = person()
    trimap = make_trimap(alpha, 2)
    trimap[trimap == level] = 128
    found = baselines.grabcut_alpha(image, trimap)
    assert (found == (alpha == 255)).mean() > 0.95 if level == 255 else (found[trimap == 128] == rest).all()


# ------------------------------------------------------------------------------------------ solvers


def two_colours() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A soft edge between two plain colours: image = alpha F + (1 - alpha) B exactly, so alpha can be solved for."""
    alpha = np.clip((np.arange(40) - 12) / 15, 0, 1)[None].repeat(30, 0).astype(np.float32)
    wave = 0.1 * np.sin(np.arange(30) / 3)[:, None] * (alpha > 0) * (alpha < 1)
    alpha = np.clip(alpha + wave, 0, 1).astype(np.float32)
    red, blue = np.float32([0.9, 0.2, 0.1]), np.float32([0.1, 0.3, 0.8])
    trimap = np.full(alpha.shape, 128, np.uint8)
    trimap[:, :8], trimap[:, 32:] = 0, 255
    return alpha[..., None] * red + (1 - alpha[..., None]) * blue, trimap, alpha


@every_solver
def test_solver_finds_the_alpha_of_two_colours(name):
    image, trimap, alpha = two_colours()
    found = baselines.SOLVERS[name](image, trimap)
    assert found.dtype == np.float32 and found.shape == alpha.shape and 0 <= found.min() and found.max() <= 1
    # The colour line model of the two solvers with local Laplacians is exact here; KNN's is nearest colours.
    assert np.abs(found - alpha)[trimap == 128].mean() < (0.15 if name == "KNN" else 0.02)
    assert (found[trimap == 0] == 0).all() and (found[trimap == 255] == 1).all()


@every_solver
def test_solver_is_what_pymatting_gives(name):
    image, trimap, _ = two_colours()
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 0.05, image.shape), 0, 1).astype(np.float32)
    peer = {
        "closed-form": pymatting.estimate_alpha_cf,
        "KNN": pymatting.estimate_alpha_knn,
        "learning-based": pymatting.estimate_alpha_lbdm,
    }[name]
    levels = np.where(trimap == 128, 0.5, trimap / 255)
    expected = np.clip(peer(noisy.astype(np.float64), levels), 0, 1)
    unknown = trimap == 128  # pymatting's known pixels are nearly 0 and 1, ours exactly
    np.testing.assert_allclose(baselines.SOLVERS[name](noisy, trimap)[unknown], expected[unknown], atol=1e-6)


@every_solver
def test_a_trimap_without_unknown_is_its_own_answer(name):
    image, trimap, _ = two_colours()
    trimap[trimap == 128] = 255
    assert np.array_equal(baselines.SOLVERS[name](image, trimap), (trimap == 255).astype(np.float32))


@pytest.mark.parametrize(("level", "said"), [(255, r"foreground \(255\)"), (0, r"background \(0\)")])
def test_a_trimap_without_one_side_is_refused(level, said):
    image, trimap, _ = two_colours()
    trimap[trimap == level] = 128
    with pytest.raises(UserError, match=f"closed-form matting expected pixels known as {said}, found none"):
        baselines.SOLVERS["closed-form"](image, trimap)


def test_a_solver_that_fails_says_so_in_a_sentence(monkeypatch):
    def fails(*_):
        raise ValueError("did not converge")

    monkeypatch.setattr(pymatting, "estimate_alpha_knn", fails)
    with pytest.raises(UserError, match=r"KNN matting: found no solution for this picture \(did not converge\)"):
        baselines.SOLVERS["KNN"](*two_colours()[:2])


# ------------------------------------------------------------------------------------------ controls


def test_controls_agree_on_unknown_pixels_and_differ_by_the_known_ones():
    controls = trimap_as_alpha(TRIMAP), truth_with_half_unknown(TRIMAP, ALPHA)
    assert controls[0].dtype == controls[1].dtype == np.float32
    assert controls[0].ravel().tolist() == [0, 0.5, 0.5, 1]
    np.testing.assert_allclose(controls[1].ravel(), [0, 0.5, 0.5, 0.8])
    trimap, half = (errors_by_region(control, ALPHA, TRIMAP).iloc[0] for control in controls)
    assert trimap["unknown"] == half["unknown"] == pytest.approx((0.3 + 0.5) / 2)
    assert trimap["all"] - half["all"] == pytest.approx(0.2 / 4)


def test_the_best_constant_has_the_smallest_error_of_all_levels():
    alphas = np.random.default_rng(0).choice(np.uint8([0, 0, 40, 180, 255]), (3, 1, 6, 5))
    where = np.random.default_rng(1).random(alphas.shape) < 0.4
    for chosen, pixels in (
        (baselines.best_constant(alphas), alphas),
        (baselines.best_constant(alphas, where), alphas[where]),
    ):
        errors = np.abs(pixels.ravel() / 255 - np.arange(256)[:, None] / 255).mean(axis=1)
        assert errors[round(float(chosen) * 255)] == errors.min()
    assert baselines.best_constant(alphas, np.zeros_like(where)) == 0.5


def test_the_mean_alpha_is_that_of_each_position():
    alphas = np.uint8([[[[0, 255]]], [[[255, 255]]], [[[0, 51]]]])
    np.testing.assert_allclose(baselines.mean_alpha(alphas), [[[1 / 3, 2.2 / 3]]], rtol=1e-6)


def disc(size: int = 64, radius: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """Alpha (H,W) uint8 of a hard disc, and its signed distance to the edge in px."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    inside = radius - np.hypot(rows, columns)
    return np.where(inside > 0, 255, 0).astype(np.uint8), inside


def test_the_mid_line_recovers_the_edge_that_a_trimap_was_cut_from():
    edge = np.zeros((12, 40), np.uint8)
    edge[:, 20:] = 255
    for alpha, radius in ((edge, 5), (edge, 1.5), (disc()[0], 5)):
        trimap = make_trimap(alpha, radius)
        assert (trimap == 128).any()
        wrong = baselines.mid_line(trimap) != alpha / 255
        assert wrong.sum() == 0 if alpha is edge else wrong.sum() <= 0.01 * (trimap == 128).sum()


def test_the_distance_ratio_is_the_ramp_between_two_straight_edges():
    trimap = np.full((3, 12), 128, np.uint8)
    trimap[:, :2], trimap[:, -2:] = 0, 255  # unknown: columns 2 to 9, at 1 to 8 of 9 px from the background
    ramp = np.arange(1, 9) / 9
    for steepness, expected in ((1, ramp), (3, np.clip(0.5 + 3 * (ramp - 0.5), 0, 1)), (np.inf, ramp > 0.5)):
        alpha = baselines.distance_ratio(np.stack([trimap])[None], steepness)
        assert alpha.shape == (1, 1, 3, 12) and alpha.dtype == np.float32
        np.testing.assert_allclose(alpha[0, 0, 1], [0, 0, *expected, 1, 1], atol=1e-6)
    np.testing.assert_array_equal(baselines.mid_line(trimap), baselines.distance_ratio(trimap, np.inf))


@pytest.mark.parametrize(("levels", "expected"), [((0, 128), 0), ((128, 255), 1), ((128, 128), 0.5)])
def test_a_trimap_without_one_side_goes_to_the_other(levels, expected):
    trimap = np.repeat(np.uint8(levels), 4)[None].repeat(3, 0)
    assert (baselines.mid_line(trimap)[trimap == 128] == expected).all()


def test_the_look_up_learns_any_function_of_the_two_distances():
    """A soft disc whose alpha depends on the distance to its edge alone, and so on the two distances of its trimap."""
    trimap, inside = make_trimap(disc()[0], 6), disc()[1]
    soft = np.round(255 / (1 + np.exp(-inside))).astype(np.uint8)
    lookup = baselines.fit_distance_lookup(trimap[None, None], soft[None, None])
    unknown = trimap == 128
    error = np.abs(lookup(trimap) - soft / 255)[unknown].mean()
    assert error < 0.05 < np.abs(baselines.distance_ratio(trimap) - soft / 255)[unknown].mean()
    assert (lookup(trimap)[~unknown] == (trimap == 255)[~unknown]).all()


def test_the_look_up_holds_medians_and_falls_back_to_the_ratio():
    trimap = np.uint8([[0, 128, 255]])
    alphas = np.uint8([[0, 10, 255], [0, 20, 255], [0, 60, 255], [0, 250, 255]])[:, None, None]
    lookup = baselines.fit_distance_lookup(np.stack([trimap] * 4)[:, None], alphas)
    assert lookup(trimap)[0, 1] == pytest.approx(np.median([10, 20, 60, 250]) / 255)
    wider = np.uint8([[0, 128, 128, 255]])
    np.testing.assert_allclose(lookup(wider), baselines.distance_ratio(wider))
