"""The designed experiment: its effects on errors that are known by a formula, and its scores on two small scenes."""

import itertools

import numpy as np
import pandas as pd
import pytest

from lib.data import perturb
from lib.experiments import difficulty
from lib.inference import Prediction
from lib.scores import REGIONS, TRIMAP_CONTROL


def by_formula(colours, texture, both):
    """Errors of three people that rise with the dials' settings c and d, and with c d / 64."""
    people = enumerate(("a", "b", "c"))
    rows = [
        ("method", 0, person, "all", 0.1 * number + colours * c + texture * d / 64 + both * c * d / 64, c, d)
        for (number, person), (c, d) in itertools.product(people, perturb.setting_grid())
    ]
    return pd.DataFrame(rows, columns=["method", "seed", "image", "measure", "value", "camouflage", "detail"])


@pytest.mark.parametrize(("colours", "texture", "both"), [(0.2, 0.0, 0.0), (0.0, -0.1, 0.0), (0.1, 0.3, 0.05)])
def test_effects_are_those_of_the_formula(colours, texture, both):
    found = difficulty.factor_effects(by_formula(colours, texture, both), "all", seed=0).set_index("effect").value
    share = np.mean(perturb.DETAIL) / 64, np.mean(perturb.CAMOUFLAGE)
    expected = colours + both * share[0], texture + both * share[1], both
    np.testing.assert_allclose(found[list(difficulty.EFFECTS)], expected, atol=1e-12)


def test_every_method_is_scored_at_every_setting():
    scored = difficulty.score_thumbnails(perturb.held_out_scenes(2, (28, 28)), {}, seed=0)
    methods = [*difficulty.METHODS.values(), TRIMAP_CONTROL]
    assert list(scored.method.unique()) == methods and set(scored.measure) == set(REGIONS)
    assert len(scored) == len(methods) * len(REGIONS) * len(perturb.setting_grid()) * 2
    control = difficulty.factor_effects(scored, "unknown", seed=0).set_index("method").loc[TRIMAP_CONTROL]
    assert (control.value == 0).all()  # it looks at no colour


def test_people_in_several_places_count_once():
    scenes = perturb.held_out_scenes(2, (40, 30))
    scenes = [("a", scenes[0][1]), ("a", scenes[1][1])]
    half = {"half": lambda sample: Prediction(np.full(sample.alpha.shape, 0.5, np.float32))}
    scored = difficulty.score_pictures([("a", scenes[0][1]), ("b", scenes[1][1])], half, perturb.setting_grid()[:2])
    assert sorted(scored.image.unique()) == ["a", "b"]
    alone = [abs(0.5 - sample.alpha / 255).mean() for _, sample in scenes]
    mad = scored[(scored.measure == "mad") & (scored.detail == 0)].set_index("image").value
    np.testing.assert_allclose(mad[["a", "b"]], alone, rtol=1e-6)


def test_the_table_has_a_row_a_measure_and_method():
    found = difficulty.factor_effects(by_formula(0.1, 0.2, 0.0), "all", seed=0)
    table = difficulty.effects_table(
        {"all": found, "unknown": found}, {"all": "all pixels", "unknown": "unknown pixels"}
    )
    assert table.over.tolist() == ["all pixels", "unknown pixels"]
    assert table["similar colours"].tolist() == pytest.approx([0.1, 0.1])
