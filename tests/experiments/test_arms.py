"""Ablations at equal steps: every arm from the same start, differences in pairs, a table and a record."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from lib.base import UserError
from lib.experiments import arms, committed
from lib.experiments.shipped import RECIPES


@pytest.fixture()
def small(monkeypatch, tmp_path):
    for name in ("alphagan", "background"):
        tiny = replace(RECIPES[name], images=4, batch_size=2, encoder="imagenet")
        monkeypatch.setitem(RECIPES, name, tiny)
    monkeypatch.setattr(arms, "runs_dir", lambda name: tmp_path / "runs" / name)
    monkeypatch.setattr(committed, "reports_dir", lambda name: tmp_path / "reports" / name)
    return tmp_path / "reports" / "ablation"


@pytest.mark.parametrize(("kind", "first"), [("adversary", "1"), ("adversary", "0"), ("disturbances", "0")])
def test_every_arm_is_trained_as_long_and_compared_with_the_first(small, kind, first, monkeypatch):
    kept = {"adversary": "ADVERSARY", "disturbances": "DISTURBED"}[kind]
    shorter = dict(list(getattr(arms, kept).items())[:2])
    monkeypatch.setattr(arms, kept, shorter)
    arms.main([kind, "--steps", "1", "--first", first, "--side", "64", "--people", "2", "--threads", "1"])
    found = pd.read_csv(small / f"{kind}.csv")
    measures = {"adversary": ["sad", "mse", "grad", "conn"], "disturbances": ["exact", "again"]}[kind]
    assert found.arm.tolist() == list(shorter) and (found.steps == 1).all() and (found.pictures == 2).all()
    base, other = found.iloc[0], found.iloc[1]
    for measure in measures:
        assert other[f"{measure} minus {base.arm}"] == pytest.approx(other[measure] - base[measure], abs=1e-9)
        assert pd.isna(base[f"{measure} minus {base.arm}"])
    record = json.loads((small / f"{kind}.json").read_text())
    assert record["parameters"]["steps"] == 1 and record["commit"]


def test_an_unknown_kind_is_told_of():
    with pytest.raises(UserError, match="kind: expected adversary or disturbances, found 'sound'"):
        arms.main(["sound"])
