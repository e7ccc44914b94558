"""The training loop on a line through made-up points: steps, validations, kills, averages, and tasks of one's own."""

import importlib
import json
import platform
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import lib.models
import lib.training
from helpers import prepared_from
from lib import scores
from lib.compute import Compute, Runtime, keep_freed_memory
from lib.data.cache import chunks
from lib.inference import predict_batches
from lib.models import checkpoint
from lib.training import trainer
from lib.training.checkpoint import RunFolder
from lib.training.config import TrainConfig
from lib.training.trainer import Task, make_optimizer, train

CPU, RUNTIME = Compute("cpu", "fp32", 1), Runtime(torch.device("cpu"), "fp32")
SHORT = TrainConfig(epochs=2, batch_size=4, lr=0.05)
TIMED = ["seconds", "images_per_second"]
POINTS = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
VALUES = POINTS @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3


class Line(Task):
    """A linear layer learns VALUES from POINTS: four steps an epoch where batches hold four."""

    name = "line"
    log_names = ("train",)
    images = len(POINTS)

    def __init__(self, config: TrainConfig, runtime: Runtime):
        super().__init__(config, runtime)
        self.model = torch.nn.Linear(3, 1)
        generator = torch.Generator().manual_seed(config.seed)
        for parameter in self.model.parameters():
            torch.nn.init.normal_(parameter, generator=generator)

    def steps_per_epoch(self):
        return max(1, self.images // self.config.batch_size // self.config.accumulate)

    def batches(self, epoch, start):
        order = np.random.default_rng([self.config.seed, epoch]).permutation(self.images)
        for rows in chunks(order, self.config.batch_size)[start:]:
            yield POINTS[rows], VALUES[rows]

    def loss(self, batch):
        points, values = batch
        error = (self.model(points) - values).square().mean()
        return error, error.detach()[None]

    def validate(self, model):
        with torch.no_grad():
            return {"test": float((model(POINTS) - VALUES).square().mean())}


class Adversarial(Line):
    """A critic learns to tell the points' values from the line's, the line to be taken for them: two optimisers by turns."""

    log_names = ("critic", "line")

    def __init__(self, config: TrainConfig, runtime: Runtime):
        super().__init__(config, runtime)
        critic = torch.nn.Linear(4, 1)
        for parameter in critic.parameters():
            torch.nn.init.constant_(parameter, 0.1)
        self.model = torch.nn.ModuleDict({"line": self.model, "critic": critic})

    def make_optimizers(self):
        device = self.runtime.device
        return [make_optimizer(self.model[name].parameters(), self.config, device) for name in ("critic", "line")]

    def training_step(self, batches, optimizers, step):
        [(points, values)] = batches
        line, critic = self.model["line"], self.model["critic"]

        def judged(values):
            return critic(torch.cat([points, values], dim=1)).sigmoid()

        logs = []
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
            true, made = judged(values), judged(line(points))
            loss = -made.log().mean() if logs else -(true.log() + (1 - made).log()).mean()
            loss.backward()
            optimizer.step()
            logs.append(loss.detach())
        return torch.stack(logs)[None]

    def validate(self, model):
        return super().validate(model["line"])


def fit(folder, kind: type[Task] = Line, **changes) -> pd.DataFrame:
    return train(kind, replace(SHORT, **changes), folder, CPU)


def numbers(history: pd.DataFrame) -> pd.DataFrame:
    """What of a history is to be the same each time."""
    return history.drop(columns=TIMED)


def weights(folder) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def kill_at(monkeypatch, number: int, kind: type = Line) -> None:
    """Checkpoints after every step, and an interruption in place of step `number`, counted from 1."""
    real, calls = kind.training_step, []

    def training_step(self, *given):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return real(self, *given)

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(kind, "training_step", training_step)


def checkpoints(folder) -> list[str]:
    """Names of the checkpoints, without their digests."""
    return sorted(path.name[: -len("-0123456789abcdef.pt")] for path in folder.glob("checkpoint-*-*.pt"))


# ------------------------------------------------------------------------------------------ steps and tests


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"epochs": 3}, [4, 8, 12]),
        ({"epochs": 3, "test_at": (2, 9)}, [2, 4, 8, 9, 12]),
        ({"epochs": 1, "test_at": (4, 0, 7)}, [4]),
        ({"steps": 10}, [4, 8, 10]),
        ({"steps": 8}, [4, 8]),
        ({"steps": 3}, [3]),
        ({"steps": 10, "test_at": (9, 3, 10, 99)}, [3, 9, 10]),
        ({"steps": 2, "epochs": 50}, [2]),
    ],
)
def test_validation_steps(changes, expected):
    assert trainer.validation_steps(replace(SHORT, **changes), 4) == expected


