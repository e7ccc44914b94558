"""The comparison: conditions, controls, and every method that can do its task."""

import numpy as np
import pytest

from lib.data.composite import composite
from lib.evaluation.systems import trimap_of
from lib.experiments import systems


@pytest.fixture(scope="module")
def networks():
    return systems.networks("cpu")


def test_a_plate_is_exact_or_taken_by_hand():
    [exact] = systems.people(1)
    assert np.array_equal(exact.image, composite(exact.alpha, exact.foreground, exact.background))
    [again] = systems.photographed_again([exact])
    assert np.array_equal(again.alpha, exact.alpha) and not np.array_equal(again.background, exact.background)


def test_before_a_still_background_nothing_moves_but_the_person():
    frames = systems.clips(1, (64, 48), still=True)["clip 1"]
    assert all(np.array_equal(frame.background, frames[0].background) for frame in frames)
    assert all(np.array_equal(f.image, composite(f.alpha, f.foreground, f.background)) for f in frames)
    moving = systems.clips(1, (64, 48))["clip 1"]
    assert not np.array_equal(moving[0].background, moving[-1].background)


def test_controls_know_what_they_are_given_and_no_more():
    [sample] = systems.people(1)
    methods, trimap = systems.stills({}, solvers=False), trimap_of(sample.alpha)
    controls = {name: methods[name](sample, trimap)[0] for name in methods if name.startswith("control")}
    assert len(controls) == 3
    assert set(np.unique(controls["control: trimap, 0.5 where unknown (trimap)"])) == {0, 0.5, 1}
    mean = controls["control: mean alpha (nothing)"]
    assert mean.shape == (320, 240) and mean[-1, 120] > 0.9 and mean[0, 0] < 0.1
    late = systems.a_frame_late(next(iter(systems.clips(1, (64, 48)).values())))
    assert late.shape == (12, 64, 48)


def test_every_network_answers_on_people_and_clips(networks):
    [sample] = systems.people(1)
    trimap = trimap_of(sample.alpha)
    for name, solve in systems.stills(networks).items():
        alpha, colours = solve(sample, trimap)
        assert alpha.shape == (320, 240) and 0 <= alpha.min() <= alpha.max() <= 1, name
        assert colours is None or colours.shape == (320, 240, 3), name
    frames = systems.clips(1)["clip 1"][:2]
    for name, solve in systems.moving(networks).items():
        alphas, _ = solve(frames)
        assert alphas.shape == (2, 320, 240), name


def test_what_ships_beats_the_control_that_knows_nothing(networks):
    people = systems.people(2)
    for sample in people:
        error = {
            name: np.abs(solve(sample, trimap_of(sample.alpha))[0] - sample.alpha / 255).mean()
            for name, solve in systems.stills(networks, solvers=False).items()
        }
        nothing = error.pop("control: mean alpha (nothing)")
        assert all(value < nothing for name, value in error.items() if not name.startswith("control")), error
