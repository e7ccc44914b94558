"""The cards of the included networks: as the manifests give them, and read by huggingface_hub's own parser."""

import json
import re

import numpy as np
import pytest

from lib.data.trimap import make_trimap
from lib.experiments import shipped
from lib.methods import WEIGHTS
from lib.models.checkpoint import MANIFEST

SECTIONS = ("Intended use", "Out of scope, and limits", "Training data", "Training", "Evaluation", "Licence")


@pytest.mark.parametrize("name", sorted(shipped.NETWORKS))
def test_a_cards_results_are_those_of_the_manifest(name):
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    card = hub.ModelCard.load(WEIGHTS / name / "README.md")
    scores = json.loads((WEIGHTS / name / MANIFEST).read_text())["scores"]
    results: dict[str, dict] = {}
    for result in card.data.eval_results:
        assert result.metric_name == shipped.MEASURES[result.metric_type]
        assert result.task_type == card.data.pipeline_tag == "image-segmentation"
        results.setdefault(result.dataset_type, {})[result.metric_type] = result.metric_value
    assert results == {each.replace(" ", "-"): of["network"] for each, of in scores.items() if each != "three_held_out"}
    assert card.data.license == ["mit", "apache-2.0"]
    assert {measure for values in results.values() for measure in values} == set(card.data.metrics)


def test_the_cards_are_those_that_the_manifests_give_and_leave_no_question_open():
    cards = dict(shipped.cards())
    assert {file.parent.name for file in cards} == {*shipped.NETWORKS, "weights"}
    for file, text in cards.items():
        assert file.read_text() == text, "run shipped.cards() again"
        if file.parent != WEIGHTS:
            assert set(SECTIONS) <= set(re.findall(r"^## (.+)", text, re.M))


@pytest.mark.parametrize("name", sorted(shipped.NETWORKS))
def test_the_code_of_a_card_runs(name):
    text = (WEIGHTS / name / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.S)[1].replace('"data/weights/', f'"{WEIGHTS}/')
    alpha = np.zeros((64, 64), np.uint8)
    alpha[16:48, 16:48] = 255
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    image = picture / np.float32(255) if "trimap" in shipped.NETWORKS[name].inputs else picture
    names = {"image": image, "plate": picture[::-1].copy(), "trimap": make_trimap(alpha, 4)}
    names["frames"] = np.stack([picture, picture])
    exec(code, names)
    assert names["alpha"].shape[-2:] == (64, 64) and 0 <= names["alpha"].min() <= names["alpha"].max() <= 1
