"""A finished training as weights to ship: small, with their sum, and with what they were measured to be worth."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from lib.base import UserError, file_digest, write_atomically
from lib.provenance import code_fingerprint, commit
from lib.seals import is_sealed

MANIFEST = "manifest.json"


def export(run_dir: Path | str, folder: Path | str) -> dict:
    """Write config.json, model.safetensors, manifest.json and history.csv, its curves, to `folder`; returns the manifest.

    run_dir: of a finished training. Weights of convolutions are kept as fp16, all others as they are: norms have
    variances that fp16 would round to zero. `keep_scores` adds what they are worth. lib.models.store loads
    the folder like the training's own. UserError where the training isn't finished.
    """
    run_dir, folder = Path(run_dir), Path(folder)
    if not is_sealed(run_dir / "model.safetensors"):
        raise UserError(f"{run_dir}: expected a finished training, found none; train it first.")
    state = {
        name: value.to(torch.float16) if value.ndim == 4 else value
        for name, value in load_file(run_dir / "model.safetensors").items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").unlink(missing_ok=True)  # points into the weights that are replaced; see lib.models.onnx
    part = folder / "model.part"
    save_file(state, part)
    shutil.copymode(run_dir / "config.json", part)  # safetensors lets nobody but the owner read what it writes
    part.replace(folder / "model.safetensors")
    config = json.loads((run_dir / "config.json").read_text())
    for name in {"textures", "start", "encoder"} & set(config):  # folders of the machine that trained
        config[name] = Path(config[name]).name
    manifest = {
        "sha256": file_digest(folder / "model.safetensors"),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "exported_at": commit()["commit"],
        "network_code": network_code(config),
    }
    _write(folder / "config.json", config)
    _write(folder / MANIFEST, manifest)
    if (run_dir / "history.csv").is_file():
        write_atomically(folder / "history.csv", (run_dir / "history.csv").read_bytes())
    return manifest


def keep_scores(folder: Path | str, scores: dict) -> None:
    """Write into the manifest what the weights were measured to be worth, by the network's code of today."""
    folder = Path(folder)
    manifest, config = (json.loads((folder / name).read_text()) for name in (MANIFEST, "config.json"))
    _write(folder / MANIFEST, manifest | {"network_code": network_code(config), "scores": scores})


def network_code(config: dict) -> str:
    """Fingerprint of the code that turns weights of such a training into a network: another one may read them otherwise."""
    return code_fingerprint(f"lib.models.{config['system']}")


def _write(file: Path, content: dict) -> None:
    write_atomically(file, (json.dumps(content, indent=1) + "\n").encode())
