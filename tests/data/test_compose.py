"""Composed training pictures: what they are made of, that they repeat, and that a trimap tells the truth."""

import cv2
import numpy as np
import pytest

from lib.base import UserError
from lib.data import compose
from lib.data.compose import AssetPool, PortraitComposites, TrimapCrops


@pytest.fixture(scope="module")
def layers():
    return AssetPool(people=3)


@pytest.mark.parametrize("pictures", ["crops", "scenes"])
def test_an_item_depends_on_seed_epoch_and_row_alone(layers, pictures):
    make = {
        "crops": lambda seed: TrimapCrops(layers, 8, 64, seed),
        "scenes": lambda seed: PortraitComposites(layers, 8, 96, 64, seed),
    }[pictures]
    first, again, other = make(0), make(0), make(1)
    again[2, 3]  # whatever was drawn before
    assert np.array_equal(first[1, 5], again[1, 5])
    assert not np.array_equal(first[1, 5], other[1, 5]) and not np.array_equal(first[1, 5], first[2, 5])


def test_crops_hold_all_that_the_losses_need(layers):
    crops = TrimapCrops(layers, 24, 64)
    items = np.stack([crops[1, row] for row in range(24)])
    assert items.shape == (24, 11, 64, 64) and items.dtype == np.uint8
    alpha, trimap = items[:, 9], items[:, 10]
    assert set(np.unique(trimap)) <= {0, 128, 255}
    assert (alpha[trimap == 255] >= 242).all() and (alpha[trimap == 0] <= 12).all()
    assert ((trimap == 128).any(axis=(1, 2))).mean() > 0.8
    # The image is the composite, but for what the camera does to it.
    weight = alpha[:, None] / 255
    clean = weight * items[:, 3:6] + (1 - weight) * items[:, 6:9]
    assert np.median(np.abs(clean - items[:, :3]).mean(axis=(1, 2, 3))) < 8


def test_shapes_are_a_share_of_the_crops(layers, monkeypatch):
    monkeypatch.setattr(compose, "draw_alpha", lambda *_: pytest.fail("a shape was drawn"))
    crops = TrimapCrops(layers, 6, 64, shapes=0.0)
    assert all(crops[1, row].shape == (11, 64, 64) for row in range(6))


def test_portraits_show_mostly_somebody(layers):
    scenes = PortraitComposites(layers, 60, 64, 48)
    alphas = np.stack([scenes[1, row][3] for row in range(60)])
    shown = (alphas > 127).mean(axis=(1, 2))
    assert 0.8 <= (shown > 0.05).mean() < 1 and (shown == 0).any() and shown.max() < 0.98
    lower, upper = (alphas[:, rows] > 127 for rows in (slice(48, None), slice(0, 16)))
    assert lower.mean() > upper.mean()  # people stand on the lower border


def test_textures_come_from_a_folder(tmp_path):
    grey = np.full((600, 900, 3), 90, np.uint8)
    for name, picture in {
        "a.png": grey,
        "b/images/1.png": grey,
        "b/images/2.png": cv2.resize(grey, None, fx=2, fy=2),
        "preview.png": grey[:100],
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), picture)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    assert [each.shape for each in compose.read_textures(str(tmp_path))] == [(600, 900, 3), (720, 1080, 3)]
    assert len(compose.read_textures("")) == 2
    with pytest.raises(UserError, match="textures: expected a folder"):
        compose.read_textures(str(tmp_path / "missing"))


def test_people_of_the_test_split_are_never_used(layers):
    trained = {row["id"] for row in compose.read_manifest() if row["split"] == "train"}
    assert len(trained) == 90 and len(layers.people) == 3


def test_towards_moves_colours():
    random = np.random.default_rng(0)
    background, foreground = (random.normal(mean, 20, (40, 40, 3)).clip(0, 255).astype(np.uint8) for mean in (60, 180))
    alpha = np.full((40, 40), 255, np.uint8)
    means = [compose.match_colors(background, foreground, alpha, share).mean() for share in (0.0, 0.5, 1.0)]
    assert abs(means[0] - 60) < 3 and abs(means[1] - 120) < 3 and abs(means[2] - 180) < 3
    assert np.array_equal(compose.match_colors(background, foreground, 0 * alpha, 1.0), background)


def test_the_grown_unknown_lies_around_the_edge():
    alpha = np.zeros((90, 90), np.uint8)
    alpha[:, 45:] = 255
    widths = []
    for seed in range(30):
        unknown = compose.random_trimap(alpha, np.random.default_rng(seed)) == 128
        assert unknown[:, 44:46].all()
        widths.append(unknown[0].sum())
    assert min(widths) <= 6 and 10 < max(widths) <= 22
