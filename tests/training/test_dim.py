"""Training the two-stage network: each step trains what it should, on the crops it should."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from lib.base import UserError
from lib.compute import Compute, Runtime
from lib.data.cache import prepare
from lib.data.sources import open_source
from lib.losses import compositional_loss
from lib.models.checkpoint import load_network
from lib.training.dim import DimConfig, DimTask
from lib.training.trainer import train

SMALL = DimConfig(epochs=1, side=32, batch_size=4, width=4)
CPU, RUNTIME = Compute("cpu", threads=1), Runtime(torch.device("cpu"), "fp32")
SPLIT = np.arange(8), np.arange(8, 12)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(open_source("portraits", "", 12, 0), (60, 45), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def stage1(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage1")
    train(DimTask, SMALL, folder, CPU, prepared, SPLIT)
    return folder


def test_each_stage_trains_its_own_weights(prepared, stage1, tmp_path):
    before = load_file(stage1 / "model.safetensors")
    train(DimTask, replace(SMALL, stage="refinement", start=str(stage1)), tmp_path / "r", CPU, prepared, SPLIT)
    refined = load_file(tmp_path / "r/model.safetensors")
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], refined[name])}
    assert moved == {"refinement"}
    train(DimTask, replace(SMALL, stage="both", start=str(tmp_path / "r")), tmp_path / "b", CPU, prepared, SPLIT)
    both = load_file(tmp_path / "b/model.safetensors")
    moved = {name.split(".")[0] for name in both if not torch.equal(both[name], refined[name])}
    assert moved == {"stage1", "refinement"}
    assert not load_network(tmp_path / "b", "cpu").training


def test_mistakes_are_named(prepared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").touch()  # must not be taken for that of an empty start
    for changes in ({"stage": "both"}, {"stage": "refinement", "start": "nowhere"}):
        with pytest.raises(
            UserError, match="start: expected the folder of a finished training, found no model.safetensors"
        ):
            train(DimTask, replace(SMALL, **changes), tmp_path / "new", CPU, prepared, SPLIT)
    for changes in ({"stage": "third"}, {"side": 16}, {"composition": 2.0}):
        with pytest.raises(ValidationError, match=next(iter(changes))):
            replace(SMALL, **changes)
    with pytest.raises(UserError, match="expected at least 2 crops, found 1 images"):
        train(DimTask, SMALL, tmp_path / "new", CPU, prepared, ([0], [1]))
    with pytest.raises(UserError, match="expected model.safetensors of a finished training"):
        load_network(tmp_path / "nothing")


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
    task = DimTask(SMALL, RUNTIME, prepared, SPLIT)
    norm = next(layer for layer in task.trainable().modules() if isinstance(layer, torch.nn.BatchNorm2d))
    random = torch.Generator().manual_seed(0)
    for _ in range(2):  # the first epoch is forgotten
        task.on_epoch_start()
        batches = [torch.randn(4, SMALL.width, 3, 3, generator=random) + shift for shift in range(6)]
        for batch in batches:
            norm(batch)
    channels = torch.stack(batches).transpose(0, 2).flatten(1)
    torch.testing.assert_close(norm.running_mean, channels.mean(dim=1), atol=1e-5, rtol=0)
    variance = sum(batch.transpose(0, 1).flatten(1).var(dim=1) for batch in batches) / 6
    torch.testing.assert_close(norm.running_var, variance, rtol=1e-4, atol=0)


def test_a_rest_of_one_crop_is_left_out(prepared):
    task = DimTask(SMALL, RUNTIME, prepared, (np.arange(9), []))
    assert task.steps_per_epoch() == 2 and [len(batch[0]) for batch in task.batches(1, 0)] == [4, 4]
    assert [len(batch[0]) for batch in task.batches(1, 1)] == [4]
