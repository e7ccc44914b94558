"""Training the network with closed-form matting's answer: it begins as a plain one, learns with the channel, and loads again."""

import pytest
import torch
from safetensors.torch import load_file

from lib.base import UserError
from lib.device import Machine
from lib.models import store
from lib.models.hybrid import HybridMatting
from lib.training import hybrid, portrait
from lib.training.hybrid import HybridRecipe, HybridTraining
from lib.training.place import Place
from lib.training.portrait import PortraitRecipe

ONE, HERE = Machine("cpu", "fp32", threads=1), Place(torch.device("cpu"), "fp32")
SMALL = {"epochs": 1, "images": 4, "batch_size": 2, "side": 64, "late_side": 64, "width": 0.25, "tests": 0, "ema": 0.5}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    portrait.train(folder, PortraitRecipe(**SMALL, imagenet=False), ONE, people=2)
    return folder


def test_it_begins_as_a_plain_network_and_learns_to_use_the_channel(plain, tmp_path):
    recipe = HybridRecipe(**SMALL, start=str(plain))
    begun = HybridTraining(recipe, HERE, people=2).model.state_dict()
    stem = "encoder.stem.conv.weight"
    assert torch.equal(begun[stem][:, :6], load_file(plain / "model.safetensors")[stem]) and not begun[stem][:, 6].any()
    history = hybrid.train(tmp_path, recipe, ONE, people=2)
    assert history.step.tolist() == [2]
    model = store.load(tmp_path, "cpu")
    assert isinstance(model, HybridMatting) and model.encoder.stem.conv.weight[:, 6].any()


def test_it_goes_on_from_itself(plain, tmp_path):
    recipe = HybridRecipe(**SMALL, start=str(plain))
    hybrid.train(tmp_path, recipe, ONE, people=2)
    again = HybridTraining(HybridRecipe(**SMALL, start=str(tmp_path)), HERE, people=2).model.state_dict()
    expected = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(value, expected[name]) for name, value in again.items())


@pytest.mark.parametrize("wrong", [{"structure": "unpooling"}, {"trimap": False}])
def test_another_structure_is_refused(wrong):
    with pytest.raises(UserError, match="structure: expected skips with a trimap"):
        HybridRecipe(**SMALL, **wrong)
