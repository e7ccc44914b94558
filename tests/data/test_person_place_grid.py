"""Chosen persons and places: both are what they were chosen to be, whatever the other is."""

import cv2
import numpy as np
import pytest

from lib.data.portraits import PersonPlaceGrid
from lib.data.sample import Source

PAIRS = np.array([(3, 10), (40, 10), (3, 11), (40, 10)])


@pytest.fixture(scope="module")
def samples():
    source = PersonPlaceGrid(PAIRS, seed=2)
    return [source.read(index, (40, 30)) for index in range(len(source.keys))]


def colours(sample) -> np.ndarray:
    return cv2.resize(sample.background, (6, 8), interpolation=cv2.INTER_AREA).astype(float).reshape(-1)


def test_it_is_a_source_of_two_pictures_a_pair_grouped_by_person():
    source = PersonPlaceGrid(PAIRS)
    assert isinstance(source, Source) and source.keys == sorted(set(source.keys)) and len(source.keys) == 8
    assert [source.groups[index] == source.groups[0] for index in range(8)] == [True, True, False, False] * 2


def test_a_place_looks_alike_behind_two_persons_and_another_place_does_not(samples):
    same = np.abs(colours(samples[0]) - colours(samples[2])).mean()
    other = np.abs(colours(samples[0]) - colours(samples[4])).mean()
    assert same < other / 2
    assert (samples[2].background != samples[6].background).any()  # a further picture is taken from beside


def test_a_person_is_placed_anew_before_every_place(samples):
    areas = [sample.alpha.mean() for sample in samples]
    assert all((sample.alpha > 0).any() for sample in samples) and np.ptp(areas) > 0
    assert (samples[0].alpha != samples[4].alpha).any()  # placed anew


def test_pictures_depend_on_their_position_and_pair_alone_and_the_fingerprint_on_all_pairs():
    whole, some = PersonPlaceGrid(PAIRS, seed=2), PersonPlaceGrid(PAIRS[:2], seed=2)
    for index in range(4):
        assert (whole.read(index, (28, 28)).image == some.read(index, (28, 28)).image).all()
    assert len({PersonPlaceGrid(pairs).fingerprint for pairs in (PAIRS, PAIRS[:2], PAIRS[::-1])}) == 3


def test_scenes_of_even_and_odd_places_come_from_other_panoramas():
    source = PersonPlaceGrid(np.array([(0, number) for number in range(6)]))
    assert [source.people[row]["split"] for row in source.person_of[::2]] == ["train", "test"] * 3
