"""Training clips: composites in every frame, motion where there is to be some, rendered clips in order."""

import numpy as np
import pytest

from lib.data import moving
from lib.data.compose import AssetPool, PortraitComposites

HEIGHT, WIDTH = 96, 72


@pytest.fixture(scope="module")
def scenes():
    return PortraitComposites(AssetPool(people=2), 4, moving.with_margin(HEIGHT), moving.with_margin(WIDTH), seed=2)


def clips(scenes, layers=()):
    return moving.ComposedClips(scenes, list(layers), 4, HEIGHT, WIDTH)


def test_an_item_is_a_clip_and_depends_on_its_place_alone(scenes):
    found = clips(scenes)
    item = found[(1, 0)]
    assert item.shape == (4, 7, HEIGHT, WIDTH) and item.dtype == np.uint8
    assert np.array_equal(item, found[(1, 0)]) and not np.array_equal(item, found[(2, 0)])


def test_where_alpha_is_1_the_picture_is_the_foreground_but_for_grain(scenes):
    for row in range(4):
        for frame in clips(scenes)[(1, row)]:
            sure = frame[6] == 255
            apart = np.abs(frame[:3].astype(int) - frame[3:6])[:, sure]
            assert not sure.any() or apart.mean() < 8


def test_somebody_moves_in_most_clips_and_never_by_leaps(scenes):
    steps = [np.abs(np.diff(clips(scenes)[(1, row)][:, 6].astype(int), axis=0)).mean() for row in range(12)]
    assert sum(step > 0 for step in steps) >= 4 and max(steps) < 30


def test_frames_of_a_rendered_clip_follow_each_other():
    clip = np.arange(12)
    for seed in range(40):
        chosen = moving.sample_frames(clip, 5, np.random.default_rng(seed))
        assert set(np.abs(np.diff(chosen))) <= {1, 2} and len(chosen) == 5
    assert len(moving.sample_frames(clip, 30, np.random.default_rng(0))) == 30


def test_a_glide_is_slow_at_its_ends_and_stays_near():
    matrices = np.stack(moving.random_motion(9, (100, 80), np.random.default_rng(3)))
    speed = np.abs(np.diff(matrices[:, :, 2], axis=0)).sum(1)
    assert speed[0] < speed[len(speed) // 2] and speed[-1] < speed[len(speed) // 2]
    middle = matrices @ np.array([39.5, 49.5, 1])
    assert np.abs(middle - [39.5, 49.5]).max() <= 4.001


def test_rendered_clips_of_people_to_test_on_are_kept_apart():
    train, test = moving.rendered_clips(), moving.rendered_clips("test")
    assert len(train) + len(test) == 24 and all(clip.shape == (12, 400, 300, 4) for clip in train + test)
