"""The training loop. A Task defines batches, loss and validation; everything else is here.

A training that is killed at any time resumes with the same numbers: batches are functions of (seed, epoch, batch) alone,
and a checkpoint holds everything else.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from lib.compute import Compute, Runtime, reproducible
from lib.provenance import code_fingerprint
from lib.training.checkpoint import RunFolder
from lib.training.config import TrainConfig

CHECKPOINT_SECONDS = 300.0  # at most this long between two checkpoints
NOT_SHOWN = ("epoch", "step", "seconds", "images_per_second")
OnValidation = Callable[[nn.Module, Runtime, int], None]  # (model, runtime, step)


class Task:
    """A network, its batches, its loss and its validation.

    A subclass sets `model`, `images` (training images of an epoch) and `log_names`, and defines `steps_per_epoch`,
    `batches`, `loss` and `validate`. A task whose step is not one loss, such as an adversarial one, defines
    `training_step` instead of `loss`.
    """

    name: str  # in config.json; lib.models.store builds the network by it
    unit = "images"
    log_names: tuple[str, ...]
    model: nn.Module
    images: int

    def __init__(self, config: TrainConfig, runtime: Runtime):
        self.config, self.runtime = config, runtime

    @staticmethod
    def fingerprints(config: TrainConfig, *data) -> dict[str, str]:
        """What decides the numbers besides config and code: checksums of data and weights."""
        return {}

    def steps_per_epoch(self) -> int:
        raise NotImplementedError

    def batches(self, epoch: int, start: int) -> Iterator:
        """Batches of an epoch (from 1), from batch `start` (from 0) on, on the device."""
        raise NotImplementedError

    def loss(self, batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The scalar to minimise, and the values to log: a detached vector as long as `log_names`."""
        raise NotImplementedError

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Columns of the history; model: the network, or its averaged weights."""
        raise NotImplementedError

    def trainable(self) -> nn.Module:
        """The part of the model that learns."""
        return self.model

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        return [make_optimizer(self.trainable().parameters(), self.config, self.runtime.device)]

    def on_epoch_start(self) -> None:
        pass

    def summarize(self, logs: torch.Tensor) -> dict[str, float]:
        """Logged values (batches, k) since the last validation as columns of the history."""
        return dict(zip(self.log_names, logs.mean(dim=0).tolist(), strict=True))

    def training_step(self, batches: list, optimizers: list[torch.optim.Optimizer], step: int) -> torch.Tensor:
        """One optimiser step over one or several (accumulated) batches; the logged values (batches, k)."""
        [optimizer] = optimizers
        optimizer.zero_grad(set_to_none=True)
        logs = []
        for batch in batches:
            loss, log = self.loss(batch)
            (loss / len(batches)).backward()
            logs.append(log)
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.trainable().parameters(), self.config.clip)
        optimizer.step()
        return torch.stack(logs)


def train(
    task_type: type[Task],
    config: TrainConfig,
    run_dir: Path | str,
    compute: Compute = Compute(),
    *data,
    on_validation: OnValidation | None = None,
) -> pd.DataFrame:
    """Train in `run_dir`, resume there, or read a finished training; the history, one row a validation.

    data: what the task is built from, after config and runtime. on_validation: changes no number.
    """
    with reproducible(compute) as runtime:
        described = {
            "system": task_type.name,
            **asdict(config),
            **runtime.config(),
            **task_type.fingerprints(config, *data),
            "code": code_fingerprint(task_type.__module__),
        }
        run = RunFolder(Path(run_dir), json.loads(json.dumps(described)))  # tuples as they are read back: lists
        if not run.finished():
            task = task_type(config, runtime, *data)  # first: a wrong weights file must not cost an earlier result
            run.open()
            Trainer(task, run, on_validation).fit()
    return run.read_history()


class Trainer:
    """One training: model, optimisers, schedulers, averaged weights, and how far it is."""

    def __init__(self, task: Task, run: RunFolder, on_validation: OnValidation | None = None):
        self.task, self.run, self.config, self.on_validation = task, run, task.config, on_validation
        self.model = task.model.to(task.runtime.device, memory_format=torch.channels_last)
        self.steps_per_epoch = task.steps_per_epoch()
        self.total_steps = self.config.steps or self.config.epochs * self.steps_per_epoch
        self.optimizers = task.make_optimizers()
        schedulers = [make_scheduler(optimizer, self.config, self.total_steps) for optimizer in self.optimizers]
        self.schedulers = [scheduler for scheduler in schedulers if scheduler]
        ema = get_ema_multi_avg_fn(self.config.ema)
        self.averaged = AveragedModel(self.model, multi_avg_fn=ema, use_buffers=True) if self.config.ema else None
        self.step, self.history, self.logs, self.seconds = 0, [], [], 0.0
        self.stream: Iterator | None = None
        self._resume()

    def fit(self) -> None:
        """Train to the end, with validations and checkpoints on the way, and write the result."""
        name = self.run.folder.name
        with tqdm(total=self.total_steps, initial=self.step, unit="step", desc=name, disable=None) as bar:
            for stop in validation_steps(self.config, self.steps_per_epoch):
                if stop > self.step:
                    self._train_until(stop, bar)
                    self._validate(bar)
                    if stop < self.total_steps:
                        self._checkpoint()
        self.run.finish(self._final_model(), self.history)

    def _train_until(self, stop: int, bar: tqdm) -> None:
        self.model.eval()  # what stands still; a validation may leave any mode
        self.task.trainable().train()
        started = saved = time.perf_counter()
        while self.step < stop:
            if self.stream is None or self.step % self.steps_per_epoch == 0:
                self.stream = self._epoch_stream()
            batches = list(itertools.islice(self.stream, self.config.accumulate))
            self.logs.append(self.task.training_step(batches, self.optimizers, self.step))
            for scheduler in self.schedulers:
                scheduler.step()
            if self.averaged:
                self.averaged.update_parameters(self.model)
            self.step += 1
            bar.update()
            if self.step < stop and time.perf_counter() - saved > CHECKPOINT_SECONDS:
                self.seconds += time.perf_counter() - started
                self._checkpoint()
                started = saved = time.perf_counter()
        self.seconds += time.perf_counter() - started

    def _epoch_stream(self) -> Iterator:
        """The batches of the epoch of the next step, from that step on."""
        epoch, done = divmod(self.step, self.steps_per_epoch)
        if done == 0:
            self.task.on_epoch_start()
        return self.task.batches(epoch + 1, done * self.config.accumulate)

    def _validate(self, bar: tqdm) -> None:
        """Append a row to the history: the logs since the last row, and the validation of the model as it is now."""
        steps = self.step - (self.history[-1]["step"] if self.history else 0)
        epoch = self.step / self.steps_per_epoch
        epoch = int(epoch) if epoch.is_integer() else epoch
        row = {"epoch": epoch, "step": self.step, **self.task.summarize(torch.cat(self.logs))}
        row |= {name: float(value) for name, value in self.task.validate(self._final_model()).items()}
        row["seconds"] = self.seconds
        row["images_per_second"] = self.task.images * steps / self.steps_per_epoch / self.seconds
        self.history.append(row)
        self.logs, self.seconds = [], 0.0
        if self.on_validation:
            self.on_validation(self._final_model(), self.task.runtime, self.step)
        text = ", ".join(f"{name} {value:.4f}" for name, value in row.items() if name not in NOT_SHOWN)
        if not bar.disable:
            bar.set_postfix_str(text)
            return
        position = f"step {self.step}/{self.total_steps}"  # headless: one line a validation
        if not self.config.steps and isinstance(epoch, int):
            position = f"epoch {epoch}/{self.config.epochs}"
        speed = f"{row['images_per_second']:.1f} {self.task.unit}/s"
        print(f"{self.run.folder.name} {position}: {text}, {speed}", flush=True)

    def _final_model(self) -> nn.Module:
        """The network that is validated and written: with its averaged weights, if there are any."""
        return self.averaged.module if self.averaged else self.model

    def _checkpoint(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            "averaged": self.averaged.state_dict() if self.averaged else None,
            "logs": torch.cat(self.logs) if self.logs else None,
            **{name: getattr(self, name) for name in ("step", "seconds", "history")},
        }
        self.run.save_checkpoint(state)

    def _resume(self) -> None:
        state = self.run.load_checkpoint()
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        for parts, states in ((self.optimizers, state["optimizers"]), (self.schedulers, state["schedulers"])):
            for part, saved in zip(parts, states, strict=True):
                part.load_state_dict(saved)
        if self.averaged:
            self.averaged.load_state_dict(state["averaged"])
        self.logs = [] if state["logs"] is None else [state["logs"].to(self.task.runtime.device)]
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]


def validation_steps(config: TrainConfig, steps_per_epoch: int) -> list[int]:
    """Ends of epochs, the config's own steps, and the last step; for a length in steps with own ones, those alone."""
    total = config.steps or config.epochs * steps_per_epoch
    ends = [] if config.steps and config.test_at else range(steps_per_epoch, total, steps_per_epoch)
    return sorted({*ends, *(step for step in config.test_at if 0 < step < total), total})


def make_optimizer(parameters: Iterable, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    """parameters: of a network, or PyTorch's parameter groups with learning rates of their own."""
    options = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": device.type == "cuda"}
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=config.momentum, **options)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer](parameters, **options)


def make_scheduler(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> LRScheduler | None:
    """A schedule over `steps` steps (Smith 2018; Loshchilov and Hutter 2017), or None for a constant rate."""
    if config.schedule == "onecycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=steps, cycle_momentum=False)
    return CosineAnnealingLR(optimizer, steps) if config.schedule == "cosine" else None
