"""Finished networks: load one as its training's configuration says, and export one to ship."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from lib.base import UserError, checksum_matches, file_sha256, write_atomically
from lib.compute import resolve_device
from lib.models import alphagan, bgmv2, portrait, rvm
from lib.models.vgg import STUDY, build_study_network, deep_image_matting
from lib.provenance import code_fingerprint, commit

MANIFEST = "manifest.json"
# "system" of a training's config.json -> the network from it. A new network has its line here.
NETWORKS: dict[str, Callable[[dict], nn.Module]] = {
    "thumbnail": lambda config: build_study_network(SimpleNamespace(**STUDY | config)),
    "portrait": lambda config: portrait.build(config["trimap"], config["width"], config.get("structure", "skips")),
    "background": lambda config: bgmv2.small(),
    "video": lambda config: rvm.small(config["memories"]),
    "alphagan": lambda config: alphagan.small(),
    "hybrid": lambda config: portrait.HybridMatting(config["width"]),
    "dim": lambda config: deep_image_matting(config["width"], config["batch_norm"], config["conv6_kernel"]),
}


def load_network(folder: Path | str, device: str = "auto") -> nn.Module:
    """The network of a finished training's folder, or of one that ships, on the device, in evaluation mode.

    UserError where there is none, or one that can't be read.
    """
    folder = Path(folder)
    file = folder / "model.safetensors"
    if not file.is_file():
        raise UserError(
            f"{folder}: expected model.safetensors of a finished training, found none; train it first (make paper)."
        )
    _check_sum(file)
    try:
        config = json.loads((folder / "config.json").read_text())
        model = NETWORKS[config["system"]](config)
        model.load_state_dict(load_file(file))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        cause = " ".join(str(error).split())[:200]
        raise UserError(
            f"{folder}: expected config.json and model.safetensors of one finished training, found "
            f"something else ({type(error).__name__}: {cause}); train it again."
        ) from error
    broken = [name for name, value in model.state_dict().items() if not value.isfinite().all()]
    if broken:
        raise UserError(f"{folder}: expected finite weights, found others in {broken[0]}; train it again.")
    return model.to(resolve_device(device), memory_format=torch.channels_last).eval()


def _check_sum(file: Path) -> None:
    """UserError for weights of another SHA-256 than manifest.json says of what ships, or model.sha256 of a training."""
    try:
        expected = json.loads((file.parent / MANIFEST).read_text()).get("sha256")
    except (OSError, ValueError, AttributeError):
        checksum = file.with_suffix(".sha256")
        # Bytes that are no text cannot be a sum either, and are shown as they are.
        expected = (
            " ".join(checksum.read_bytes().decode(errors="backslashreplace").split()) if checksum.is_file() else ""
        )
    if expected and (actual := file_sha256(file)) != expected:
        raise UserError(
            f"{file}: expected the SHA-256 {expected}, found {actual}: it was altered or damaged; get it from the repository "
            "again, or train it again."
        )


def export(run_dir: Path | str, folder: Path | str) -> dict:
    """Write config.json, model.safetensors, manifest.json and history.csv of a finished training to `folder`, to ship.

    Returns the manifest; `write_scores` adds scores to it. Weights of convolutions are kept as fp16, all others as they
    are: norms have variances that fp16 would round to zero. UserError where the training isn't finished.
    """
    run_dir, folder = Path(run_dir), Path(folder)
    if not checksum_matches(run_dir / "model.safetensors"):
        raise UserError(f"{run_dir}: expected a finished training, found none; train it first.")
    state = load_file(run_dir / "model.safetensors")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").unlink(missing_ok=True)  # points into the weights that are replaced; see lib.models.onnx
    part = folder / "model.part"
    save_file({name: value.half() if value.ndim == 4 else value for name, value in state.items()}, part)
    shutil.copymode(run_dir / "config.json", part)  # safetensors lets nobody but the owner read what it writes
    part.replace(folder / "model.safetensors")
    config = json.loads((run_dir / "config.json").read_text())
    for name in {"textures", "start", "encoder"} & set(config):  # folders of the machine that trained
        config[name] = Path(config[name]).name
    manifest = {
        "sha256": file_sha256(folder / "model.safetensors"),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "exported_at": commit()["commit"],
        "network_code": network_code(config),
    }
    _write(folder / "config.json", config)
    _write(folder / MANIFEST, manifest)
    if (run_dir / "history.csv").is_file():
        write_atomically(folder / "history.csv", (run_dir / "history.csv").read_bytes())
    return manifest


def write_scores(folder: Path | str, scores: dict) -> None:
    """Put scores of the weights into the manifest, with the fingerprint of the network's code that they were measured by."""
    manifest, config = (json.loads((Path(folder) / name).read_text()) for name in (MANIFEST, "config.json"))
    _write(Path(folder) / MANIFEST, manifest | {"network_code": network_code(config), "scores": scores})


def network_code(config: dict) -> str:
    """Fingerprint of the code that turns weights of such a training into a network."""
    return code_fingerprint(type(NETWORKS[config["system"]](config)).__module__)


def _write(file: Path, content: dict) -> None:
    write_atomically(file, (json.dumps(content, indent=1) + "\n").encode())
