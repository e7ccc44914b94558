"""Training the two-stage network: each step trains what it should, resumes, and repeats itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lib.base import UserError
from lib.data.open import open_source
from lib.data.prepare import prepare
from lib.device import Machine
from lib.losses import compositional_loss
from lib.models.store import load
from lib.training import dim, loop
from lib.training.dim import DimRecipe, DimTraining, train
from lib.training.place import Place

SMALL = DimRecipe(epochs=2, side=32, batch_size=4, width=4)
CPU = Machine("cpu", threads=1)
SPLIT = np.arange(8), np.arange(8, 12)
TIMED = ["seconds", "images_per_second"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(open_source("portraits", "", 12, 0), (60, 45), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def stage1(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage1")
    return folder, train(prepared, SPLIT, folder, replace(SMALL, augment=True), CPU)


def test_history_and_repeatability(prepared, stage1, tmp_path):
    folder, history = stage1
    assert list(history) == ["epoch", "step", "train_alpha", "train_composition", "test_sad", "test_mse", *TIMED]
    assert history.epoch.tolist() == [1, 2] and history.step.tolist() == [2, 4]
    again = train(prepared, SPLIT, tmp_path, replace(SMALL, augment=True), CPU.with_workers(1))
    assert history.drop(columns=TIMED).equals(again.drop(columns=TIMED))
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_killed_training_ends_with_the_same_numbers(prepared, stage1, tmp_path, monkeypatch):
    real, calls = dim.test, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(dim, "test", killed)
    with pytest.raises(KeyboardInterrupt):
        train(prepared, SPLIT, tmp_path, replace(SMALL, augment=True), CPU)
    monkeypatch.undo()
    train(prepared, SPLIT, tmp_path, replace(SMALL, augment=True), CPU)
    assert (stage1[0] / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_training_killed_within_an_epoch_ends_with_the_same_numbers(prepared, stage1, tmp_path, monkeypatch):
    """Batch norm's averages over the epoch, and which crops are still to come, are in the checkpoint, too."""
    recipe, calls, real = replace(SMALL, augment=True), [], DimTraining.step

    def killed(self, batches):
        calls.append(1)
        if len(calls) == 4:  # the second step of the second epoch
            raise KeyboardInterrupt
        return real(self, batches)

    monkeypatch.setattr(loop, "SAVE_EVERY", 0)
    monkeypatch.setattr(DimTraining, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(prepared, SPLIT, tmp_path, recipe, CPU)
    assert [path.name for path in tmp_path.glob("*-0*")] == ["step-000003"]
    monkeypatch.undo()
    history = train(prepared, SPLIT, tmp_path, recipe, CPU)
    assert history.drop(columns=TIMED).equals(stage1[1].drop(columns=TIMED))
    assert (stage1[0] / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_each_stage_trains_its_own_weights(prepared, stage1, tmp_path):
    before = load_file(stage1[0] / "model.safetensors")
    train(prepared, SPLIT, tmp_path / "r", replace(SMALL, stage="refinement", start=str(stage1[0])), CPU)
    refined = load_file(tmp_path / "r/model.safetensors")
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], refined[name])}
    assert moved == {"refinement"}
    train(prepared, SPLIT, tmp_path / "b", replace(SMALL, stage="both", start=str(tmp_path / "r")), CPU)
    both = load_file(tmp_path / "b/model.safetensors")
    moved = {name.split(".")[0] for name in both if not torch.equal(both[name], refined[name])}
    assert moved == {"stage1", "refinement"}
    assert not load(tmp_path / "b", "cpu").training


def test_mistakes_are_named(prepared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").touch()  # must not be taken for that of an empty start
    for settings, sentence in [
        ({"stage": "third"}, "stage: expected one of stage1, refinement, both, found 'third'"),
        ({"stage": "both"}, "start: expected the folder of a finished training"),
        ({"stage": "both", "start": "nowhere"}, "no model.safetensors in 'nowhere'"),
        ({"side": 16}, "side: expected at least 32, found 16"),
        ({"composition": 2.0}, "composition: expected a share from 0 to 1, found 2.0"),
    ]:
        with pytest.raises(UserError, match=sentence):
            replace(SMALL, **settings)
    with pytest.raises(UserError, match="expected at least 2 crops, found 1 images"):
        train(prepared, ([0], [1]), tmp_path / "new", SMALL, CPU)
    with pytest.raises(UserError, match="expected model.safetensors of a finished training"):
        load(tmp_path / "nothing")


def test_compositional_loss_in_closed_form():
    # One grey foreground on one grey background: an error d of alpha is |F - B| d in the composite.
    alpha, predicted = torch.tensor([0.2, 0.7]).view(2, 1, 1, 1), torch.tensor([0.5, 0.5]).view(2, 1, 1, 1)
    foreground, background = torch.full((2, 3, 1, 1), 0.9), torch.full((2, 3, 1, 1), 0.4)
    image = alpha * foreground + (1 - alpha) * background
    everywhere = compositional_loss(predicted, image, foreground, background)
    assert everywhere.item() == pytest.approx(0.5 * (0.3 + 0.2) / 2, rel=1e-5)
    first = torch.tensor([True, False]).view(2, 1, 1, 1)
    assert compositional_loss(predicted, image, foreground, background, first).item() == pytest.approx(0.15, rel=1e-5)
    assert compositional_loss(alpha, image, foreground, background).item() < 1e-5


def test_batch_norm_averages_the_whole_epoch(prepared):
    system = DimTraining(prepared, SPLIT, SMALL, Place(torch.device("cpu"), "fp32"))
    norm = next(layer for layer in system.learning().modules() if isinstance(layer, torch.nn.BatchNorm2d))
    random = torch.Generator().manual_seed(0)
    for _ in range(2):  # the first epoch is forgotten
        system.start_epoch()
        batches = [torch.randn(4, SMALL.width, 3, 3, generator=random) + shift for shift in range(6)]
        for batch in batches:
            norm(batch)
    channels = torch.stack(batches).transpose(0, 2).flatten(1)
    torch.testing.assert_close(norm.running_mean, channels.mean(dim=1), atol=1e-5, rtol=0)
    variance = sum(batch.transpose(0, 1).flatten(1).var(dim=1) for batch in batches) / 6
    torch.testing.assert_close(norm.running_var, variance, rtol=1e-4, atol=0)


def test_a_rest_of_one_crop_is_left_out(prepared):
    system = DimTraining(prepared, (np.arange(9), []), SMALL, Place(torch.device("cpu"), "fp32"))
    assert system.epoch_steps() == 2 and [len(batch[0]) for batch in system.batches(1, 0)] == [4, 4]
    assert [len(batch[0]) for batch in system.batches(1, 1)] == [4]