def test_history_has_one_row_an_epoch(tmp_path, capsys):
    history = fit(tmp_path)
    assert list(history) == ["epoch", "step", "train", "test", *TIMED]
    assert history.epoch.tolist() == [1, 2] and history.step.tolist() == [4, 8]
    assert history.epoch.dtype == history.step.dtype == int
    assert (history[TIMED] > 0).all(axis=None)
    assert history.test.iloc[-1] == Line(SHORT, RUNTIME).validate(kept(tmp_path))["test"]
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and said[0].startswith(f"{tmp_path.name} epoch 1/2: train {history.train[0]:.4f}, test ")


def kept(folder) -> torch.nn.Linear:
    """The network that a training left."""
    line = torch.nn.Linear(3, 1)
    line.load_state_dict(weights(folder))
    return line


def test_steps_are_the_unit_and_tests_fall_where_they_are_asked_for(tmp_path, capsys):
    history = fit(tmp_path / "few", steps=6, test_at=(1, 5))
    assert history.step.tolist() == [1, 5, 6] and history.epoch.tolist() == [0.25, 1.25, 1.5]
    assert capsys.readouterr().out.splitlines()[1].startswith("few step 5/6: train ")
    every = fit(tmp_path / "every", steps=6, test_at=(1, 2, 3, 4, 5))
    assert every.step.tolist() == [1, 2, 3, 4, 5, 6]
    means = [every.train[0], every.train[1:5].mean(), every.train[5]]  # of the steps since the row before
    assert history.train.tolist() == pytest.approx(means, rel=1e-6)
    assert history.test.tolist() == every.test[[0, 4, 5]].tolist(), "testing changes nothing"
    again = fit(tmp_path / "few", steps=6, test_at=(1, 5))
    pd.testing.assert_frame_equal(again, history, check_exact=True)  # found done, not trained anew
    assert fit(tmp_path / "both", test_at=(3,)).step.tolist() == [3, 4, 8]


# ------------------------------------------------------------------------------------------ kills


FORMS = [
    {"optimizer": "adamw", "lr": 0.1, "schedule": "onecycle"},
    {"schedule": "cosine", "clip": 0.5, "ema": 0.6},
    {"optimizer": "adam", "accumulate": 2, "epochs": 4},
    {"steps": 7, "test_at": (2, 6)},
]


@pytest.mark.parametrize("changes", FORMS)
@pytest.mark.parametrize("number", range(1, 8))
def test_a_training_killed_at_any_step_ends_with_the_same_numbers(tmp_path, monkeypatch, capsys, changes, number):
    history = fit(tmp_path / "whole", **changes)
    kill_at(monkeypatch, number)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "killed", **changes)
    done = number - 1
    assert checkpoints(tmp_path / "killed") == ([f"checkpoint-{done:06d}"] if done else [])
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    monkeypatch.undo()
    capsys.readouterr()
    resumed = fit(tmp_path / "killed", **changes)
    assert ("going on after" in capsys.readouterr().out) == (done > 0)
    pd.testing.assert_frame_equal(numbers(resumed), numbers(history), check_exact=True)
    assert (tmp_path / "whole/model.safetensors").read_bytes() == (tmp_path / "killed/model.safetensors").read_bytes()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "config.json",
        "history.csv",
        "model.safetensors",
        "model.sha256",
    ]


