"""A training's folder: what was asked for, how far it got, its result. Killed at any time, it can go on."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.optim.lr_scheduler import LRScheduler

from lib.base import UserError, write_atomically

COLUMNS = ("epoch", "train_all", "train_unknown", "test_all", "test_unknown", "seconds", "images_per_second")


@dataclass
class RunFolder:
    """config.json, history.csv, model.safetensors when finished; until then epoch-NNN/ of the last epoch.

    Only the process of rank 0 writes. Everything is written under a temporary name and renamed. columns: of the
    history, of which `epoch` is a whole number.
    """

    folder: Path
    config: dict
    rank: int = 0
    columns: tuple[str, ...] = COLUMNS

    def finished(self) -> bool:
        """True when the folder holds the finished training of this very config."""
        return _read_json(self.folder / "config.json") == self.config and self._result().is_file()

    def open(self) -> None:
        """Make the folder ready to train; what another config left there is removed, and that is said."""
        if self.rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            before = _read_json(self.folder / "config.json")
            if before != self.config:
                self._start_over(before)
        wait()

    def _start_over(self, before: dict | None) -> None:
        if before is not None:
            names = [name for name in self.config if before.get(name) != self.config[name]]
            print(f"{self.folder.name}: {', '.join(names)} changed since the last training; starting over",
                  flush=True)
        for name in ("model.safetensors", "history.csv", "config.json"):
            (self.folder / name).unlink(missing_ok=True)
        for leftover in self.folder.glob("epoch-*"):
            shutil.rmtree(leftover)
        write_atomically(self.folder / "config.json", (json.dumps(self.config, indent=1) + "\n").encode())

    def _result(self) -> Path:
        return self.folder / "model.safetensors"

    def read_history(self) -> pd.DataFrame:
        """One row an epoch, the floats exactly as they were written."""
        table = pd.read_csv(self.folder / "history.csv", dtype=str)  # float() then reads them exactly
        return table.astype({name: int if name == "epoch" else float for name in self.columns})

    def checkpoint(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
                   scheduler: LRScheduler | None, history: list[dict]) -> None:
        """Write epoch-NNN/ under a temporary name, rename it, then drop the checkpoint before."""
        final = self.folder / f"epoch-{len(history):03d}"
        part = final.with_name(final.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()},
                  part / "model.safetensors")
        torch.save({"optimizer": optimizer.state_dict(),
                    "scheduler": scheduler.state_dict() if scheduler else None}, part / "optimizer.pt")
        (part / "state.json").write_text(json.dumps({"epoch": len(history), "history": history}, indent=1))
        os.replace(part, final)
        for old in self._checkpoints():
            if old != final:
                shutil.rmtree(old)
        self._write_history(history)

    def _write_history(self, history: list[dict]) -> None:
        table = pd.DataFrame(history, columns=list(self.columns)).to_csv(index=False)
        write_atomically(self.folder / "history.csv", table.encode())

    def _checkpoints(self) -> list[Path]:
        whole = [path for path in self.folder.glob("epoch-*") if path.suffix != ".part"]
        return sorted(whole, key=lambda path: int(path.name.removeprefix("epoch-")))

    def resume(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
               scheduler: LRScheduler | None) -> list[dict]:
        """Load the last checkpoint, if there is one, in place; returns its history, one dict an epoch."""
        if not self._checkpoints():
            return []
        last = self._checkpoints()[-1]
        try:
            model.load_state_dict(load_file(last / "model.safetensors"))
            states = torch.load(last / "optimizer.pt", map_location="cpu", weights_only=True)
            state = json.loads((last / "state.json").read_text())
        except (SafetensorError, OSError, RuntimeError, ValueError, EOFError) as error:
            raise UserError(f"{last}: this checkpoint cannot be read ({error}); "
                            "remove it to start over.") from error
        optimizer.load_state_dict(states["optimizer"])
        if scheduler:
            scheduler.load_state_dict(states["scheduler"])
        if self.rank == 0:
            print(f"{self.folder.name}: going on after epoch {state['epoch']}", flush=True)
        return state["history"]

    def finish(self, model: torch.nn.Module, history: list[dict]) -> None:
        """Write the result, then drop the last checkpoint: the optimiser's state has served its purpose."""
        if self.rank == 0:
            self._write_history(history)
            part = self._result().with_suffix(".part")
            save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, part)
            os.replace(part, self._result())
            for old in self._checkpoints():
                shutil.rmtree(old)
        wait()


def _read_json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def wait() -> None:
    """Until every process of torchrun is here; nothing in a single process."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
