"""The two dials: each turns what it says, by as much as it says, and nothing else."""

import numpy as np
import pytest

from lib.data import perturb
from lib.data.composite import composite
from lib.data.sample import Sample

SIZE = (80, 60)


@pytest.fixture
def grey():
    """A person of two greys on the left half, before a background of others: nothing is near to 0 or 255."""
    random = np.random.default_rng(0)
    alpha = np.zeros(SIZE, np.uint8)
    alpha[:, :30] = 255
    foreground = random.integers(140, 161, (*SIZE, 3), np.uint8)
    background = np.broadcast_to(np.linspace(70, 130, SIZE[0]).astype(np.uint8)[:, None, None], foreground.shape)
    return Sample(composite(alpha, foreground, background), alpha, None, foreground, background)


def test_colours_go_to_the_persons_by_the_share(grey):
    person = grey.foreground[:, :30].mean()
    start = perturb.perturb(grey, 0, 0).background.mean()
    for share in perturb.CAMOUFLAGE:
        assert perturb.perturb(grey, share, 0).background.mean() == pytest.approx(
            start + share * (person - start), abs=0.6
        )
    spread = perturb.perturb(grey, 1, 0).background.std(axis=(0, 1))
    assert np.abs(spread - grey.foreground[:, :30].reshape(-1, 3).std(axis=0)).max() < 1


@pytest.mark.parametrize("detail", [8, 16, 32])
def test_the_texture_has_the_deviation_that_is_asked_for(grey, detail):
    smooth, rough = (perturb.perturb(grey, 0, one).background.astype(float) for one in (0, detail))
    assert (rough - smooth).std() == pytest.approx(detail, rel=0.02)
    assert (rough - smooth).mean() == pytest.approx(0, abs=0.6)


def test_alpha_and_foreground_stay_and_the_image_is_their_composite(grey):
    turned = perturb.perturb(grey, 0.5, 16, seed=3)
    assert turned.alpha is grey.alpha and turned.foreground is grey.foreground
    np.testing.assert_array_equal(turned.image, composite(turned.alpha, turned.foreground, turned.background))
    np.testing.assert_array_equal(turned.image[:, :30], grey.foreground[:, :30])


def test_a_texture_is_its_seeds_and_the_same_at_every_setting():
    one, again, other = (perturb.texture(SIZE, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.3


def test_scenes_show_people_to_test_on_each_at_its_own_place():
    scenes = perturb.held_out_scenes(4, (32, 24))
    assert len(scenes) == 4 and len({person for person, _ in scenes}) == 4
    assert all(sample.image.shape == (32, 24, 3) for _, sample in scenes)
    np.testing.assert_array_equal(perturb.held_out_scenes(2, (32, 24))[1][1].image, scenes[1][1].image)


def test_an_empty_picture_has_nobody_to_move_to(grey):
    nobody = Sample(grey.background, np.zeros(SIZE, np.uint8), None, grey.foreground, grey.background)
    np.testing.assert_array_equal(perturb.perturb(nobody, 1, 0).image, perturb.perturb(nobody, 0, 0).image)