def killed_after_three_steps(folder, monkeypatch):
    """The checkpoint that it leaves."""
    kill_at(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        fit(folder)
    monkeypatch.undo()
    [file] = folder.glob("checkpoint-*.pt")
    return file


def test_of_two_checkpoints_the_later_counts(tmp_path, monkeypatch, capsys):
    """Killed between writing one and dropping the other; the time of a file says nothing, copies have new ones."""
    history = fit(tmp_path / "whole")
    first = killed_after_three_steps(tmp_path / "killed", monkeypatch)
    content = first.read_bytes()
    killed_after_three_steps(tmp_path / "killed", monkeypatch)
    first.write_bytes(content)
    (tmp_path / "killed" / "checkpoint.part").write_bytes(b"half")
    assert checkpoints(tmp_path / "killed") == ["checkpoint-000003", "checkpoint-000006"]
    capsys.readouterr()
    pd.testing.assert_frame_equal(numbers(fit(tmp_path / "killed")), numbers(history), check_exact=True)
    assert "killed: going on after step 6\n" in capsys.readouterr().out
    assert not list((tmp_path / "killed").glob("checkpoint*"))


def test_files_of_others_stay_in_the_folder(tmp_path, monkeypatch):
    """A note, a checkpoint kept aside: neither is read, neither is removed, not by starting over either."""
    history = fit(tmp_path / "whole")
    file = killed_after_three_steps(tmp_path / "killed", monkeypatch)
    (tmp_path / "killed" / "checkpoint-mine.pt").write_bytes(file.read_bytes())
    (tmp_path / "killed" / "notes.txt").write_text("mine")
    pd.testing.assert_frame_equal(numbers(fit(tmp_path / "killed")), numbers(history), check_exact=True)
    fit(tmp_path / "killed", lr=0.01)
    kept = {"config.json", "history.csv", "model.safetensors", "model.sha256", "checkpoint-mine.pt", "notes.txt"}
    assert {path.name for path in (tmp_path / "killed").iterdir()} == kept


def test_who_may_read_the_configuration_may_read_the_weights(tmp_path):
    fit(tmp_path)
    modes = {(tmp_path / name).stat().st_mode for name in ("config.json", "model.safetensors", "model.sha256")}
    assert len(modes) == 1


@pytest.mark.parametrize("spoil", [lambda content: content[:-8], lambda content: content[:99] + b"?" + content[100:]])
def test_a_damaged_checkpoint_is_left_out_with_a_message(tmp_path, monkeypatch, capsys, spoil):
    history = fit(tmp_path / "whole")
    file = killed_after_three_steps(tmp_path / "killed", monkeypatch)
    digest = subprocess.run(["sha256sum", file], capture_output=True, text=True).stdout  # of another program
    assert file.stem.endswith(f"-{digest[:16]}")
    file.write_bytes(spoil(file.read_bytes()))
    capsys.readouterr()
    pd.testing.assert_frame_equal(numbers(fit(tmp_path / "killed")), numbers(history), check_exact=True)
    output = capsys.readouterr().out
    assert f"{file}: is not as it was written; this checkpoint is left out" in output and "going on" not in output


# ------------------------------------------------------------------------------------------ options of a step


def test_gradients_of_two_batches_make_the_step_of_one_twice_as_large(tmp_path):
    halves, whole = fit(tmp_path / "halves", accumulate=2), fit(tmp_path / "whole", batch_size=8)
    assert halves.step.tolist() == whole.step.tolist() == [2, 4]
    assert halves.test.tolist() == pytest.approx(whole.test.tolist(), rel=1e-5)
    for name, value in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "halves")[name], value)


def test_fewer_batches_than_make_a_step_make_one(tmp_path):
    few, whole = fit(tmp_path / "few", accumulate=9), fit(tmp_path / "whole", batch_size=16)
    assert few.step.tolist() == whole.step.tolist() == [1, 2]
    assert few.test.tolist() == pytest.approx(whole.test.tolist(), rel=1e-5)


def by_hand(config: TrainConfig, steps: int) -> list[dict[str, torch.Tensor]]:
    """The weights before the first and after each step of gradient descent without momentum, clipped by hand."""
    task = Line(config, RUNTIME)
    line = task.model
    states = [{name: value.clone() for name, value in line.state_dict().items()}]
    batches = [batch for epoch in (1, 2) for batch in task.batches(epoch, 0)]
    for batch in batches[:steps]:
        gradients = torch.autograd.grad(task.loss(batch)[0], list(line.parameters()))
        norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients))
        factor = min(1.0, config.clip / float(norm)) if config.clip else 1.0
        with torch.no_grad():
            for parameter, gradient in zip(line.parameters(), gradients, strict=True):
                parameter -= config.lr * factor * gradient
        states.append({name: value.clone() for name, value in line.state_dict().items()})
    return states


