"""The drawn portraits: compositing, determinism, soft pixels, groups, and the same picture at every
resolution."""

import cv2
import numpy as np
import pytest

from lib.portrait_person import traits
from lib.portraits import HEIGHT, PER_OCCASION, PER_PERSON, PERSON, WIDTH, Portraits, composite
from lib.sources import Source, open_source

LAYERS = ("image", "alpha", "foreground", "background")
SMALL = (40, 30)


@pytest.fixture(scope="module")
def samples():
    source = Portraits(200, seed=3)
    return [source.read(index, SMALL) for index in range(0, 200, 10)]


def test_it_is_a_source_whose_keys_are_sorted_and_whose_groups_are_people():
    source = open_source("portraits", images=3 * PER_PERSON + 1, seed=0)
    assert isinstance(source, Source)
    assert source.keys == sorted(set(source.keys)) and len(source.keys) == 25
    assert np.unique(source.groups, return_counts=True)[1].tolist() == [8, 8, 8, 1]
    assert source.counts == {"found": 25, "used": 25} and source.left_out == []


def test_layers_have_the_size_asked_for():
    source = Portraits(2)
    for size in ((28, 28), (75, 40), (HEIGHT, WIDTH), None):
        sample = source.read(1, size)
        shape = size or (HEIGHT, WIDTH)
        assert sample.trimap is None and sample.alpha.shape == shape
        assert all(getattr(sample, layer).shape == (*shape, 3) for layer in LAYERS if layer != "alpha")
        assert all(getattr(sample, layer).dtype == np.uint8 for layer in LAYERS)


def test_image_is_the_composite_of_its_layers(samples):
    for sample in samples:
        alpha = sample.alpha[..., None].astype(np.float64) / 255
        expected = alpha * sample.foreground + (1 - alpha) * sample.background  # Porter and Duff 1984
        assert np.abs(sample.image - expected).max() <= 0.5 + 1e-9


def test_composite_against_exact_fractions():
    alpha = np.arange(256, dtype=np.uint8)[None]
    foreground, background = np.full((1, 256, 3), 255, np.uint8), np.zeros((1, 256, 3), np.uint8)
    assert (composite(alpha, foreground, background)[..., 0] == alpha).all()
    assert (composite(255 - alpha, background, foreground)[..., 1] == alpha).all()


def test_pictures_depend_on_seed_and_index_alone():
    few, many, other = Portraits(9, 0), Portraits(5000, 0), Portraits(9, 1)
    many.read(7, SMALL)  # what was read before must not matter
    first, again, different = few.read(8, SMALL), many.read(8, SMALL), other.read(8, SMALL)
    assert all((getattr(first, layer) == getattr(again, layer)).all() for layer in LAYERS)
    assert not (first.image == different.image).all()
    assert few.keys == many.keys[:9] and few.groups == many.groups[:9]
    assert len({few.fingerprint, many.fingerprint, other.fingerprint, Portraits(9, 0, 0.5).fingerprint}) == 4
    assert few.fingerprint == Portraits(9, 0).fingerprint


def test_a_small_picture_is_nearly_the_area_average_of_a_large_one():
    source = Portraits(60, seed=1)
    for index in range(0, 60, 12):
        small, large = source.read(index, (50, 50)), source.read(index, (400, 400))
        averaged = cv2.resize(large.alpha, (50, 50), interpolation=cv2.INTER_AREA)
        error = np.abs(small.alpha.astype(float) - averaged) / 255
        assert error.mean() < 0.02, f"picture {index}: {error.mean():.4f}"


def test_people_are_half_length_and_have_soft_edges(samples):
    alphas = np.stack([sample.alpha for sample in samples]) / 255
    assert 0.4 < alphas.mean() < 0.65  # AISegment: 0.55 on average
    assert (alphas[:, -1].mean(axis=1) > 0.5).all() and (alphas[:, 0].mean(axis=1) < 0.3).all()
    soft = ((alphas > 0.02) & (alphas < 0.98)).mean(axis=(1, 2))
    assert (soft > 0.01).all() and ((alphas == 1).mean(axis=(1, 2)) > 0.2).all()


def test_curly_hair_is_softer_than_a_bald_head():
    source, soft = Portraits(100 * PER_PERSON, seed=0), {}
    styles = [traits(source._random(PERSON, person))["style"] for person in range(100)]
    for style in ("bald", "curly"):
        alpha = source.read(styles.index(style) * PER_PERSON, (200, 150)).alpha
        soft[style] = ((alpha > 12) & (alpha < 242)).sum() / (alpha >= 242).sum()
    assert soft["curly"] > 1.5 * soft["bald"] > 0


def test_camouflage_brings_the_background_near_the_foreground():
    def distance(camouflage):
        source, gaps = Portraits(160, 5, camouflage), []
        for index in range(0, 160, PER_OCCASION):
            sample = source.read(index, SMALL)
            inside, outside = sample.alpha > 250, sample.alpha < 5
            near = np.linalg.norm(
                sample.background[outside].mean(0) - sample.foreground[inside].astype(float), axis=1
            )
            gaps.append(near.mean())
        return np.mean(gaps)

    assert distance(1.0) < distance(0.0)


def test_camouflage_changes_the_background_alone():
    plain, hidden = Portraits(1, 0, 0.0).read(0, SMALL), Portraits(1, 0, 1.0).read(0, SMALL)
    assert (plain.alpha == hidden.alpha).all() and not (plain.background == hidden.background).all()
    assert (plain.foreground == hidden.foreground).all()
