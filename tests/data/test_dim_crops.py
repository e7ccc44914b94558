"""Training crops: what is in them, and that they depend on seed, epoch and row alone."""

import numpy as np
import pytest
import torch

from lib.data.cache import prepare
from lib.data.compose import UnknownRegionCrops
from lib.data.composite import composite, merge
from lib.data.sources import open_source


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(open_source("portraits", "", 8, 0), (80, 60), cache=tmp_path_factory.mktemp("cache"))


def same(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_shapes_ranges_and_repeatability(prepared):
    crops = UnknownRegionCrops(prepared, np.arange(8), 32, seed=3, jitter=True)
    first = crops[1, 2]
    assert [tuple(part.shape) for part in first] == [(1, 32, 32), (3, 32, 32), (3, 32, 32), (1, 32, 32)]
    assert all(part.dtype == torch.float32 and 0 <= part.min() and part.max() <= 1 for part in first)
    assert set(first[3].unique().tolist()) <= {0.0, 0.5, 1.0}
    assert same(first, UnknownRegionCrops(prepared, np.arange(8), 32, seed=3, jitter=True)[1, 2])
    assert not same(first, crops[2, 2]) and not same(first, crops[1, 3])
    assert not same(first, UnknownRegionCrops(prepared, np.arange(8), 32, seed=4, jitter=True)[1, 2])


def test_every_crop_of_a_portrait_has_unknown_pixels(prepared):
    crops = UnknownRegionCrops(prepared, np.arange(8), 32, seed=0)
    assert all((crops[epoch, row][3] == 0.5).any() for epoch in range(4) for row in range(8))


def test_soft_alpha_is_always_unknown(prepared):
    crops = UnknownRegionCrops(prepared, np.arange(8), 32, seed=0)
    for row in range(8):
        alpha, _, _, trimap = crops[1, row]
        soft = (alpha > 12.5 / 255) & (alpha < 241.5 / 255)
        assert (trimap[soft] == 0.5).all()


def test_backgrounds_change_and_the_image_is_their_composite(prepared):
    crops = UnknownRegionCrops(prepared, np.arange(8), 32, seed=0)
    backgrounds = [crops[epoch, 0][2] for epoch in range(6)]
    assert len({tuple(background.mean(dim=(1, 2)).tolist()) for background in backgrounds}) > 3


def test_a_source_without_layers_keeps_its_own_image(prepared, monkeypatch):
    monkeypatch.setattr("lib.data.compose.CROP_SCALES", (1.0,))
    bare = type(prepared)(**{**vars(prepared), "foreground": None, "background": None})
    alpha, foreground, background, _ = UnknownRegionCrops(bare, np.arange(8), 60, seed=0)[1, 0]
    assert torch.equal(foreground, background)
    assert torch.allclose(alpha * foreground + (1 - alpha) * background, foreground, atol=1e-6)


def test_merging_is_compositing_twice():
    # Over is associative: the merged person over a background is one person over the other over the background.
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (9, 9), np.uint8) for _ in range(2))
    front, behind, background = (rng.integers(0, 256, (9, 9, 3), np.uint8) for _ in range(3))
    once = composite(*merge(a, front, b, behind), background).astype(int)
    twice = composite(a, front, composite(b, behind, background)).astype(int)
    assert np.abs(once - twice).max() <= 2


def test_merging_with_nobody_changes_nothing():
    rng = np.random.default_rng(0)
    alpha, front = rng.integers(0, 256, (5, 5), np.uint8), rng.integers(0, 256, (5, 5, 3), np.uint8)
    merged, colour = merge(alpha, front, np.zeros_like(alpha), np.zeros_like(front))
    assert np.array_equal(merged, alpha) and np.array_equal(colour, front)
