"""Training the networks for photographs: it repeats itself, resumes, and learns at two rates."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lib.base import UserError
from lib.device import Machine
from lib.training import portrait
from lib.training.place import Place
from lib.training.portrait import PortraitRecipe, PortraitTraining, train

ONE = Machine("cpu", "fp32", threads=1)
SMALL = {
    "epochs": 2,
    "images": 4,
    "batch_size": 2,
    "side": 64,
    "late_side": 64,
    "width": 0.25,
    "imagenet": False,
    "tests": 1,
    "ema": 0.5,
}
TIMED = ["seconds", "images_per_second"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trimap")
    return folder, train(folder, PortraitRecipe(**SMALL), ONE, people=2)


def test_history_and_repeatability(trained, tmp_path):
    folder, history = trained
    assert history.epoch.tolist() == [1, 2] and history.step.tolist() == [2, 4]
    assert (
        history[["train_alpha", "train_composition", "train_laplacian", "test_mse", "test_iou"]].notna().all(axis=None)
    )
    again = train(tmp_path, PortraitRecipe(**SMALL), Machine("cpu", "fp32", threads=1, workers=1), people=2)
    assert history.drop(columns=TIMED).equals(again.drop(columns=TIMED))
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_killed_training_ends_with_the_same_numbers(trained, tmp_path, monkeypatch):
    real, calls = PortraitTraining.test, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(PortraitTraining, "test", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, PortraitRecipe(**SMALL), ONE, people=2)
    monkeypatch.undo()
    train(tmp_path, PortraitRecipe(**SMALL), ONE, people=2)
    assert (trained[0] / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_the_portrait_network_trains_at_two_sizes(tmp_path):
    recipe = PortraitRecipe(**{**SMALL, "trimap": False, "late_side": 128, "epochs": 3})
    history = train(tmp_path, recipe, ONE, people=2)
    assert (history.train_composition == 0).all() and history.test_iou.between(0, 1).all()
    system = PortraitTraining(recipe, Place(torch.device("cpu"), "fp32"), people=2)
    assert [next(system.batches(epoch, 0)).shape[-2:] for epoch in (1, 2, 3)] == [(64, 48), (64, 48), (128, 96)]


def test_it_goes_on_from_another_training(trained, tmp_path):
    start = PortraitTraining(PortraitRecipe(**SMALL, start=str(trained[0])), Place(torch.device("cpu"), "fp32"), 2)
    expected = load_file(trained[0] / "model.safetensors")
    assert all(torch.equal(value, expected[name]) for name, value in start.model.state_dict().items())
    with pytest.raises(UserError, match="start: expected the folder"):
        PortraitRecipe(**SMALL, start=str(tmp_path))


def test_the_encoder_has_a_rate_of_its_own():
    system = PortraitTraining(PortraitRecipe(**SMALL), Place(torch.device("cpu"), "fp32"), people=1)
    [optimizer] = system.make_optimizers()
    assert [group["lr"] for group in optimizer.param_groups] == [3e-4, 1e-3]
    counted = sum(parameter.numel() for group in optimizer.param_groups for parameter in group["params"])
    assert counted == sum(parameter.numel() for parameter in system.model.parameters())


def test_held_out_people_are_different_ones():
    pairs = list(portrait.held_out(2))
    assert len(pairs) == 2 and pairs[0][0].shape == (800, 600, 3) and not np.array_equal(pairs[0][1], pairs[1][1])
