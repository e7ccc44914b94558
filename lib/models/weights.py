"""Trained weights of VGG-16 for the encoder: torchvision's, or those of a safetensors file."""

import hashlib
import pickle
import urllib.error
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from lib.base import UserError
from lib.models.dim import VGG16Matting


def load_encoder(model: VGG16Matting, weights: str = "") -> None:
    """Fill the 13 encoder convolutions from `weights`, in place.

    weights: "" leaves the random ones; "imagenet" is torchvision's ImageNet file (downloaded once: vgg16_bn
    for a model with batch norm, else vgg16); anything else is the path of a safetensors file with
    torchvision's names (`features.0.weight` ...), of vgg16 or vgg16_bn, fp16 or fp32; its classifier is not
    needed. A vgg16 file in a model with batch norm fills the convolutions and leaves the norms new: batch
    norm sets each channel's scale itself, only the filters are taken over.
    With weights the head starts as the identity on RGB and zero on the trimap (without a head: the fourth
    channel's weights are zero), so that the encoder sees what it was trained on. UserError when the file is
    missing, unreadable, or of another model.
    """
    if not weights:
        return
    layers = [layer for block in model.encoder for layer in block]
    normed = any(isinstance(layer, nn.BatchNorm2d) for layer in layers)
    state = _imagenet_state(normed) if weights == "imagenet" else _read_state(Path(weights))
    with_norm = any("running_mean" in key for key in state)
    if with_norm and not normed:
        raise UserError(
            f"encoder_weights: {weights} is of a VGG-16 with batch norm, the model has none; "
            "use a plain vgg16 file or a model with batch norm."
        )
    kinds = (nn.Conv2d, nn.BatchNorm2d) if with_norm else nn.Conv2d
    filled = [layer for layer in _features(state, with_norm, weights) if isinstance(layer, kinds)]
    with torch.no_grad():
        for mine, theirs in zip((layer for layer in layers if isinstance(layer, kinds)), filled, strict=True):
            _copy(mine, theirs, weights)
        if isinstance(model.head, nn.Conv2d):
            nn.init.zeros_(model.head.bias)
            nn.init.dirac_(model.head.weight)  # RGB as it is, nothing of the trimap


def _features(state: dict[str, torch.Tensor], with_norm: bool, name: str) -> nn.Sequential:
    """torchvision's layers with the file's weights; UserError that says what doesn't fit."""
    from torchvision.models.vgg import cfgs, make_layers  # here, since it takes longer to import than PyTorch

    network = nn.ModuleDict({"features": make_layers(cfgs["D"], with_norm)})
    wanted = network.state_dict()
    counted = "num_batches_tracked"  # older files lack it
    found = {
        key: value for key, value in state.items() if not key.startswith("classifier.") and not key.endswith(counted)
    }
    problems = [f"{key} missing" for key in wanted if key not in found and not key.endswith(counted)]
    problems += [f"{key} unexpected" for key in found if key not in wanted]
    problems += [
        f"{key} has shape {tuple(found[key].shape)}, not {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in found and found[key].shape != tensor.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(
            f"encoder_weights: {name} holds another model than torchvision's VGG-16 features "
            f"({'; '.join(problems[:3])}{more}); give a vgg16 or vgg16_bn file."
        )
    network.load_state_dict({key: found.get(key, tensor) for key, tensor in wanted.items()})
    return network["features"]


def _copy(mine: nn.Module, theirs: nn.Module, name: str) -> None:
    """All weights of a layer; a fourth input channel is the trimap's, not VGG-16's, and gets zeros."""
    if mine.state_dict()["bias"].shape != theirs.state_dict()["bias"].shape:
        raise UserError(
            f"encoder_weights: {name} is of a VGG-16 with {len(theirs.bias)} channels where the network "
            f"has {len(mine.bias)}; set width to 64, or take random weights."
        )
    for key, value in theirs.state_dict().items():
        own = mine.state_dict()[key]  # shares its memory with the layer
        if own.ndim == 4:
            own[:, value.shape[1] :] = 0
            own = own[:, : value.shape[1]]
        own.copy_(value)


def _imagenet_state(batch_norm: bool) -> dict[str, torch.Tensor]:
    from torchvision.models import VGG16_BN_Weights, VGG16_Weights

    choice = (VGG16_BN_Weights if batch_norm else VGG16_Weights).IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / choice.url.rsplit("/", 1)[1]
    if file.exists():  # PyTorch's hub looks at the hash of what it downloads, not of what it finds
        _check_hash(file)
    try:
        return choice.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except pickle.UnpicklingError as error:  # its hash is right, but there is more in it than tensors
        raise UserError(
            f"encoder_weights: {file}: expected tensors and nothing else, found a file that would run code; give the path of "
            "a safetensors file instead, or '' for random weights."
        ) from error
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"encoder_weights: could not download {choice.url} ({error}); give the path of a "
            "safetensors file instead, or '' for random weights."
        ) from error


def _check_hash(file: Path) -> None:
    """UserError unless the file's SHA-256 begins as its name ends ("vgg16-397923af.pth"), as torchvision names them."""
    wanted = file.stem.rsplit("-", 1)[1]
    with open(file, "rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if not found.startswith(wanted):
        raise UserError(
            f"encoder_weights: {file}: expected a SHA-256 that begins with {wanted}, found {found[: len(wanted)]}: it was "
            "altered or damaged; delete it, and it is downloaded again."
        )


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise UserError(
            f"encoder_weights: expected '', 'imagenet' or a safetensors file, found no file at "
            f"{path}; correct the path."
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"encoder_weights: {path} is not a readable safetensors file ({error}); "
            "save the weights with safetensors.torch.save_file."
        ) from error
