"""Named values: what a notebook writes comes back, with its spread, and is known to be stale when code changes."""

import json

import numpy as np
import pytest

from lib import base
from lib.evaluation import samples, stats
from lib.output import values
from workflow import values as kept

ERRORS = np.ones((2, 3))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "ROOT", tmp_path)
    for module in (values, kept):
        monkeypatch.setattr(module, "reports_dir", lambda run: tmp_path / "reports" / run)
    return tmp_path


def test_values_come_back_by_name(elsewhere):
    p = {"run": "smoke", "data_dir": "/somewhere/set"}
    values.write(
        p,
        "02_x",
        "α is 0.1",
        {
            "b": np.float64(0.1),
            "rho": {"K-means: colour": np.float32(0.5)},
            "n": np.int64(3),
            "bad": float("nan"),
            "note": "in /somewhere/set",
            "ok": np.bool_(True),
            "e": stats.estimate(ERRORS, 0),
        },
    )
    found = kept.load(elsewhere / "reports" / "smoke")
    assert found["02_x.b"] == 0.1 and found["02_x.rho.k_means_colour"] == 0.5 and found["02_x.n"] == 3
    assert found["02_x.bad"] is None and found["02_x.note"] == "in set" and found["02_x.ok"] is True
    assert found["02_x.e"] == {"value": 1.0, "sd": 0.0, "low": 1.0, "high": 1.0, "seeds": 2, "n": 3}
    (name,) = kept.samples(elsewhere / "reports" / "smoke").items()
    assert name[0] == "02_x.e" and (samples.unpacked(name[1], 2) == ERRORS).all()
    content = kept.read("smoke", "02_x")
    assert content["answer"] == "α is 0.1" and content["parameters"] == {"run": "smoke", "data_dir": "set"}
    assert set(content) == {"answer", "code", "commit", "notebook", "parameters", "samples", "tree_clean", "values"}
    text = (elsewhere / "reports" / "smoke" / "values" / "02_x.json").read_text()
    assert list(json.loads(text)["values"]) == sorted(found)


def test_two_values_of_one_name_are_a_mistake():
    with pytest.raises(ValueError, match="02_x.a_b"):
        values.flatten({"a b": 1, "a-b": 2}, "02_x")