def test_clipping_limits_the_norm_of_the_gradient(tmp_path):
    config = replace(SHORT, steps=1, momentum=0.0, clip=0.5)
    before, after = by_hand(config, 1)
    train(Line, config, tmp_path / "clipped", CPU)
    clipped = weights(tmp_path / "clipped")
    moved = torch.sqrt(sum((clipped[name] - before[name]).square().sum() for name in clipped))
    assert float(moved) == pytest.approx(config.lr * config.clip, rel=1e-4)
    for name, value in after.items():
        torch.testing.assert_close(clipped[name], value)
    fit(tmp_path / "loose", steps=1, momentum=0.0, clip=1e6)
    for name, value in by_hand(replace(config, clip=0.0), 1)[1].items():
        torch.testing.assert_close(weights(tmp_path / "loose")[name], value)


def test_averaged_weights_are_what_is_tested_and_kept(tmp_path):
    steps = by_hand(replace(SHORT, momentum=0.0), 6)[1:]
    expected = steps[0]
    for one in steps[1:]:
        expected = {name: 0.7 * expected[name] + 0.3 * one[name] for name in expected}
    history = fit(tmp_path, steps=6, momentum=0.0, ema=0.7)
    for name, value in weights(tmp_path).items():
        torch.testing.assert_close(value, expected[name])
    assert history.test.iloc[-1] == Line(SHORT, RUNTIME).validate(kept(tmp_path))["test"]
    last = torch.nn.Linear(3, 1)
    last.load_state_dict(steps[-1])
    assert history.test.iloc[-1] != pytest.approx(Line(SHORT, RUNTIME).validate(last)["test"])


# ------------------------------------------------------------------------------------------ the folder


def truncated(file):
    file.write_bytes(file.read_bytes()[:-8])


def turned(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (truncated, True),
        (turned, True),
        (lambda file: file.write_bytes(b""), True),
        (lambda file: file.unlink(), False),
        (lambda file: file.with_suffix(".sha256").unlink(), True),
        (lambda file: file.with_suffix(".sha256").write_text(""), True),
    ],
)
def test_a_broken_result_is_noticed_and_trained_again(tmp_path, capsys, spoil, said):
    history, file = fit(tmp_path), tmp_path / "model.safetensors"
    content, config = file.read_bytes(), json.loads((tmp_path / "config.json").read_text())
    assert RunFolder(tmp_path, config).finished()
    spoil(file)
    assert not RunFolder(tmp_path, config).finished()
    capsys.readouterr()
    pd.testing.assert_frame_equal(numbers(fit(tmp_path)), numbers(history), check_exact=True)
    sentence = f"{tmp_path.name}: model.safetensors is not as it was written; training it again"
    assert (sentence in capsys.readouterr().out) == said
    assert file.read_bytes() == content and RunFolder(tmp_path, config).finished()


def test_another_config_starts_over_and_drops_the_checkpoint(tmp_path, monkeypatch, capsys):
    kill_at(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path)
    monkeypatch.undo()
    history = fit(tmp_path, seed=1, ema=0.5)
    assert "ema, seed changed since the last training; starting over" in capsys.readouterr().out
    assert history.step.tolist() == [4, 8] and not list(tmp_path.glob("checkpoint*"))


# ------------------------------------------------------------------------------------------ tasks of one's own


def test_an_adversarial_task_takes_steps_of_its_own_and_resumes(tmp_path, monkeypatch):
    changes = {"kind": Adversarial, "optimizer": "adam", "schedule": "onecycle"}
    history = fit(tmp_path / "whole", **changes)
    assert list(history) == ["epoch", "step", "critic", "line", "test", *TIMED]
    begun = Adversarial(SHORT, RUNTIME).model.state_dict()
    assert all(not torch.equal(value, begun[name]) for name, value in weights(tmp_path / "whole").items())
    kill_at(monkeypatch, 7, Adversarial)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "killed", **changes)
    [file] = (tmp_path / "killed").glob("checkpoint-000006-*.pt")
    states = torch.load(file, weights_only=True)
    assert len(states["optimizers"]) == len(states["schedulers"]) == 2
    monkeypatch.undo()
    pd.testing.assert_frame_equal(numbers(fit(tmp_path / "killed", **changes)), numbers(history), check_exact=True)
    assert (tmp_path / "whole/model.safetensors").read_bytes() == (tmp_path / "killed/model.safetensors").read_bytes()


