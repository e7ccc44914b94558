"""Finished networks: built as their training's configuration says, with the weights that it left."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from lib.base import UserError, file_digest
from lib.device import resolve_device
from lib.models import alphagan, background, variants, video
from lib.models.dim import deep_image_matting
from lib.models.hybrid import HybridMatting
from lib.models.portrait import build

# File of lib.training that trained it -> the network from its config.json. A new system has its line here.
NETWORKS: dict[str, Callable[[dict], nn.Module]] = {
    "thumbnail": lambda config: variants.network(**{name: config[name] for name in variants.PARTS if name in config}),
    "portrait": lambda config: build(config["trimap"], config["width"], config.get("structure", "skips")),
    "background": lambda config: background.small(),
    "video": lambda config: video.small(config["memories"]),
    "alphagan": lambda config: alphagan.small(),
    "hybrid": lambda config: HybridMatting(config["width"]),
    "dim": lambda config: deep_image_matting(config["width"], config["batch_norm"], config["conv6_kernel"]),
}


def load(run_dir: Path | str, device: str = "auto") -> nn.Module:
    """The finished network of a training's folder, on the device, in evaluation mode.

    UserError where there is none, or one that can't be read.
    """
    file = Path(run_dir) / "model.safetensors"
    if not file.is_file():
        raise UserError(
            f"{run_dir}: expected model.safetensors of a finished training, found none; train it first (make paper)."
        )
    _check_sum(file)
    try:
        config = json.loads((Path(run_dir) / "config.json").read_text())
        model = NETWORKS[config["system"]](config)
        model.load_state_dict(load_file(file))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        cause = " ".join(str(error).split())[:200]
        raise UserError(
            f"{run_dir}: expected config.json and model.safetensors of one finished training, found "
            f"something else ({type(error).__name__}: {cause}); train it again."
        ) from error
    broken = [name for name, value in model.state_dict().items() if not value.isfinite().all()]
    if broken:
        raise UserError(f"{run_dir}: expected finite weights, found others in {broken[0]}; train it again.")
    return model.to(resolve_device(device), memory_format=torch.channels_last).eval()


def _check_sum(file: Path) -> None:
    """UserError for weights that are not those whose SHA-256 stands beside them: in manifest.json of what ships, in
    model.sha256 of a training."""
    try:
        wanted = json.loads((file.parent / "manifest.json").read_text()).get("sha256")
    except (OSError, ValueError, AttributeError):
        beside = file.with_suffix(".sha256")
        # Bytes that are no text cannot be a sum either, and are shown as they are.
        wanted = " ".join(beside.read_bytes().decode(errors="backslashreplace").split()) if beside.is_file() else ""
    if wanted and (found := file_digest(file)) != wanted:
        raise UserError(
            f"{file}: expected the SHA-256 {wanted}, found {found}: it was altered or damaged; get it from the repository "
            "again, or train it again."
        )
