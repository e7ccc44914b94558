"""What notebook 06 trains and compares: splits, effects in closed form, sentences for what is missing."""

import numpy as np
import pandas as pd
import pytest

from lib import scores
from lib.base import UserError
from lib.data.cache import prepare
from lib.data.sources import open_source
from lib.experiments import fullsize, parameters
from lib.experiments.fullsize import TRAININGS, TRIMAP_CONTROL as CONTROL, effects, encoder, label, split
from lib.scores import OFFICIAL_MEASURES as FOUR

GIVEN = {
    "run": "nothing-here",
    "seed": 0,
    "test_fraction": 0.25,
    "full_tests": 3,
    "encoder_weights": "",
    "full_width": 4,
    "full_seeds": 2,
    "device": "cpu",
}
P = parameters.check(GIVEN)


def with_(**changes) -> parameters.Parameters:
    return parameters.check(GIVEN | changes)


def scored(**means: float) -> pd.DataFrame:
    """Scores of all trainings and the control, the same numbers in all four measures: two seeds, three images."""
    noise = np.array([[0.0, 0.01, 0.02], [0.03, 0.01, 0.0]])
    rows = {label(arm, step): noise + means[f"{arm}_{step}"] for arm, step in TRAININGS}
    rows[CONTROL] = np.full((1, 3), means["control"])
    return pd.concat(
        [
            scores.scores_frame(method, seed, range(3), dict.fromkeys(FOUR, row))
            for method, values in rows.items()
            for seed, row in enumerate(values)
        ]
    )


def test_effects_are_differences_of_means():
    found = effects(
        scored(
            plain_stage1=0.5,
            plain_refined=0.4,
            plain_both=0.3,
            plain_longer=0.45,
            da_stage1=0.55,
            da_refined=0.4,
            da_both=0.2,
            control=0.9,
        ),
        seed=0,
    )
    expected = {
        "refinement": -0.1,
        "both stages": -0.2,
        "both stages, against stage 1 trained as long": -0.15,
        "augmentation, stage 1": 0.05,
        "augmentation, both stages": -0.1,
        "augmentation, both stages minus stage 1": -0.15,
    }
    for effect, value in expected.items():
        for name in FOUR:
            estimate = found[effect][name]
            # Equal noise on both sides cancels in pairs, so the interval has no width.
            assert (estimate["value"], estimate["low"], estimate["high"]) == pytest.approx((value,) * 3)
    control = found["both stages, against the trimap as alpha"]["mse"]
    assert (
        control["value"] == pytest.approx(0.3 - 0.9 + 0.07 / 6) and control["low"] < control["value"] < control["high"]
    )


def test_every_training_comes_after_what_it_starts_from():
    order = TRAININGS
    for arm, step in order:
        start = fullsize.STEPS[step].start
        assert not start or order.index((arm, start)) < order.index((arm, step))
    assert len({label(*one) for one in order}) == len(order)


def test_nobody_is_on_both_sides(tmp_path):
    prepared = prepare(open_source("portraits", "", 40, 0), (40, 30), cache=tmp_path)
    train_index, test_index = split(prepared, P)
    assert len(test_index) == P.full_tests and len(set(test_index)) == len(test_index)
    assert not {prepared.groups[i] for i in train_index} & {prepared.groups[i] for i in test_index}


def test_weights_fit_a_network_of_full_width_only():
    assert encoder(P) == ("", "random weights")
    narrow = encoder(with_(encoder_weights="imagenet"))
    assert narrow[0] == "" and "needs 64 channels" in narrow[1]
    assert encoder(with_(encoder_weights="imagenet", full_width=64))[0] == "imagenet"
    assert encoder(with_(encoder_weights="w.safetensors", full_width=64)) == ("w.safetensors", "a local file's weights")


def test_a_missing_training_names_the_notebook():
    with pytest.raises(UserError, match="runs/nothing-here/train/dim-plain-both-seed0: .* run notebook 06_refinement"):
        fullsize.load("plain", "both", 0, P)
