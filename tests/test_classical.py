"""Classical solvers: against pymatting called by hand, an alpha known exactly, and degenerate trimaps."""

import numpy as np
import pytest

from lib import baselines
from lib.base import UserError

every_method = pytest.mark.parametrize("name", baselines.SOLVERS)


def two_colours() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A soft edge between two plain colours: image = alpha F + (1 - alpha) B exactly, so alpha can be solved for."""
    alpha = np.clip((np.arange(40) - 12) / 15, 0, 1)[None].repeat(30, 0).astype(np.float32)
    alpha = np.clip(alpha + 0.1 * np.sin(np.arange(30) / 3)[:, None] * (alpha > 0) * (alpha < 1), 0, 1).astype(np.float32)
    red, blue = np.float32([0.9, 0.2, 0.1]), np.float32([0.1, 0.3, 0.8])
    trimap = np.full(alpha.shape, 128, np.uint8)
    trimap[:, :8], trimap[:, 32:] = 0, 255
    return alpha[..., None] * red + (1 - alpha[..., None]) * blue, trimap, alpha


@every_method
def test_finds_the_alpha_of_two_colours(name):
    image, trimap, alpha = two_colours()
    found = baselines.SOLVERS[name](image, trimap)
    assert found.dtype == np.float32 and found.shape == alpha.shape and 0 <= found.min() and found.max() <= 1
    # The colour line model of the two solvers with local Laplacians is exact here; KNN's is nearest colours.
    assert np.abs(found - alpha)[trimap == 128].mean() < (0.15 if name == "KNN" else 0.02)
    assert (found[trimap == 0] == 0).all() and (found[trimap == 255] == 1).all()


@every_method
def test_is_what_pymatting_gives(name):
    import pymatting

    image, trimap, _ = two_colours()
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 0.05, image.shape), 0, 1).astype(np.float32)
    peer = {"closed-form": pymatting.estimate_alpha_cf, "KNN": pymatting.estimate_alpha_knn,
            "learning-based": pymatting.estimate_alpha_lbdm}[name]
    levels = np.where(trimap == 128, 0.5, trimap / 255)
    expected = np.clip(peer(noisy.astype(np.float64), levels), 0, 1)
    unknown = trimap == 128  # pymatting's known pixels are nearly 0 and 1, ours exactly
    np.testing.assert_allclose(baselines.SOLVERS[name](noisy, trimap)[unknown], expected[unknown], atol=1e-6)


@every_method
def test_a_trimap_without_unknown_is_its_own_answer(name):
    image, trimap, _ = two_colours()
    trimap[trimap == 128] = 255
    assert np.array_equal(baselines.SOLVERS[name](image, trimap), (trimap == 255).astype(np.float32))


@pytest.mark.parametrize(("level", "said"), [(255, r"foreground \(255\)"), (0, r"background \(0\)")])
def test_a_trimap_without_one_side_is_refused(level, said):
    image, trimap, _ = two_colours()
    trimap[trimap == level] = 128
    with pytest.raises(UserError, match=f"closed-form matting expected pixels known as {said}, found none"):
        baselines.closed_form(image, trimap)


def test_a_solver_that_fails_says_so_in_a_sentence(monkeypatch):
    def fails(*_):
        raise ValueError("did not converge")

    with pytest.raises(UserError, match=r"some solver: found no solution for this picture \(did not converge\)"):
        baselines._solve("some solver", fails, *two_colours()[:2])
