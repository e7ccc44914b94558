"""Claims as data: each condition on values with and without intervals, and mistakes in the file."""

import pytest
import yaml

from lib.base import UserError
from lib.experiments import published
from workflow import claims
from workflow.steps import NOTEBOOKS

BASE = {"id": "c", "claim": "It is.", "source": "study", "rests_on": ["x"], "tolerance": "statistical"}


def claim(**holds_if):
    return BASE | {"holds_if": {"value": "x", **holds_if}}


@pytest.mark.parametrize(
    ("leaf", "condition", "outcome"),
    [
        ({"value": -0.1, "low": -0.2, "high": -0.01}, {"below": 0}, "holds"),
        ({"value": -0.1, "low": -0.2, "high": 0.01}, {"below": 0}, "not shown"),
        ({"value": 0.1, "low": 0.01, "high": 0.2}, {"below": 0}, "refuted"),
        ({"value": 0.1, "low": 0.01, "high": 0.2}, {"above": 0}, "holds"),
        ({"value": 0.1, "low": -0.01, "high": 0.2}, {"above": 0}, "not shown"),
        ({"value": 0.0, "low": -0.01, "high": 0.01}, {"between": [-0.02, 0.02]}, "holds"),
        ({"value": 0.0, "low": -0.03, "high": 0.01}, {"between": [-0.02, 0.02]}, "not shown"),
        ({"value": 0.1, "low": 0.05, "high": 0.2}, {"between": [-0.02, 0.02]}, "refuted"),
        ({"value": 0.1, "low": None, "high": None}, {"above": 0}, "not shown"),
        (34_426, {"equal": 34_427}, "refuted"),
        (3, {"equal": 3}, "holds"),
        (0.6, {"above": "y"}, "holds"),
        (0.4, {"above": "y"}, "refuted"),
        (None, {"above": 0}, "not tested"),
    ],
)
def test_outcomes(leaf, condition, outcome):
    assert claims.judge(claim(**condition), {"x": leaf, "y": 0.5}) == outcome


def test_a_claim_about_other_data_is_not_tested():
    needs = claim(above=0) | {"needs": {"data": "aisegment"}}
    assert claims.judge(needs, {"x": 1, "data": "portraits"}) == "not tested"
    assert claims.judge(needs, {"x": 1, "data": "aisegment"}) == "holds"


def test_a_missing_value_is_named():
    with pytest.raises(UserError, match="claim c: expected the value x, found none in the run"):
        claims.judge(claim(above=0), {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"claims": 1}, "found claims"),
        ({"tolerance": "loose"}, "tolerance.*'loose'"),
        ({"holds_if": {"value": "z", "above": 0}}, "value of rests_on"),
        ({"holds_if": {"value": "x", "over": 0}}, "below, above, equal, between"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, change, said):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump([claim(above=0) | change]))
    with pytest.raises(UserError, match=said):
        claims.read(path)
    path.write_text(yaml.safe_dump([{key: value for key, value in claim(above=0).items() if key != "source"}]))
    with pytest.raises(UserError, match="claim c: expected the field source"):
        claims.read(path)


def test_the_papers_claims_are_sound():
    listed = claims.read()
    assert len({one["id"] for one in listed}) == len(listed) >= 15
    for one in listed:
        for name in one["rests_on"]:
            assert name in published.values() or name.split(".")[0] in NOTEBOOKS, one["id"]


def test_the_studys_arithmetic_is_refuted_whatever_the_run():
    by_id = {one["id"]: one for one in claims.read()}
    assert claims.judge(by_id["study-split-sum"], published.values()) == "refuted"
    assert claims.judge(by_id["study-split-share"], published.values()) == "refuted"
    # VGG-16's 13 convolutions as torchvision builds them
    from torchvision.models import vgg16

    assert sum(p.numel() for p in vgg16(weights=None).features.parameters()) == published.ENCODER_PARAMETERS


@pytest.mark.parametrize(
    ("leaf", "text"),
    [
        ({"value": -0.5, "low": -1, "high": 0.25}, "−0.500 (−1.000 to 0.250)"),
        (34_426, "34,426"),
        (0.174, "0.174"),
        (None, ""),
    ],
)
def test_measured_in_words(leaf, text):
    assert claims.measured(leaf) == text
