"""A training's folder: config.json, history.csv, a checkpoint while it trains, model.safetensors when it is finished."""

import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from lib.base import UserError, checksum_matches, file_sha256, write_atomically, write_checksum


@dataclass
class RunFolder:
    """config: of JSON's types. Files are written under a temporary name and renamed; model.sha256 marks a finished one."""

    folder: Path
    config: dict

    def __post_init__(self):
        self.result = self.folder / "model.safetensors"

    def finished(self) -> bool:
        """Whether the folder holds the finished training of this config."""
        return _read_json(self.folder / "config.json") == self.config and checksum_matches(self.result)

    def open(self) -> None:
        """Make the folder ready to train. The results of another config are removed, with a message."""
        before = _read_json(self.folder / "config.json")
        if before == self.config:
            if self.result.exists():
                print(f"{self.folder.name}: model.safetensors is not as it was written; training it again", flush=True)
            return
        if before is not None:
            changed = ", ".join(name for name in self.config if before.get(name) != self.config[name])
            print(f"{self.folder.name}: {changed} changed since the last training; starting over", flush=True)
        for file in (self.result, self.result.with_suffix(".sha256"), self.folder / "history.csv"):
            file.unlink(missing_ok=True)
        self._drop_checkpoints()
        write_atomically(self.folder / "config.json", (json.dumps(self.config, indent=1) + "\n").encode())

    def save_checkpoint(self, state: dict) -> None:
        """state: tensors and JSON's types, which torch.load reads back without running code.

        The name holds step and SHA-256, so one rename makes the file and its checksum valid together.
        """
        part = self.folder / "checkpoint.part"
        content = io.BytesIO()  # torch.save to a file says "unexpected pos" where the disk is full
        torch.save(state, content)
        part.write_bytes(content.getvalue())
        final = self.folder / f"checkpoint-{state['step']:06d}-{file_sha256(part)[:16]}.pt"
        os.replace(part, final)
        self._drop_checkpoints(final)
        self._write_history(state["history"])

    def load_checkpoint(self) -> dict | None:
        """The last whole checkpoint, or None; a damaged one is left out, with a message."""
        for file in reversed(self._checkpoints()):  # two after a kill between writing one and dropping the other
            if file_sha256(file)[:16] == file.stem.rsplit("-", 1)[1]:
                state = torch.load(file, map_location="cpu", weights_only=True)
                print(f"{self.folder.name}: going on after step {state['step']}", flush=True)
                return state
            print(f"{file}: is not as it was written; this checkpoint is left out", flush=True)
        return None

    def finish(self, model: torch.nn.Module, history: list[dict]) -> None:
        """Write the result, then drop the checkpoint."""
        self._write_history(history)
        part = self.result.with_suffix(".part")
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, part)
        shutil.copymode(self.folder / "config.json", part)  # safetensors writes files that only their owner can read
        os.replace(part, self.result)
        write_checksum(self.result)
        self._drop_checkpoints()

    def read_history(self) -> pd.DataFrame:
        """One row a validation; floats exactly as they were written."""
        table = pd.read_csv(self.folder / "history.csv", dtype=str)  # float() then reads them exactly
        whole = [name for name in ("epoch", "step") if not table[name].str.contains(".", regex=False).any()]
        return table.astype({name: int if name in whole else float for name in table})

    def _checkpoints(self) -> list[Path]:
        files = self.folder.glob(f"checkpoint-[0-9]*-{'[0-9a-f]' * 16}.pt")
        return sorted(files, key=lambda file: int(file.stem.split("-")[1]))

    def _drop_checkpoints(self, but: Path | None = None) -> None:
        (self.folder / "checkpoint.part").unlink(missing_ok=True)
        for file in self._checkpoints():
            if file != but:
                file.unlink()

    def _write_history(self, history: list[dict]) -> None:
        write_atomically(self.folder / "history.csv", pd.DataFrame(history).to_csv(index=False).encode())


def weights_of(folder: str, name: str = "start") -> Path:
    """The weights of a finished training. UserError where there are none; name: the parameter that names the folder."""
    file = Path(folder) / "model.safetensors"
    if not (folder and file.is_file()):
        raise UserError(
            f"{name}: expected the folder of a finished training, found no model.safetensors in {folder!r}; correct it or "
            "leave it out."
        )
    return file


def _read_json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
