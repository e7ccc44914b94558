"""Swap tests: what is swapped, and that a network which copies its trimap is found out."""

import numpy as np
import pytest
from torch import nn

from helpers import prepared_from
from lib.base import UserError
from lib.evaluation import scores
from lib.experiments import parameters, swaps


def pictures(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n,3,32,32) of one grey level each, and alphas with an upright edge at another place each, 3 px apart."""
    image = np.repeat(np.arange(n, dtype=np.uint8)[:, None, None, None] * 20, 3, axis=1) + np.zeros((32, 32), np.uint8)
    alpha = np.where(np.arange(32) < 3 + 3 * np.arange(n)[:, None, None, None], 0, 255) + np.zeros((32, 1), int)
    return image, alpha.astype(np.uint8)


def test_each_has_one_partner_never_itself():
    image, alpha = pictures(7)
    given = swaps.inputs(image, alpha, seed=3)
    partners = given[swaps.IMAGE][0][:, 0, 0, 0] // 20
    assert sorted(partners) == list(range(7)) and (partners != np.arange(7)).all()
    np.testing.assert_array_equal(given[swaps.TRIMAP][1], alpha[partners])
    np.testing.assert_array_equal(given[swaps.TRIMAP][0], image)
    np.testing.assert_array_equal(given[swaps.IMAGE][1], alpha)
    assert (given[swaps.EVERYWHERE][1] == 128).all()


def test_one_image_has_no_partner():
    with pytest.raises(UserError, match="test_index: expected at least 2 images to swap, found 1"):
        swaps.inputs(*pictures(1), seed=0)


class Copy(nn.Module):
    """Returns its trimap."""

    def forward(self, image, trimap):
        return trimap


def test_who_copies_the_trimap_loses_with_anothers_and_not_with_another_image(monkeypatch):
    prepared = prepared_from(*pictures(6))
    monkeypatch.setattr(swaps, "load", lambda *_: Copy())
    p = parameters.check({"seeds": 2, "device": "cpu", "precision": "fp32", "threads": 1})
    found = swaps.score(prepared, np.arange(6), ["sgd"], p)
    errors = {given: scores.matrix(frame, "sgd", "all") for given, frame in found.items()}
    assert errors[swaps.OWN].shape == (2, 6)
    np.testing.assert_array_equal(errors[swaps.OWN], errors[swaps.IMAGE])
    assert (errors[swaps.TRIMAP] > errors[swaps.OWN] + 1 / 32).all()
    np.testing.assert_allclose(errors[swaps.EVERYWHERE], 0.5)


def test_a_large_set_is_thinned_evenly(monkeypatch):
    prepared = prepared_from(*pictures(9))
    monkeypatch.setattr(swaps, "load", lambda *_: Copy())
    monkeypatch.setattr(swaps, "MOST", 5)
    p = parameters.check({"seeds": 1, "device": "cpu", "precision": "fp32", "threads": 1})
    assert swaps.score(prepared, np.arange(9), ["sgd"], p)[swaps.OWN].image.unique().tolist() == [0, 2, 4, 6, 8]
