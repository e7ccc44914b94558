"""Claims as data: each condition on values with and without intervals, the scale of a run, and mistakes in the file."""

import pytest
import yaml

from lib.base import UserError
from lib.experiments import study
from workflow import claim_tables, claims
from workflow.steps import NOTEBOOKS

BASE = {"id": "c", "kind": "ours", "claim": "It is.", "rests_on": ["x"], "tolerance": "statistical"}
MARGIN = {"margin": -0.02, "reason": "It was called similar."}
SCALE = {"steps": {"has": "steps", "needs": "study.steps"}, "seeds": {"has": "p.seeds", "needs": 2}}


def claim(**holds_if):
    return BASE | {"holds_if": {"value": "x", **holds_if}}


def leaf(low, value, high):
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("leaf", "condition", "outcome"),
    [
        (leaf(-0.2, -0.1, -0.01), {"below": 0}, "holds"),
        (leaf(-0.2, -0.1, 0.01), {"below": 0}, "not shown"),
        (leaf(0.01, 0.1, 0.2), {"below": 0}, "refuted"),
        (leaf(0.01, 0.1, 0.2), {"above": 0}, "holds"),
        (leaf(-0.01, 0.1, 0.2), {"above": 0}, "not shown"),
        (leaf(-0.2, -0.1, -0.01), {"above": 0}, "refuted"),
        (leaf(-0.01, 0.0, 0.01), {"between": [-0.02, 0.02]}, "holds"),
        (leaf(0.05, 0.1, 0.2), {"between": [-0.02, 0.02]}, "refuted"),
        (leaf(-0.01, 0.0, 0.019), {"alike": MARGIN}, "holds"),
        (leaf(-0.5, 0.0, 0.5), {"alike": MARGIN}, "not shown"),  # no difference shown is not equality
        (leaf(-0.015, -0.01, -0.001), {"alike": MARGIN}, "holds"),  # a difference, and small enough
        (leaf(-0.03, -0.01, 0.0), {"alike": MARGIN}, "not shown"),
        (leaf(0.03, 0.1, 0.2), {"alike": MARGIN}, "refuted"),
        (leaf(None, 0.1, None), {"above": 0}, "not shown"),
        (34_426, {"equal": 34_427}, "refuted"),
        (3, {"equal": 3}, "holds"),
        (0.6, {"above": "y"}, "holds"),
        (0.4, {"above": "y"}, "refuted"),
        (None, {"above": 0}, "not tested"),
    ],
)
def test_outcomes(leaf, condition, outcome):
    assert claims.judge(claim(**condition), {"x": leaf, "y": 0.5}) == outcome


@pytest.mark.parametrize(
    ("value", "points"),
    [
        (leaf(-0.2, -0.1, -0.01), "the same way"),
        (leaf(0.01, 0.1, 0.2), "the other way"),
        (leaf(-0.1, 0.1, 0.2), "neither way"),
        (None, "neither way"),
    ],
)
def test_a_run_below_the_scale_points_somewhere_and_judges_nothing(value, points):
    known = {"x": value, "steps": 60, "study.steps": 4_440, "p.seeds": 2}
    asked = claim(below=0) | {"scale": SCALE}
    assert claims.judge(asked, known) == "not tested at this scale"
    assert claims.shortfalls(asked, known) == {"steps": (60, 4_440)}
    row = claim_tables._row(asked, known)
    assert (row["outcome"], row["points"]) == ("not tested at this scale", points)
    assert row["needs"] == "60 of 4,440 steps"


def test_a_run_at_the_scale_judges():
    known = {"x": leaf(-0.2, -0.1, -0.01), "steps": 4_440, "study.steps": 4_440, "p.seeds": 2}
    asked = claim(below=0) | {"scale": SCALE}
    assert claims.judge(asked, known) == "holds"
    assert claim_tables._row(asked, known)["points"] == ""
    assert claims.judge(asked, known | {"p.seeds": 1}) == "not tested at this scale"
    assert claims.judge(asked, known | {"steps": None}) == "not tested at this scale"  # nobody counted them


