"""The model cards, read as the Hub reads them: by huggingface_hub's own parser."""

import json
import re

import pytest

from lib.experiments import model_cards
from lib.experiments.shipped import FOLDER, GIVEN, cards
from lib.training.export import MANIFEST

hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_a_cards_results_are_those_of_the_manifest(name):
    card = hub.ModelCard.load(FOLDER / name / "README.md")
    scores = json.loads((FOLDER / name / MANIFEST).read_text())["scores"]
    known = {result.metric_name: key for key, name in model_cards.MEASURES.items() for result in card.data.eval_results
             if result.metric_name == name}  # fmt: skip
    found = {}
    for result in card.data.eval_results:
        assert result.metric_type == known[result.metric_name] and result.task_type == card.data.pipeline_tag
        found.setdefault(result.dataset_type, {})[result.metric_type] = result.metric_value
    assert found == {each.replace(" ", "-"): of["network"] for each, of in scores.items() if each != "three_held_out"}
    assert card.data.license == ["mit", "apache-2.0"] and card.data.pipeline_tag == "image-segmentation"
    assert {measure for of in found.values() for measure in of} == set(card.data.metrics)


def test_the_cards_are_those_that_the_manifests_give_and_leave_no_question_open():
    rows = cards().to_dict("records")
    assert {row["network"] for row in rows} == set(GIVEN)
    for row in rows:
        text = (FOLDER / row["network"] / "README.md").read_text()
        assert text == model_cards.model_card(row["network"], row)
        sections = re.findall(r"^## (.+)", text, re.M)
        for section in (
            "Intended use",
            "Out of scope, and limits",
            "Training data",
            "Training",
            "Evaluation",
            "Licence",
        ):
            assert section in sections
        assert f"{row['parameters']:,} parameters" in text and row["SHA-256"] in text


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_the_code_of_a_card_runs(name):
    import numpy as np

    from lib.data.trimap import make_trimap

    text = (FOLDER / name / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.S)[1].replace('"data/weights/', f'"{FOLDER}/')
    alpha = np.zeros((64, 64), np.uint8)
    alpha[16:48, 16:48] = 255
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    given = {"image": picture / np.float32(255) if "trimap" in GIVEN[name] else picture, "plate": picture[::-1].copy()}
    given |= {"trimap": make_trimap(alpha, 4), "frames": np.stack([picture, picture])}
    exec(code, given)
    matte = given.get("matte", given.get("mattes"))
    assert matte.shape[-2:] == (64, 64) and 0 <= matte.min() <= matte.max() <= 1
