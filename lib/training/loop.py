"""The one training loop. A system says what a batch is and what its loss; all the rest is here.

Length in epochs or in steps, tests at chosen steps, gradients of several batches in one step, clipping, averaged
weights, checkpoints: a training that is killed at any time goes on with the same numbers.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from lib.base import UserError
from lib.provenance import code_fingerprint
from lib.training import memory
from lib.training.folder import RunFolder
from lib.training.optimize import make_optimizer, make_scheduler
from lib.training.place import Place
from lib.training.recipe import Recipe

SAVE_EVERY = 300.0  # seconds from one checkpoint to the next, at most, where tests are far apart


class System:
    """What a training is made of, beside this loop: a network, its batches, its loss, its test.

    A subclass sets `model`, everything that is kept; `images`, the training images of an epoch; `records`, the names of
    what each batch tells of itself; and defines `epoch_steps`, `batches`, `loss` and `test`. What it trains of the
    model is `learning`. One whose steps are of another kind, such as an adversarial one, defines `step` as well.
    """

    unit = "images"
    distributed = False  # whether several processes may share it: its loss must call `network`, not the model
    model: torch.nn.Module
    images: int
    records: tuple[str, ...]

    def __init__(self, recipe: Recipe, place: Place):
        self.recipe, self.place = recipe, place
        self.optimizers: list[torch.optim.Optimizer] = []
        self.parts = 1  # into which a batch is cut where memory is short (lib.training.memory)

    def epoch_steps(self) -> int:
        """Steps of one pass over the training images."""
        raise NotImplementedError

    def batches(self, epoch: int, first: int) -> Iterator:
        """The batches of an epoch (counted from 1) on the device, from batch `first` (counted from 0) on."""
        raise NotImplementedError

    def loss(self, batch) -> tuple[torch.Tensor, torch.Tensor]:
        """(what is minimised, a scalar; what is told of the batch, a vector as long as `records`, detached)."""
        raise NotImplementedError

    def test(self, model: torch.nn.Module) -> dict[str, float]:
        """The columns of the history that the network as it stands is worth; model: it, or its averaged weights."""
        raise NotImplementedError

    def learning(self) -> torch.nn.Module:
        """The part of the model that learns."""
        return self.model

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        """One for all that learns; several for parts that step by turns."""
        return [make_optimizer(self.learning().parameters(), self.recipe, self.place.device)]

    def start_epoch(self) -> None:
        """Whatever is to happen before the first batch of an epoch."""

    def summary(self, records: torch.Tensor) -> dict[str, float]:
        """`records` (steps, k) of all batches since the last test, as columns of the history."""
        return dict(zip(self.records, records.mean(dim=0).tolist(), strict=True))

    def step(self, batches: list) -> torch.Tensor:
        """One step of the optimiser from one or several batches; what is told of them and of their parts (rows, k)."""
        [optimizer] = self.optimizers
        optimizer.zero_grad(set_to_none=True)
        told = []
        for batch in batches:
            for part in memory.pieces(batch, self.parts):
                loss, record = self.loss(part)
                share = memory.size(part) / memory.size(batch) if self.parts > 1 else 1
                (loss * share / len(batches)).backward()
                told.append(record)
        if self.recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.learning().parameters(), self.recipe.clip)
        optimizer.step()
        return torch.stack(told)

    def told(self, row: dict) -> str:
        """A row of the history in words, for a headless run."""
        return ", ".join(
            f"{name} {row[name]:.4f}" for name in row if name not in ("epoch", "step", "seconds", "images_per_second")
        )


def train(
    make_system: Callable[[], System], run_dir: Path | str, recipe: Recipe, place: Place, inputs: dict
) -> pd.DataFrame:
    """Train in `run_dir`, or find it done; the history, one row a test.

    make_system: called when there is something to do. inputs: what else decides the numbers (fingerprints of data and
    files), in JSON's types. The columns are epoch, step, what the batches told since the row before, what the test
    found, the seconds of the training steps alone and images_per_second.
    """
    module = make_system.__module__
    config = {
        "system": module.rsplit(".", 1)[-1],
        **asdict(recipe),
        **place.config(),
        **inputs,
        "code": code_fingerprint(module),
    }
    run = RunFolder(Path(run_dir), json.loads(json.dumps(config)), place.rank)  # tuples as they will be read: lists
    if not run.finished():
        system = make_system()
        if place.world > 1 and not system.distributed:
            raise UserError(
                f"torchrun: expected one process for a {type(system).__name__} training, found "
                f"{place.world}; start it without torchrun."
            )
        run.open()  # only now: a wrong weights file must not cost an earlier result
        Training(system, run).fit()
    return run.read_history()


class Training:
    """One training under way: the system, and how far it is. All that a checkpoint holds."""

    def __init__(self, system: System, run: RunFolder):
        self.system, self.run, self.recipe, self.place = system, run, system.recipe, system.place
        self.model = system.model.to(self.place.device, memory_format=torch.channels_last)
        self.epoch_steps = system.epoch_steps()
        self.total = self.recipe.steps or self.recipe.epochs * self.epoch_steps
        system.optimizers = system.make_optimizers()
        schedulers = [make_scheduler(optimizer, self.recipe, self.total) for optimizer in system.optimizers]
        self.schedulers = [scheduler for scheduler in schedulers if scheduler]
        average = get_ema_multi_avg_fn(self.recipe.ema)
        self.averaged = AveragedModel(self.model, multi_avg_fn=average, use_buffers=True) if self.recipe.ema else None
        self.step, self.history, self.records, self.seconds = 0, [], [], 0.0
        self._resume()
        self.batches: Iterator | None = None
        system.network = self._network()

    def fit(self) -> None:
        """Go on to the end, test where the recipe says so, and keep the result. UserError where memory runs out."""
        try:
            self._plan_memory()
            self._fit()
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"batch_size: expected batches that fit into the GPU's memory, found that {self.recipe.batch_size} images of a "
                f"{type(self.system).__name__} training do not ({str(error).split('. ')[0]}); lower it, or the size of the "
                "pictures, or end what else runs on this GPU."
            ) from error

    def _plan_memory(self) -> None:
        """On a GPU: say what the training will take, and cut its batches into parts where that is too much.

        Not where several processes share it, which would have to agree, nor where two networks step by turns.
        """
        turns = type(self.system).step is not System.step
        if self.place.device.type != "cuda" or self.place.world > 1 or turns or self.step >= self.total:
            return
        self._modes()
        batch = next(iter(self.system.batches(self.step // self.epoch_steps + 1, 0)))
        found = memory.plan(self.system, batch, torch.cuda.mem_get_info(self.place.device)[0])
        self.system.parts = found.parts
        if self.place.rank == 0:
            print(f"{self.run.folder.name}: {found.told()}", flush=True)

    def _fit(self) -> None:
        with tqdm(
            total=self.total,
            initial=self.step,
            unit="step",
            desc=self.run.folder.name,
            disable=True if self.place.rank else None,
        ) as bar:
            for stop in stops(self.recipe, self.epoch_steps):
                if stop <= self.step:
                    continue
                self._steps(stop, bar)
                row = self._row()
                if self.place.rank == 0:
                    self.history.append(row)
                    self._tell(bar, row)
                    if stop < self.total:
                        self._save()
        self.run.finish(self._tested(), self.history)

    def _steps(self, stop: int, bar: tqdm) -> None:
        """Train up to step `stop`; a checkpoint on the way where that takes long."""
        self._modes()
        saved = started = time.perf_counter()
        while self.step < stop:
            if self.batches is None or self.step % self.epoch_steps == 0:
                self.batches = self._begin()
            self.records.append(self.system.step(list(itertools.islice(self.batches, self.recipe.accumulate))))
            for scheduler in self.schedulers:
                scheduler.step()
            if self.averaged:
                self.averaged.update_parameters(self.model)
            self.step += 1
            bar.update()
            if self.place.rank == 0 and self.step < stop and time.perf_counter() - saved > SAVE_EVERY:
                self.seconds += time.perf_counter() - started
                self._save()
                saved = started = time.perf_counter()
        self.seconds += time.perf_counter() - started

    def _modes(self) -> None:
        """What learns in training mode, what stands still in evaluation mode; a test leaves them otherwise."""
        self.model.eval()
        self.system.learning().train()

    def _begin(self) -> Iterator:
        """The batches of the epoch that the next step belongs to, from that step on."""
        epoch, first = divmod(self.step, self.epoch_steps)
        if first == 0:
            self.system.start_epoch()
        return self.system.batches(epoch + 1, first * self.recipe.accumulate)

    def _epoch(self) -> int | float:
        """Epochs done: a whole number at the end of one."""
        return self.step // self.epoch_steps if self.step % self.epoch_steps == 0 else self.step / self.epoch_steps

    def _row(self) -> dict:
        """A row of the history: what was told since the row before, what a test finds now; then begin anew."""
        told = self.system.summary(torch.cat(self.records))
        done = self.step - (self.history[-1]["step"] if self.history else 0)
        speed = self.system.images * done / self.epoch_steps / self.seconds
        tested = self.system.test(self._tested()) if self.place.rank == 0 else {}
        row = {
            "epoch": self._epoch(),
            "step": self.step,
            **told,
            **tested,
            "seconds": self.seconds,
            "images_per_second": speed,
        }
        self.records, self.seconds = [], 0.0
        return row

    def _tested(self) -> torch.nn.Module:
        """The network that is tested and kept: with its averaged weights, where there are such."""
        return self.averaged.module if self.averaged else self.model

    def _network(self) -> torch.nn.Module:
        """What a loss calls: the model, wrapped where several processes share the work."""
        if self.place.world == 1:
            return self.model
        device = self.place.device
        return DistributedDataParallel(self.model, device_ids=[device.index] if device.type == "cuda" else None)

    def _save(self) -> None:
        states = {
            "optimizers": [each.state_dict() for each in self.system.optimizers],
            "schedulers": [each.state_dict() for each in self.schedulers],
            "averaged": self.averaged.state_dict() if self.averaged else None,
            "records": torch.cat(self.records) if self.records else None,
        }
        progress = {"epoch": self._epoch(), "step": self.step, "seconds": self.seconds, "history": self.history}
        self.run.checkpoint(self.model, states, progress)

    def _resume(self) -> None:
        found = self.run.resume(self.model)
        if not found:
            return
        states, progress = found
        for name, parts in (("optimizers", self.system.optimizers), ("schedulers", self.schedulers)):
            for part, state in zip(parts, states[name], strict=True):
                part.load_state_dict(state)
        if self.averaged:
            self.averaged.load_state_dict(states["averaged"])
        self.records = [] if states["records"] is None else [states["records"].to(self.place.device)]
        self.step, self.seconds, self.history = progress["step"], progress["seconds"], progress["history"]

    def _tell(self, bar: tqdm, row: dict) -> None:
        """One line a test where nobody watches; in a live terminal the bar carries the numbers."""
        said = self.system.told(row)
        if not bar.disable:
            bar.set_postfix_str(said)
            return
        where = (
            f"step {self.step}/{self.total}"
            if self.recipe.steps or not isinstance(row["epoch"], int)
            else f"epoch {row['epoch']}/{self.recipe.epochs}"
        )
        speed = f"{row['images_per_second']:.1f} {self.system.unit}/s"
        print(f"{self.run.folder.name} {where}: {said}, {speed}", flush=True)


def stops(recipe: Recipe, epoch_steps: int) -> list[int]:
    """The steps after which a network is tested: the ends of epochs, the recipe's own, and the last.

    With a length in steps and steps of its own to test at, the ends of epochs don't count.
    """
    total = recipe.steps or recipe.epochs * epoch_steps
    ends = [] if recipe.steps and recipe.test_at else range(epoch_steps, total, epoch_steps)
    return sorted({*ends, *(step for step in recipe.test_at if 0 < step < total), total})
