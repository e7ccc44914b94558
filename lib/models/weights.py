"""Trained weights of VGG-16 for the encoder: torchvision's, or those of a safetensors file."""

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
    state = _imagenet_state(_has_norm(model)) if weights == "imagenet" else _read_state(Path(weights))
    _fill(model, state, weights)
    if isinstance(model.head, nn.Identity):
        return
    with torch.no_grad():
        nn.init.zeros_(model.head.bias)
        nn.init.zeros_(model.head.weight)
        middle = model.head.kernel_size[0] // 2
        for channel in range(3):
            model.head.weight[channel, channel, middle, middle] = 1.0


def _has_norm(model: VGG16Matting) -> bool:
    return any(isinstance(layer, nn.BatchNorm2d) for layer in model.encoder.modules())


def _imagenet_state(batch_norm: bool) -> dict[str, torch.Tensor]:
    from torchvision.models import VGG16_BN_Weights, VGG16_Weights

    choice = (VGG16_BN_Weights if batch_norm else VGG16_Weights).IMAGENET1K_V1
    try:
        return choice.get_state_dict(progress=False, check_hash=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise UserError(f"encoder_weights: could not download {choice.url} ({error}); give the path of a "
                        "safetensors file instead, or '' for random weights.") from error


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise UserError(f"encoder_weights: expected '', 'imagenet' or a safetensors file, found no file at "
                        f"{path}; correct the path.")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"encoder_weights: {path} is not a readable safetensors file ({error}); "
                        "save the weights with safetensors.torch.save_file.") from error


def _torchvision_layers(model: VGG16Matting, batch_norm: bool) -> dict[str, nn.Module]:
    """The encoder's layers under the names they have in torchvision's vgg16 (or vgg16_bn) features.

    With batch_norm False the norms of the model, if any, are passed over.
    """
    layers, position = {}, 0
    for block in model.encoder:
        for layer in block:
            if isinstance(layer, nn.BatchNorm2d) and not batch_norm:
                continue
            layers[f"features.{position}"] = layer
            position += 1
        position += 1  # the pooling
    return layers


def _fill(model: VGG16Matting, state: dict[str, torch.Tensor], name: str) -> None:
    found = {key: value for key, value in state.items()
             if not key.startswith("classifier.") and not key.endswith("num_batches_tracked")}
    with_norm = any("running_mean" in key for key in found)
    if with_norm and not _has_norm(model):
        raise UserError(f"encoder_weights: {name} is of a VGG-16 with batch norm, the model has none; "
                        "use a plain vgg16 file or a model with batch norm.")
    layers = _torchvision_layers(model, with_norm)
    wanted = {f"{name_}.{key}": tensor for name_, layer in layers.items()
              for key, tensor in layer.state_dict().items() if key != "num_batches_tracked"}
    problems = [f"{key} missing" for key in wanted if key not in found]
    problems += [f"{key} unexpected" for key in found if key not in wanted]
    first = next(iter(wanted))  # of the first convolution; a fourth input channel is the trimap's, not VGG-16's
    trimap, wanted[first] = wanted[first][:, 3:], wanted[first][:, :3]
    problems += [f"{key} has shape {tuple(found[key].shape)}, not {tuple(tensor.shape)}"
                 for key, tensor in wanted.items() if key in found and found[key].shape != tensor.shape]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(f"encoder_weights: {name} holds another model than torchvision's VGG-16 features "
                        f"({'; '.join(problems[:3])}{more}); give a vgg16 or vgg16_bn file.")
    with torch.no_grad():
        for key, tensor in wanted.items():
            tensor.copy_(found[key])  # state_dict tensors share memory with the layer; copy_ casts fp16
        trimap.zero_()
