"""Named values: what a notebook writes comes back, with its spread, and is known to be stale when code changes."""

import json

import numpy as np
import pytest

from lib import base
from lib.base import UserError
from lib.evaluation import stats
from lib.output import values


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "ROOT", tmp_path)
    monkeypatch.setattr(values, "reports_dir", lambda run: tmp_path / "reports" / run)
    return tmp_path


def test_estimate_of_a_sample_agrees_with_the_closed_form():
    """For n independent values the bootstrap interval is near mean +- 1.96 sd / sqrt(n)."""
    sample = np.random.default_rng(3).normal(0.3, 0.1, (1, 400))
    found = stats.estimate(sample, 0)
    half = 1.96 * sample.std() / 20
    assert found["value"] == pytest.approx(sample.mean()) and found["sd"] is None
    assert (found["low"], found["high"]) == pytest.approx((sample.mean() - half, sample.mean() + half), abs=0.002)
    assert (found["seeds"], found["n"]) == (1, 400)


def test_sd_is_over_seeds_and_a_paired_difference_forgets_what_both_share():
    images = np.random.default_rng(0).random(50)
    a, b = np.stack([images, images + 0.2]), images[None] - 0.1
    assert stats.estimate(a, 0)["sd"] == pytest.approx(0.2 / np.sqrt(2))
    found = stats.difference(a, b, 0)
    assert found["value"] == pytest.approx(0.2)
    assert found["low"] == pytest.approx(0.1) and found["high"] == pytest.approx(0.3)


def test_a_single_number_has_no_interval():
    assert stats.estimate(np.array([[0.5]]), 0) == {"value": 0.5, "sd": None, "low": None, "high": None, "seeds": 1, "n": 1}


def test_gap_is_paired_by_seed_but_not_by_image():
    tested, trained = np.full((2, 7), 0.5), np.stack([np.full(30, 0.2), np.full(30, 0.4)])
    found = stats.gap(tested, trained, 0)
    assert found["value"] == pytest.approx(0.2) and found["sd"] == pytest.approx(0.2 / np.sqrt(2))
    assert (found["low"], found["high"]) == pytest.approx((0.1, 0.3))


def test_values_come_back_by_name(elsewhere):
    p = {"run": "smoke", "data_dir": "/somewhere/set"}
    values.write(p, "02_x", "α is 0.1", {"b": np.float64(0.1), "rho": {"K-means: colour": np.float32(0.5)}, "n": np.int64(3),
                                         "bad": float("nan"), "note": "in /somewhere/set", "ok": np.bool_(True),
                                         "e": stats.estimate(np.ones((2, 3)), 0)})
    found = values.load(elsewhere / "reports" / "smoke")
    assert found["02_x.b"] == 0.1 and found["02_x.rho.k_means_colour"] == 0.5 and found["02_x.n"] == 3
    assert found["02_x.bad"] is None and found["02_x.note"] == "in set" and found["02_x.ok"] is True
    assert found["02_x.e"] == {"value": 1.0, "sd": 0.0, "low": 1.0, "high": 1.0, "seeds": 2, "n": 3}
    content = values.read("smoke", "02_x")
    assert content["answer"] == "α is 0.1" and content["parameters"] == {"run": "smoke", "data_dir": "set"}
    assert set(content) == {"answer", "code", "commit", "notebook", "parameters", "tree_clean", "values"}
    text = (elsewhere / "reports" / "smoke" / "values" / "02_x.json").read_text()
    assert list(json.loads(text)["values"]) == sorted(found)


def test_two_values_of_one_name_are_a_mistake():
    with pytest.raises(ValueError, match="02_x.a_b"):
        values.flatten({"a b": 1, "a-b": 2}, "02_x")


def test_missing_values_name_the_notebook_to_run(elsewhere):
    with pytest.raises(UserError, match="expected the values of notebook 03_vgg16 with run=smoke, found no"):
        values.read("smoke", "03_vgg16")
    with pytest.raises(UserError, match="expected the values of a run"):
        values.load(elsewhere / "nowhere")


def test_a_file_of_another_version_is_refused(elsewhere):
    folder = elsewhere / "reports" / "smoke" / "values"
    folder.mkdir(parents=True)
    (folder / "01_data.json").write_text('{"answer": "yes"}')
    with pytest.raises(UserError, match="01_data.json.*expected a values file of this version"):
        values.load(elsewhere / "reports" / "smoke")


def test_values_of_changed_code_are_stale(elsewhere):
    values.write({"run": "smoke"}, "01_data", "yes", {"images": 3})
    folder = elsewhere / "reports" / "smoke"
    assert values.stale(folder) == {}
    path = folder / "values" / "01_data.json"
    path.write_text(path.read_text().replace('"code": "', '"code": "0'))
    assert values.stale(folder) == {"01_data": "its cells or the lib code that they use have changed since"}


@pytest.mark.parametrize(("leaf", "number"), [(3, 3), (0.5, 0.5), ({"value": 0.25, "sd": 1}, 0.25), (True, 1.0),
                                              ("text", None), (None, None), ({"value": None}, None)])
def test_the_number_of_a_value(leaf, number):
    assert values.number(leaf) == number
