"""A finished training as weights to ship: small, with their sum, and with what they were measured to be worth."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from lib.base import UserError, write_atomically
from lib.provenance import commit
from lib.training.folder import file_digest, is_whole

MANIFEST = "manifest.json"


def export(run_dir: Path | str, folder: Path | str, scores: dict) -> dict:
    """Write config.json, model.safetensors and manifest.json to `folder`; returns the manifest.

    run_dir: of a finished training. Weights of convolutions are kept as fp16, all others as they are: norms have
    variances that fp16 would round to zero. scores: what was measured with them, JSON's types. lib.models.store loads
    the folder like the training's own. UserError where the training isn't finished.
    """
    run_dir, folder = Path(run_dir), Path(folder)
    if not is_whole(run_dir / "model.safetensors"):
        raise UserError(f"{run_dir}: expected a finished training, found none; train it first.")
    state = {
        name: value.to(torch.float16) if value.ndim == 4 else value
        for name, value in load_file(run_dir / "model.safetensors").items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").unlink(missing_ok=True)  # points into the weights that are replaced; see lib.models.onnx
    part = folder / "model.part"
    save_file(state, part)
    part.replace(folder / "model.safetensors")
    config = json.loads((run_dir / "config.json").read_text())
    config["textures"] = Path(config.get("textures", "")).name  # a folder of the machine that trained
    manifest = {
        "sha256": file_digest(folder / "model.safetensors"),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "exported_at": commit()["commit"],
        "scores": scores,
    }
    for name, content in (("config.json", config), (MANIFEST, manifest)):
        write_atomically(folder / name, (json.dumps(content, indent=1) + "\n").encode())
    return manifest
