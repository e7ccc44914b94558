"""Training the two-stage network: each step trains what it should, resumes, and repeats itself."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lib.base import UserError
from lib.data.open import open_source
from lib.data.prepare import prepare
from lib.losses import compositional_loss
from lib.training import dim
from lib.training.dim import load, train

SMALL = {"epochs": 2, "side": 32, "batch_size": 4, "width": 4, "device": "cpu", "threads": 1}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(open_source("portraits", "", 12, 0), (60, 45), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def stage1(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage1")
    return folder, train(prepared, np.arange(8), np.arange(8, 12), folder, augment=True, **SMALL)


def test_history_and_repeatability(prepared, stage1, tmp_path):
    folder, history = stage1
    assert list(history) == list(dim.COLUMNS) and history.epoch.tolist() == [1, 2]
    again = train(prepared, np.arange(8), np.arange(8, 12), tmp_path, augment=True, workers=1, **SMALL)
    timed = ["seconds", "images_per_second"]
    assert history.drop(columns=timed).equals(again.drop(columns=timed))
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
        train(prepared, np.arange(8), np.arange(8, 12), tmp_path, augment=True, **SMALL)
    monkeypatch.undo()
    train(prepared, np.arange(8), np.arange(8, 12), tmp_path, augment=True, **SMALL)
    assert (stage1[0] / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_each_step_trains_its_own_weights(prepared, stage1, tmp_path):
    before = load_file(stage1[0] / "model.safetensors")
    train(prepared, np.arange(8), np.arange(8, 12), tmp_path / "r", step="refinement", start=stage1[0], **SMALL)
    refined = load_file(tmp_path / "r/model.safetensors")
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], refined[name])}
    assert moved == {"refinement"}
    train(prepared, np.arange(8), np.arange(8, 12), tmp_path / "b", step="both", start=tmp_path / "r", **SMALL)
    both = load_file(tmp_path / "b/model.safetensors")
    assert {name.split(".")[0] for name in both if not torch.equal(both[name], refined[name])} == {"stage1", "refinement"}
    assert not load(tmp_path / "b", "cpu").training


def test_mistakes_are_named(prepared, tmp_path):
    for settings, sentence in [({"step": "third"}, "step: expected one of stage1, refinement, both, found 'third'"),
                               ({"step": "both"}, "start: expected the folder of a finished training"),
                               ({"side": 16}, "side: expected at least 32, found 16"),
                               ({"composition": 2.0}, "composition: expected a share from 0 to 1, found 2.0")]:
        with pytest.raises(UserError, match=sentence):
            train(prepared, np.arange(8), np.arange(8, 12), tmp_path, **SMALL | settings)
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


def test_batch_norm_averages_the_whole_epoch():
    norm, random = torch.nn.BatchNorm2d(1), torch.Generator().manual_seed(0)
    for _ in range(2):  # the first epoch is forgotten
        dim.fresh_statistics(norm)
        batches = [torch.randn(4, 1, 3, 3, generator=random) + shift for shift in range(6)]
        for batch in batches:
            norm(batch)
    assert norm.running_mean.item() == pytest.approx(torch.stack(batches).mean().item(), abs=1e-5)
    assert norm.running_var.item() == pytest.approx(sum(b.var().item() for b in batches) / 6, rel=1e-4)
