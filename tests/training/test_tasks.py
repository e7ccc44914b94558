"""Every task of lib.training: it repeats itself, resumes after a kill, starts from another training, and loads again."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from helpers import prepared_from
from lib.base import UserError
from lib.compute import Compute, Runtime
from lib.data.cache import prepare
from lib.data.sources import open_source
from lib.models import checkpoint
from lib.models.checkpoint import export
from lib.training import trainer
from lib.training.dim import DimConfig, DimTask
from lib.training.photo import (
    AlphaGANConfig,
    AlphaGANTask,
    BackgroundConfig,
    BackgroundTask,
    HybridConfig,
    HybridTask,
    PortraitConfig,
    PortraitTask,
    VideoConfig,
    VideoTask,
)
from lib.training.thumbnail import ThumbnailConfig, ThumbnailTask
from lib.training.trainer import train

CPU, RUNTIME = Compute("cpu", "fp32", threads=1), Runtime(torch.device("cpu"), "fp32")
TIMED = ["seconds", "images_per_second"]
PHOTO = {"epochs": 2, "images": 4, "batch_size": 2, "side": 64, "late_side": 64, "tests": 1, "ema": 0.5, "people": 2}
VARIED = {"skips": True, "unpooling": "transposed", "jitter": 1.0, "border": "zeros", "schedule": "onecycle"}
TASKS = {  # two epochs of two steps
    "thumbnail": (ThumbnailTask, ThumbnailConfig(epochs=2, batch_size=4, width=8, augment=True, **VARIED)),
    "dim": (DimTask, DimConfig(epochs=2, side=32, batch_size=4, width=4, augment=True)),
    "trimap": (PortraitTask, PortraitConfig(**PHOTO, width=0.25, encoder="random")),
    "portrait": (PortraitTask, PortraitConfig(**PHOTO, width=0.25, trimap=False)),
    "hybrid": (HybridTask, HybridConfig(**PHOTO, width=0.25)),
    "alphagan": (AlphaGANTask, AlphaGANConfig(**PHOTO, adversary=1e-2, adversary_from=0.5)),
    "background": (BackgroundTask, BackgroundConfig(**PHOTO)),
    "video": (VideoTask, VideoConfig(**PHOTO, frames=2, late_frames=3)),
}


def data_of(name: str, cache) -> tuple:
    """What the task is built from, after config and runtime."""
    split = np.arange(8), np.arange(8, 12)
    if name == "thumbnail":
        alpha = np.zeros((12, 1, 28, 28), np.uint8)
        alpha[:, :, 8:, 6:20] = 255
        return prepared_from(np.random.default_rng(0).integers(0, 256, (12, 3, 28, 28), np.uint8), alpha), split
    return (prepare(open_source("portraits", "", 12, 0), (60, 45), cache=cache), split) if name == "dim" else ()


@pytest.fixture(scope="module", params=TASKS)
def trained(request, tmp_path_factory):
    """(task, config, data, folder, history) of a training that nothing disturbed."""
    task, config = TASKS[request.param]
    data, folder = data_of(request.param, tmp_path_factory.mktemp("cache")), tmp_path_factory.mktemp(request.param)
    return task, config, data, folder, train(task, config, folder, CPU, *data)


def same(history, other, folder, folder_of_other) -> bool:
    """Whether two trainings agree in every digit."""
    weights = [(place / "model.safetensors").read_bytes() for place in (folder, folder_of_other)]
    return history.drop(columns=TIMED).equals(other.drop(columns=TIMED)) and weights[0] == weights[1]


def test_the_same_call_gives_the_same_numbers(trained, tmp_path):
    task, config, data, folder, history = trained
    assert history.step.tolist() == [2, 4] and history.notna().all(axis=None)
    torch.manual_seed(99)  # must not matter
    compute = replace(CPU, workers=1)
    assert same(history, train(task, config, tmp_path, compute, *data), folder, tmp_path)


def test_killed_within_an_epoch_it_ends_with_the_same_numbers(trained, tmp_path, monkeypatch):
    """Optimisers, averages, batch norms, logs, and which pictures are still to come, are in the checkpoint."""
    task, config, data, folder, history = trained
    real, steps = task.training_step, []

    def training_step(self, *given):
        steps.append(1)
        if len(steps) == 4:  # the second step of the second epoch
            raise KeyboardInterrupt
        return real(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "CHECKPOINT_SECONDS", 0)
        patched.setattr(task, "training_step", training_step)
        with pytest.raises(KeyboardInterrupt):
            train(task, config, tmp_path, CPU, *data)
    assert [path.name[:17] for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-000003"]
    assert same(history, train(task, config, tmp_path, CPU, *data), folder, tmp_path)


def test_it_loads_again_also_as_it_ships(trained, tmp_path):
    *_, folder, _ = trained
    export(folder, tmp_path)
    weights = load_file(folder / "model.safetensors")
    for place, tolerance in ((folder, 0), (tmp_path, 1e-3)):
        model = checkpoint.load_network(place, "cpu")
        assert not model.training and model.state_dict().keys() == weights.keys()
        for name, value in model.state_dict().items():
            torch.testing.assert_close(value, weights[name], rtol=tolerance, atol=tolerance / 1000)


def test_it_starts_from_another_training(trained, tmp_path):
    task, config, data, folder, _ = trained
    model = task(replace(config, start=str(folder)), RUNTIME, *data).model
    weights = load_file(folder / "model.safetensors")
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert task.fingerprints(config, *data) != task.fingerprints(replace(config, start=str(folder)), *data)
    with pytest.raises(UserError, match="start: expected the folder of a finished training, found no model"):
        train(task, replace(config, start=str(tmp_path)), tmp_path / "new", CPU, *data)
    assert not (tmp_path / "new").exists()
