"""Persons and places crossed: a plan in which every test picture meets all four kinds of knowledge, and the table of it."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib.base import UserError
from lib.compute import Compute
from lib.data.crossed import Crossed
from lib.data.prepare import prepare
from lib.evaluation import scores
from lib.experiments import crossed


def test_halves_share_neither_people_nor_places_and_tests_repeat_trained_pairs():
    planned = crossed.plan(120, 400, 60, 0)
    pairs_of = np.repeat(planned.pairs, 2, axis=0)
    for halves in crossed.HALVES:
        trained, tested = pairs_of[planned.trained[halves]], pairs_of[planned.tested[halves]]
        assert len(trained) == 400 and len(tested) == 60
        assert set(map(tuple, tested.tolist())) <= set(map(tuple, trained.tolist()))
        assert not set(planned.trained[halves]) & set(planned.tested[halves])
    for one, other in itertools.combinations(crossed.HALVES, 2):
        for part in range(2):  # person, place
            a, b = (set(pairs_of[planned.trained[halves], part].tolist()) for halves in (one, other))
            assert (a == b) if one[part] == other[part] else not a & b
    assert len(set(pairs_of[:, 0].tolist())) == 120


@pytest.mark.parametrize(("trained", "tested", "name"), [(5, 2, "trained"), (4, 3, "tested"), (4, 6, "tested")])
def test_impossible_numbers_are_named(trained, tested, name):
    with pytest.raises(UserError, match=rf"^{name}: expected "):
        crossed.plan(8, trained, tested, 0)


def test_every_person_is_measured_by_all_four_and_the_frame_comes_out_twice(tmp_path):
    planned = crossed.plan(8, 8, 8, 0)
    prepared = prepare(Crossed(planned.pairs), 28, cache=tmp_path / "cache", workers=1)
    recipe = replace(crossed.RECIPE, steps=2, batch_size=4, width=4)
    machine = Compute("cpu", "fp32", 1)
    found = crossed.measure(prepared, planned, tmp_path / "one", recipe, 2, machine)
    assert found.method.unique().tolist() == list(crossed.KNOWN.values())
    count = found.groupby(["method", "seed", "measure"]).image.nunique()
    assert (count == 8).all() and len(found) == 4 * 2 * 2 * 8
    assert len(scores.compare(found, [("person", "neither")], 0)) == 2
    pd.testing.assert_frame_equal(found, crossed.measure(prepared, planned, tmp_path / "two", recipe, 2, machine))
    # By hand: the network that knows neither, on the first test picture.
    halves = crossed.HALVES[0]
    picture = planned.tested[halves][0]
    person = prepared.groups[picture]
    mine = [index for part in planned.tested.values() for index in part if prepared.groups[index] == person]
    means = {}
    for index in mine:
        where = next(halves for halves, part in planned.tested.items() if index in part)
        stranger = tmp_path / "one" / f"seed1-people{1 - where[0]}-places{1 - where[1]}"
        alpha = crossed.predict(crossed.store.load(stranger, "cpu"), prepared, [index], machine)
        means[index] = np.abs(alpha - prepared.alpha[[index]] / 255).mean()
    rows = found[(found.method == "neither") & (found.seed == 1) & (found.measure == "all") & (found.image == person)]
    assert rows.value.item() == pytest.approx(np.mean(list(means.values())), abs=1e-6)
