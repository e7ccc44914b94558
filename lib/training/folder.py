"""A training's folder: what was asked for, how far it got, its result. Killed at any time, it can go on."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lib.base import UserError, file_digest, write_atomically
from lib.seals import is_sealed, seal
from lib.training.place import wait

WHOLE = ("epoch", "step")  # columns of the history that count
CHECKPOINT = ("model.safetensors", "optimizer.pt", "state.json")
SUMS = "SHA256SUMS"
NAME = re.compile(r"(epoch|step)-\d+(\.part)?")  # of a checkpoint's folder


@dataclass
class RunFolder:
    """config.json, history.csv, model.safetensors when finished; until then the last checkpoint: epoch-NNN/, or
    step-NNNNNN/ in the midst of an epoch.

    Only the process of rank 0 writes. Everything is written under a temporary name and renamed. The configuration is
    of JSON's types; the result counts only with the SHA-256 that was written beside it, a checkpoint with the sums of
    all of its files, which `sha256sum -c` reads as well.
    """

    folder: Path
    config: dict
    rank: int = 0

    def finished(self) -> bool:
        """True when the folder holds the whole finished training of this very config."""
        return _read_json(self.folder / "config.json") == self.config and is_sealed(self._result())

    def open(self) -> None:
        """Make the folder ready to train; what another config left there is removed, and that is said."""
        if self.rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            before = _read_json(self.folder / "config.json")
            if before != self.config:
                self._start_over(before)
            elif self._result().exists():
                print(f"{self.folder.name}: model.safetensors is not as it was written; training it again", flush=True)
            self._drop_damaged()
        wait()

    def _drop_damaged(self) -> None:
        """Remove checkpoints that are not as they were written, and say so."""
        for path in self._whole():
            if damaged := _damaged(path):
                print(f"{path}: {damaged} is not as it was written; this checkpoint is left out", flush=True)
                shutil.rmtree(path)

    def _start_over(self, before: dict | None) -> None:
        if before is not None:
            names = [name for name in self.config if before.get(name) != self.config[name]]
            print(f"{self.folder.name}: {', '.join(names)} changed since the last training; starting over", flush=True)
        for name in ("model.safetensors", "model.sha256", "history.csv", "config.json"):
            (self.folder / name).unlink(missing_ok=True)
        for leftover in self._folders():
            shutil.rmtree(leftover)
        write_atomically(self.folder / "config.json", (json.dumps(self.config, indent=1) + "\n").encode())

    def _result(self) -> Path:
        return self.folder / "model.safetensors"

    def read_history(self) -> pd.DataFrame:
        """One row a test, the floats exactly as they were written."""
        table = pd.read_csv(self.folder / "history.csv", dtype=str)  # float() then reads them exactly
        whole = [name for name in WHOLE if not table[name].str.contains(".", regex=False).any()]
        return table.astype({name: int if name in whole else float for name in table})

    def checkpoint(self, model: torch.nn.Module, states: dict, progress: dict) -> None:
        """Write a checkpoint under a temporary name, rename it, then drop the one before.

        states: whatever torch.save writes and reads back without pickled classes; progress: JSON, with step, epoch (a
        float in the midst of one) and history.
        """
        epoch = progress["epoch"]
        final = self.folder / (f"epoch-{epoch:03d}" if isinstance(epoch, int) else f"step-{progress['step']:06d}")
        part = final.with_name(final.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        save_weights(model, part / "model.safetensors")
        torch.save(states, part / "optimizer.pt")
        (part / "state.json").write_text(json.dumps(progress, indent=1))
        (part / SUMS).write_text("".join(f"{file_digest(part / name)}  {name}\n" for name in CHECKPOINT))
        shutil.rmtree(final, ignore_errors=True)
        os.replace(part, final)
        for old in self._folders():
            if old != final:
                shutil.rmtree(old)
        self._write_history(progress["history"])

    def _write_history(self, history: list[dict]) -> None:
        write_atomically(self.folder / "history.csv", pd.DataFrame(history).to_csv(index=False).encode())

    def _folders(self) -> list[Path]:
        """All checkpoints, half-written ones as well. What else lies there is somebody's, and stays."""
        return sorted(path for path in self.folder.iterdir() if NAME.fullmatch(path.name) and path.is_dir())

    def _whole(self) -> list[Path]:
        return [path for path in self._folders() if path.suffix != ".part"]

    def resume(self, model: torch.nn.Module) -> tuple[dict, dict] | None:
        """Load the last checkpoint's weights in place; its states and progress, or None where there is none."""
        whole = self._whole()
        if not whole:
            return None
        # Two stand there only when the program was killed between writing the one and dropping the other.
        last = max(whole, key=lambda path: (_read_json(path / "state.json") or {}).get("step", 0))
        try:
            model.load_state_dict(load_file(last / "model.safetensors"))
            states = torch.load(last / "optimizer.pt", map_location="cpu", weights_only=True)
            progress = json.loads((last / "state.json").read_text())
        except (SafetensorError, OSError, RuntimeError, ValueError, EOFError) as error:
            raise UserError(f"{last}: this checkpoint cannot be read ({error}); remove it to start over.") from error
        if self.rank == 0:
            where = f"epoch {progress['epoch']}" if last.name.startswith("epoch") else f"step {progress['step']}"
            print(f"{self.folder.name}: going on after {where}", flush=True)
        return states, progress

    def finish(self, model: torch.nn.Module, history: list[dict]) -> None:
        """Write the result, then drop the last checkpoint: the optimiser's state has served its purpose."""
        if self.rank == 0:
            self._write_history(history)
            part = self._result().with_suffix(".part")
            save_weights(model, part)
            shutil.copymode(
                self.folder / "config.json", part
            )  # safetensors lets nobody but the owner read what it writes
            os.replace(part, self._result())
            seal(self._result())
            for old in self._folders():
                shutil.rmtree(old)
        wait()


def save_weights(model: torch.nn.Module, path: Path) -> None:
    """All weights and buffers of a network as safetensors."""
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)


def _damaged(checkpoint: Path) -> str:
    """The first file of a checkpoint that does not have its sum, or ""."""
    try:
        lines = (checkpoint / SUMS).read_text().splitlines()
    except (OSError, ValueError):
        return SUMS
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    wrong = [name for name in CHECKPOINT if sums.get(name) != file_digest(checkpoint / name)]
    return wrong[0] if wrong else ""


def index_digest(index: Sequence[int]) -> str:
    """SHA-256 in hex of the positions of images."""
    return hashlib.sha256(np.ascontiguousarray(index, dtype=np.int64).tobytes()).hexdigest()


def _read_json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