def test_missing_values_are_named():
    with pytest.raises(UserError, match="claim c: expected the value x, found none in the run"):
        claims.judge(claim(above=0), {})
    with pytest.raises(UserError, match="expected the value steps"):
        claims.judge(claim(above=0) | {"scale": SCALE}, {"x": 1, "p.seeds": 2})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"claims": 1}, "claims: Extra inputs are not permitted"),
        ({"kind": "theirs"}, "kind: Input should be 'study', 'slip' or 'ours', found 'theirs'"),
        ({"kind": "study"}, "expected the field section"),
        ({"quote": ""}, "quote: String should have at least 1 character"),
        ({"tolerance": "loose"}, "tolerance: .*'loose'"),
        ({"holds_if": {"value": "z", "above": 0}}, "value of rests_on"),
        ({"holds_if": {"value": "x"}}, "holds_if: .*expected one of below, above, equal, between, alike"),
        ({"holds_if": {"value": "x", "above": 0, "below": 1}}, "expected one of below"),
        ({"holds_if": {"value": "x", "alike": {"margin": 0.02}}}, "holds_if.alike.reason: Field required"),
        ({"scale": {"steps": {"has": "x"}}}, "scale.steps.needs: Field required"),
        ({"scale": {"hours": {"has": "x", "needs": 1}}}, "scale.hours"),
        ({"kind": "study", "found": "It is not."}, "kind: Input should be 'slip'"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, change, said):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump([claim(above=0) | change]))
    with pytest.raises(UserError, match=f"claims.yaml, claim c: .*{said}"):
        claims.read(path)
    path.write_text(yaml.safe_dump([{key: value for key, value in claim(above=0).items() if key != "claim"}]))
    with pytest.raises(UserError, match="claim c: claim: Field required"):
        claims.read(path)


def test_a_slip_that_is_seen_by_reading_needs_no_condition(tmp_path):
    path = tmp_path / "claims.yaml"
    seen = {"id": "c", "kind": "slip", "section": "1", "quote": "q", "claim": "It is.", "found": "It is not."}
    path.write_text(yaml.safe_dump([seen]))
    assert claims.read(path)[0]["found"] == "It is not."


def test_the_papers_claims_are_sound():
    listed = claims.read()
    assert len({one["id"] for one in listed}) == len(listed) >= 15
    assert {one["kind"] for one in listed} == {"study", "slip", "ours"}
    for one in claims.with_condition():
        for name in claims.names(one):
            assert name in study.values() or name.split(".")[0] in {*NOTEBOOKS, "p"}, one["id"]


def test_what_the_study_claims_of_training_needs_its_own_scale():
    """With its images, two seeds and nine tenths of its steps every claim can be tested, with a step fewer none on training."""
    known = study.values()
    for one in claims.with_condition():
        known |= {name: leaf(-0.1, 0.0, 0.1) for name in one["rests_on"] if name not in known}
    full = known | {
        "03_vgg16.by_step.steps.sgd.last": 4_000,
        "01_data.images": 34_426,
        "13_what_is_hard.people": 20,
        "06_refinement.training_images": 28_426,
        "03_vgg16.leakage.images": 300,
        "p.seeds": 2,
        "p.full_seeds": 2,
    }
    few = full | {"13_what_is_hard.people": 19}
    assert [one["id"] for one in claims.with_condition() if claims.shortfalls(one, few)] == [
        "study-similar-colours",
        "study-textures",
        "study-textures-network",
    ]
    fewer = full | {"03_vgg16.by_step.steps.sgd.last": 3_999}
    below = {one["id"] for one in claims.with_condition() if claims.shortfalls(one, fewer)}
    assert not any(claims.shortfalls(one, full) for one in claims.with_condition())
    assert below == {
        "study-beats-clustering",
        "study-beats-clustering-unknown",
        "study-augmentation",
        "study-similar-performance",
        "study-overfit",
        "study-few-epochs",
        "ours-trimap",
        "ours-trimap-unknown",
        "ours-adam",
    }


