"""Pictures with plates: what is drawn where, in what they differ, and in nothing else."""

import numpy as np
import pytest

from lib.data import plates
from lib.data.compose import AssetPool, PortraitComposites
from lib.data.composite import composite
from lib.data.sample import Sample

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 256, (64, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def scenes():
    return PortraitComposites(AssetPool(people=3), rows=6, height=96, width=72, seed=1)


def parts(item: np.ndarray) -> tuple[np.ndarray, ...]:
    planes = item.transpose(1, 2, 0)
    return planes[..., :3], planes[..., 3:6], planes[..., 6:9], planes[..., 9]


def test_an_undisturbed_plate_is_what_lies_behind_the_person(scenes):
    for row in range(6):
        image, plate, foreground, alpha = parts(plates.PlatePairs(scenes, disturbances=())[(1, row)])
        assert np.array_equal(image, composite(alpha, foreground, plate))


@pytest.mark.parametrize("name", plates.DISTURBANCES)
def test_each_disturbance_comes_and_can_be_left_out(scenes, name, monkeypatch):
    monkeypatch.setitem(plates.SHARES, name, 1.0)
    rows = [parts(plates.PlatePairs(scenes, disturbances=(name,))[(1, row)]) for row in range(6)]
    apart = [not np.array_equal(image, composite(alpha, colour, plate)) for image, plate, colour, alpha in rows]
    assert any(apart)


def test_an_item_depends_on_its_place_alone(scenes):
    drawn = plates.PlatePairs(scenes)
    assert np.array_equal(drawn[(2, 3)], drawn[(2, 3)]) and not np.array_equal(drawn[(2, 3)], drawn[(3, 3)])
    assert drawn[(1, 0)].shape == (10, 96, 72) and drawn[(1, 0)].dtype == np.uint8


def test_a_picture_moved_by_whole_pixels_is_the_picture_moved():
    there = plates.shift(PICTURE, (3, 2))
    assert np.array_equal(there[2:, 3:], PICTURE[:-2, :-3])


def test_a_shadow_takes_light_only_where_it_falls():
    shade = np.zeros((64, 48), np.uint8)
    shade[30:40, 20:30] = 255
    dark = plates.darken(np.full_like(PICTURE, 200), shade, strength=1.0, blur=8)
    assert dark[35, 25, 0] == round(200 - 0.3 * 255) and (dark[:20] == 200).all() and dark.max() == 200


def test_jitter_keeps_a_grey_picture_grey_and_within_its_reach():
    grey = np.full_like(PICTURE, 120)
    for _ in range(10):
        other = plates.jitter_plate(grey, RANDOM).astype(int)
        assert np.ptp(other, axis=2).max() <= 1 and abs(other.mean() - 120) <= 0.19 * 120 + 1


def test_a_plate_taken_again_is_moved_and_brighter_and_the_picture_has_a_shadow():
    alpha = np.zeros((320, 240), np.uint8)
    alpha[100:, 80:160] = 255
    background = RANDOM.integers(60, 180, (320, 240, 3), dtype=np.uint8)
    sample = Sample(composite(alpha, background, background), alpha, None, np.full_like(background, 90), background)
    image, plate = plates.handheld(sample)
    bright = np.clip(1.1 * background.astype(np.float32) + 0.5, 0, 255).astype(np.uint8)
    assert np.array_equal(plate[2:, 2:], bright[:-2, :-2])
    person = alpha == 255
    assert (image[person] == 90).all()
    assert image[~person].mean() < background[~person].mean() - 1