TOY_NETWORK = '''"""The trimap, its unknown pixels by a line through the colours."""

import torch
from torch import nn


class Toy(nn.Module):
    """width: hidden channels."""

    def __init__(self, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 1, 1))

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W), trimap (N,1,H,W) float in [0,1] -> alpha (N,1,H,W)."""
        return self.layers(torch.cat([image, trimap], dim=1)).float().sigmoid()
'''

TOY_TASK = '''"""Training of the toy network on whole images."""

import numpy as np
import torch
from pydantic.dataclasses import dataclass

from lib.compute import Compute
from lib.data.cache import chunks
from lib.data.trimap import trimap_to_float
from lib.metrics import errors_by_region
from lib.inference import predict_batches
from lib.losses import alpha_prediction_loss
from lib.models.layers import initialise
from lib.models.toy import Toy
from lib.training.config import TrainConfig
from lib.training.trainer import Task


@dataclass(frozen=True)
class ToyConfig(TrainConfig):
    width: int = 4


class ToyTask(Task):
    name = "toy"
    log_names = ("train_all",)

    def __init__(self, config, runtime, prepared, split):
        super().__init__(config, runtime)
        self.prepared, (self.train_index, self.test_index) = prepared, split
        self.images, self.model = len(split[0]), Toy(config.width)
        initialise(self.model, config.seed)

    @staticmethod
    def fingerprints(config, prepared, split):
        return {"data": prepared.fingerprint}

    def steps_per_epoch(self):
        return len(chunks(self.train_index, self.config.batch_size))

    def batches(self, epoch, start):
        order = np.random.default_rng([self.config.seed, epoch]).permutation(self.train_index)
        for rows in chunks(order, self.config.batch_size)[start:]:
            image, alpha, trimap = (torch.from_numpy(np.asarray(layer[rows])) for layer in (
                self.prepared.image, self.prepared.alpha, self.prepared.trimap))
            yield image.float() / 255, alpha.float() / 255, trimap_to_float(trimap)

    def loss(self, batch):
        image, alpha, trimap = batch
        loss = alpha_prediction_loss(self.model(image, trimap), alpha)
        return loss, loss.detach()[None]

    def validate(self, model):
        index = self.test_index
        alpha = predict_batches(model, self.prepared, index, Compute(str(self.runtime.device), self.runtime.precision))
        errors = errors_by_region(alpha, self.prepared.alpha[index], self.prepared.trimap[index])
        return {"test_all": errors["all"].mean()}
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """lib.training.toy, as if its two files lay in lib/models and lib/training, and its line stood in lib/models/store."""
    for package, source in ((lib.models, TOY_NETWORK), (lib.training, TOY_TASK)):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "toy.py").write_text(source)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    training = importlib.import_module("lib.training.toy")
    network = importlib.import_module("lib.models.toy")
    monkeypatch.setitem(checkpoint.NETWORKS, "toy", lambda config: network.Toy(config["width"]))
    yield training
    for package in (lib.models, lib.training):
        del sys.modules[f"{package.__name__}.toy"], package.toy


def test_a_task_of_two_files_and_a_line_trains_loads_and_is_scored(toy, tmp_path):
    assert len(TOY_NETWORK.splitlines()) <= 30
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (12, 3, 28, 28), np.uint8)
    alpha = np.where(image[:, :1] > 128, np.uint8(255), np.uint8(0))
    prepared, split, machine = prepared_from(image, alpha), (np.arange(8), np.arange(8, 12)), CPU
    config = toy.ToyConfig(epochs=40, batch_size=4, lr=0.03, optimizer="adam", width=6)
    history = train(toy.ToyTask, config, tmp_path / "toy", machine, prepared, split)
    assert len(history) == 40 and history.test_all.iloc[-1] < 0.5 * history.test_all.iloc[0]
    assert json.loads((tmp_path / "toy" / "config.json").read_text())["system"] == "toy"
    model = checkpoint.load_network(tmp_path / "toy", "cpu")
    assert type(model).__name__ == "Toy" and not model.training
    found = scores.score_regions(
        "toy",
        0,
        split[1],
        predict_batches(model, prepared, split[1], machine),
        alpha[split[1]],
        prepared.trimap[split[1]],
    )
    rows = scores.summarise(found, 0).set_index(["method", "measure"])
    assert rows.value["toy", "all"] == pytest.approx(history.test_all.iloc[-1], abs=1e-6)


def test_memory_is_kept_where_the_c_library_can():
    assert keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