def test_slips_of_the_pen_are_arithmetic_whatever_the_run():
    by_id = {one["id"]: one for one in claims.read()}
    assert claims.judge(by_id["slip-split-sum"], study.values()) == "a slip"
    assert claims.judge(by_id["slip-split-share"], study.values()) == "a slip"
    assert claims.notebooks(by_id["slip-split-sum"]) == []
    # VGG-16's 13 convolutions as torchvision builds them
    from torchvision.models import vgg16

    assert sum(p.numel() for p in vgg16(weights=None).features.parameters()) == study.ENCODER_PARAMETERS


def test_slips_stand_apart_from_what_was_tested(tmp_path, monkeypatch):
    study = claim(equal=34_427) | {"kind": "study", "section": "2.2", "quote": "so we have"}
    listed = [
        study | {"id": "s", "kind": "slip"},
        {"id": "r", "kind": "slip", "section": "References", "quote": "2018", "claim": "So.", "found": "2021."},
        study,
        claim(above=0),
    ]
    monkeypatch.setattr(claims, "read", lambda: listed)
    monkeypatch.setattr(claims, "of_run", lambda folder: {"x": 34_426})
    frame = claim_tables.judged(tmp_path)
    assert frame.outcome.tolist() == ["a slip", "a slip", "refuted", "holds"]
    assert claim_tables.of_kind(frame, "slip").to_dict("records") == [
        {"the study writes": "“so we have” (section 2.2)", "which says": "It is.", "found": "34,426, expected 34,427"},
        {"the study writes": "“2018” (references)", "which says": "So.", "found": "2021."},
    ]
    assert claim_tables.of_kind(frame, "study").to_dict("records") == [
        {
            "claim": "“so we have” (section 2.2): It is.",
            "measured": "34,426",
            "holds if": "is 34,427",
            "outcome": "**refuted**",
            "points": "",
        }
    ]
    assert claim_tables.of_kind(frame, "ours").claim.tolist() == ["It is."]


def test_a_claim_names_the_notebooks_that_make_its_values():
    by_id = {one["id"]: one for one in claims.read()}
    assert claims.notebooks(by_id["ours-recipe"]) == ["03_vgg16"]
    assert claims.notebooks(by_id["study-few-epochs"]) == ["01_data", "03_vgg16"]  # 01 says how many images there are
    assert claims.notebooks(by_id["study-augmentation"]) == ["01_data", "03_vgg16", "04_augmentation"]
    assert claims.notebooks(by_id["study-refinement-augmentation"]) == ["06_refinement"]
    assert claims.notebooks(by_id["study-textures"]) == ["03_vgg16", "04_augmentation", "13_what_is_hard"]


def test_an_unknown_claim_is_told_the_closest():
    assert [one["id"] for one in claims.one("ours-recipe")] == ["ours-recipe"]
    with pytest.raises(UserError, match="CLAIM: expected an id of .*'ours-recipes'; did you mean ours-recipe?"):
        claims.one("ours-recipes")


@pytest.mark.parametrize(
    ("leaf", "text"),
    [(leaf(-1, -0.5, 0.25), "−0.500 (−1.000 to 0.250)"), (34_426, "34,426"), (0.174, "0.174"), (None, "")],
)
def test_measured_in_words(leaf, text):
    assert claim_tables.measured(leaf) == text


def test_conditions_in_words():
    assert claim_tables.condition({"alike": MARGIN}, {}) == "between −0.02 and 0.02"
    assert claim_tables.condition({"above": "y"}, {"y": 28}) == "above 28"


def test_a_bound_of_two_lines_is_told_in_one():
    """Found by fuzzing."""
    with pytest.raises(UserError, match=r"expected the value '1\\n\(' as a bound, found none"):
        claims.bound("1\n(", {})
