"""The data term: the system's solution, closed-form matting's without it, the network's alpha under a large one."""

import os

import numpy as np
import pytest
from cutout.stub import disc, photo

from helpers import soft_edge
from lib.base import UserError
from lib.cutout import solve

pymatting = pytest.importorskip("pymatting")


def test_it_is_the_solution_of_the_system():
    image, trimap = photo(24, 20), np.full((24, 20), 128, np.uint8)
    trimap[:6], trimap[10:13, 8:11] = 0, 255
    network = np.random.default_rng(0).random((24, 20), np.float32)
    matrix = pymatting.cf_laplacian(image / 255).toarray()
    known, truth = (trimap != 128).ravel(), (trimap == 255).ravel().astype(float)
    system = matrix[~known][:, ~known] + 0.01 * np.eye((~known).sum())
    right = 0.01 * network.ravel()[~known] - matrix[~known][:, known] @ truth[known]
    truth[~known] = np.linalg.solve(system, right).clip(0, 1)
    for pixels in (image, image / 255):
        np.testing.assert_allclose(solve.refine(pixels, trimap, network, 0.01).ravel(), truth, atol=1e-4)


def test_between_closed_form_matting_and_the_network():
    image, levels, _ = soft_edge()
    trimap = np.where(levels == 0.5, 128, levels * 255).astype(np.uint8)
    network = np.full(trimap.shape, 0.25, np.float32)
    closed_form = pymatting.estimate_alpha_cf(image.astype(float), levels.astype(float))
    np.testing.assert_allclose(solve.refine(image, trimap, network, 1e-9), closed_form, atol=1e-2)
    np.testing.assert_allclose(solve.refine(image, trimap, network, 1e4)[trimap == 128], 0.25, atol=1e-3)


def test_pictures_that_closed_form_matting_cannot_do_have_an_answer():
    """Nothing known, nothing unknown, one color: with a data term the system has one solution."""
    flat, network = np.full((40, 30, 3), 99, np.uint8), disc(40, 30)
    np.testing.assert_allclose(
        solve.refine(flat, np.full((40, 30), 128, np.uint8), network).mean(), network.mean(), atol=1e-3
    )
    assert (solve.refine(flat, np.full((40, 30), 255, np.uint8), network) == 1).all()


def test_without_its_packages_or_a_writable_place_it_says_so_or_finds_one(monkeypatch):
    solve.need_pymatting.cache_clear()
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # so that it is restored
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(solve.os, "access", lambda *_: False)
    solve.need_pymatting("hybrid")
    assert os.path.isdir(os.environ["NUMBA_CACHE_DIR"])
    solve.need_pymatting.cache_clear()
    monkeypatch.setattr(solve.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match="method: hybrid expected the packages pymatting .*, found no pymatting; use the"
    ):
        solve.need_pymatting("hybrid")
