"""Arms of equal time: as long as measured once, trained once, compared in pairs."""

import json
from dataclasses import replace

import pytest

from lib.compute import Compute
from lib.experiments import ablation
from lib.training.photo import HybridConfig

ONE = Compute("cpu", "fp32", threads=1)
TINY = {"images": 40, "batch_size": 2, "width": 0.25, "encoder": "random"}


@pytest.fixture(scope="module")
def arms():
    named = dict(ablation.recipes("", 64, 0))
    assert [recipe.structure for recipe in named.values()] == ["unpooling", "skips", "skips", "skips", "skips"]
    assert [recipe.encoder for recipe in named.values()] == ["random", "random", "imagenet", "imagenet", "imagenet"]
    assert [recipe.shapes for recipe in named.values()] == [0, 0, 0, 0.5, 0.5]
    assert [isinstance(recipe, HybridConfig) for recipe in named.values()] == [False] * 4 + [True]
    return {arm: replace(named[arm], **TINY) for arm in (next(iter(named)), list(named)[-1])}


def test_arms_are_judged_beside_closed_form(arms, tmp_path, monkeypatch):
    table, differences = ablation.run(tmp_path, arms, 1e-9, 1, ONE)
    assert table.method.tolist() == ["closed-form", *arms] and (table.steps[1:] == 1).all()
    assert (table.pictures[1:] == 2).all() and table.parameters[1] != table.parameters[2]
    assert table[["sad", "mse", "grad", "conn"]].notna().all(axis=None)
    [pair] = differences[["a", "b"]].drop_duplicates().itertuples(index=False)
    assert tuple(pair) == tuple(arms)[::-1]
    mse = table.set_index("method").mse
    paired = differences.set_index("measure").value["mse"]
    assert paired == pytest.approx(mse[pair.a] - mse[pair.b])
    monkeypatch.setattr(ablation, "seconds_a_step", lambda *_: pytest.fail("measured twice"))
    again, _ = ablation.run(tmp_path, arms, 1e-9, 1, ONE)
    assert again.equals(table)


def test_the_length_is_what_fits_into_the_minutes(arms, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "seconds_a_step", lambda *_: 0.5)
    recipe = next(iter(arms.values()))
    assert ablation.length(tmp_path, recipe, 2, ONE) == 240
    assert json.loads((tmp_path / "steps.json").read_text()) == {"steps": 240, "minutes": 2}
    monkeypatch.undo()
    assert 0 < ablation.seconds_a_step(recipe, ONE) < 60
