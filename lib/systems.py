"""Networks that are given more than one picture: with a plate of the empty place, and a clip frame after frame."""

import numpy as np
import torch
from torch import nn

from lib.base import UserError
from lib.device import autocast, resolve_precision

CHUNK = 12  # frames that go through the convolutions at once


def matte_before_plate(
    model: nn.Module, image: np.ndarray, plate: np.ndarray, *, precision: str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Alpha (H,W) and foreground (H,W,3), float32 in [0,1], by Background Matting V2; image, plate (H,W,3) uint8 RGB.

    The model runs on the device it lies on, in evaluation mode. UserError for sizes that differ, and for a plate that is
    the picture itself.
    """
    if np.array_equal(image, plate):
        raise UserError(
            "plate: expected the place without anyone, found the picture itself; photograph the empty place."
        )
    found = _evaluated(model, precision, lambda: model(_tensor(image[None], model), _tensor(plate[None], model)))
    return found.alpha[0, 0].float().cpu().numpy(), found.foreground[0].float().cpu().numpy().transpose(1, 2, 0)


def matte_clip(
    model: nn.Module, frames: np.ndarray, *, remember: bool = True, ratio: float = 1.0, precision: str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Alpha (T,H,W) and foreground (T,H,W,3), float32 in [0,1], by Robust Video Matting; frames (T,H,W,3) uint8 RGB.

    remember: each frame with the memory of those before; without, every frame for itself. ratio: as in the network's
    forward. CHUNK frames at a time, the memory handed on, so that a clip may be long. UserError for frames of mixed
    sizes.
    """
    sizes = {np.shape(frame) for frame in frames}
    if len(sizes) != 1:
        raise UserError(
            f"frames: expected one size (H,W,3), found {sorted(sizes)}; cut the clip where its size changes."
        )
    frames, states, alphas, colours = np.asarray(frames), None, [], []
    for start in range(0, len(frames), CHUNK):
        some = _tensor(frames[start : start + CHUNK], model)
        some = some[None] if remember else some[:, None]  # one clip of T frames, or T clips of one
        found = _evaluated(model, precision, lambda some=some, states=states: model(some, states, ratio))
        states = found.states if remember else None
        alphas.append(found.alpha.flatten(0, 1)[:, 0].float().cpu().numpy())
        colours.append(found.foreground.flatten(0, 1).float().cpu().numpy().transpose(0, 2, 3, 1))
    return np.concatenate(alphas), np.concatenate(colours)


def _tensor(pictures: np.ndarray, model: nn.Module) -> torch.Tensor:
    """(N,H,W,3) uint8 -> (N,3,H,W) float32 in [0,1] on the model's device."""
    planes = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    return planes.to(next(model.parameters()).device).float() / 255


def _evaluated(model: nn.Module, precision: str, call):
    """What `call` gives with the model in evaluation mode, which gets its own mode back."""
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, resolve_precision(precision, device)):
            return call()
    finally:
        model.train(was_training)
