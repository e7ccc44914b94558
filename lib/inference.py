"""Trained networks on batches of small images, on one picture of any size, with a plate, and on a clip."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import nn

from lib.base import UserError
from lib.compute import Compute, autocast, resolve_device, resolve_precision
from lib.data.cache import ImageSet, chunks
from lib.data.trimap import trimap_to_float
from lib.tiles import MULTIPLE, pad_to_multiple, predict_tiled

BATCH = 256  # images at once; another number changes the last digits
FRAMES = 12  # of a clip at once; the recurrent state is handed on


class Prediction(NamedTuple):
    """alpha (H,W) and foreground (H,W,3) or None, float32 in [0,1]; of a clip (T,...)."""

    alpha: np.ndarray
    foreground: np.ndarray | None = None


@contextmanager
def evaluating(model: nn.Module, precision: str = "auto") -> Iterator[torch.device]:
    """Evaluation mode, no gradients and a precision inside the block; the model's device. The old mode comes back."""
    device, training = next((weight.device for weight in model.parameters()), torch.device("cpu")), model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, resolve_precision(precision, device)):
            yield device
    finally:
        model.train(training)


def predict_batches(
    model: nn.Module,
    images: ImageSet,
    index: Sequence[int],
    machine: Compute = Compute(),
    *,
    mirror: bool = False,
    keep_known: bool = False,
) -> np.ndarray:
    """Alpha (n,1,H,W) float32 in [0,1] of the images of `index`, on their test trimaps; moves the model to the device.

    mirror: the mean with the prediction of the mirrored image. keep_known: 0 and 1 where the trimap says so.
    """
    model, alphas = model.to(resolve_device(machine.device), memory_format=torch.channels_last), []
    with evaluating(model, machine.precision) as device:
        for part in chunks(index, BATCH):
            image = torch.from_numpy(np.asarray(images.image[part])).to(device).float() / 255
            trimap = trimap_to_float(torch.from_numpy(np.asarray(images.trimap[part])).to(device))
            alpha = model(image, trimap)
            if mirror:
                alpha = (alpha + model(image.flip(-1), trimap.flip(-1)).flip(-1)) / 2
            alphas.append((torch.where(trimap == 0.5, alpha, trimap) if keep_known else alpha).cpu().numpy())
    return np.concatenate(alphas)


def predict_trimap(
    model: nn.Module, image: np.ndarray, trimap: np.ndarray, *, precision: str = "auto", **tiling: int
) -> np.ndarray:
    """Alpha (H,W) float32 in [0,1] of image (H,W,3) RGB, uint8 or float in [0,1], and trimap (H,W) uint8 0/128/255.

    Known pixels are 0 and 1. tiling: `tile` and `overlap` of lib.tiles.predict_tiled, which does large pictures in parts.
    """
    image = image / np.float32(255) if image.dtype == np.uint8 else image
    with evaluating(model, precision) as device:

        def network(part: np.ndarray, known: np.ndarray) -> np.ndarray:
            pixels = np.ascontiguousarray(pad_to_multiple(part).transpose(2, 0, 1), np.float32)
            levels = trimap_to_float(torch.from_numpy(pad_to_multiple(known))[None, None].to(device))
            pixels = torch.from_numpy(pixels)[None].to(device).contiguous(memory_format=torch.channels_last)
            return model(pixels, levels)[0, 0, : known.shape[0], : known.shape[1]].float().cpu().numpy()

        return predict_tiled(network, image, trimap, **tiling)


def predict_portrait(model: nn.Module, image: np.ndarray, height: int, *, precision: str = "auto") -> np.ndarray:
    """Alpha (H,W) float32 in [0,1] of image (H,W,3) uint8 RGB, by a network without a trimap.

    The network sees as many pixels as a picture of 3:4 and `height` px has, sides rounded to multiples of 32.
    """
    rows, columns = image.shape[:2]
    scale = math.sqrt(height * height * 0.75 / (rows * columns))
    size = [max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (columns, rows)]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    with evaluating(model, precision):
        pixels = _to_tensor(small[None], model).contiguous(memory_format=torch.channels_last)
        alpha = model(pixels)[0, 0].float().cpu().numpy()
    return np.clip(cv2.resize(alpha, (columns, rows), interpolation=cv2.INTER_LINEAR), 0, 1)


def predict_with_plate(
    model: nn.Module, image: np.ndarray, plate: np.ndarray, *, precision: str = "auto"
) -> Prediction:
    """Alpha and foreground of image (H,W,3) in front of plate (H,W,3), uint8 RGB, by Background Matting V2."""
    if np.array_equal(image, plate):
        raise UserError(
            "plate: expected the place without anyone, found the picture itself; photograph the empty place."
        )
    with evaluating(model, precision):
        output = model(_to_tensor(image[None], model), _to_tensor(plate[None], model))
    return Prediction(_to_numpy(output.alpha)[0, ..., 0], _to_numpy(output.foreground)[0])


def predict_clip(
    model: nn.Module, frames: Sequence[np.ndarray] | np.ndarray, *, recurrent: bool = True, precision: str = "auto"
) -> Prediction:
    """Alpha (T,H,W) and foreground (T,H,W,3) of frames (T,H,W,3) uint8 RGB, by Robust Video Matting.

    recurrent: each frame with the memory of those before; without, every frame by itself.
    """
    sizes = {np.shape(frame) for frame in frames}
    if len(sizes) != 1:
        raise UserError(
            f"frames: expected one size (H,W,3), found {sorted(sizes)}; cut the clip where its size changes."
        )
    frames, states, outputs = np.asarray(frames), None, []
    with evaluating(model, precision):
        for start in range(0, len(frames), FRAMES):
            part = _to_tensor(frames[start : start + FRAMES], model)
            output = model(part[None] if recurrent else part[:, None], states)  # one clip of T frames, or T of one
            states = output.states if recurrent else None
            outputs.append([_to_numpy(layer.flatten(0, 1)) for layer in (output.alpha, output.foreground)])
    alpha, foreground = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    return Prediction(alpha[..., 0], foreground)


def _to_tensor(pictures: np.ndarray, model: nn.Module) -> torch.Tensor:
    """(N,H,W,3) uint8 -> (N,3,H,W) float32 in [0,1] on the model's device."""
    planes = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    return planes.to(next(model.parameters()).device).float() / 255


def _to_numpy(planes: torch.Tensor) -> np.ndarray:
    """(N,C,H,W) -> (N,H,W,C) float32."""
    return planes.float().cpu().numpy().transpose(0, 2, 3, 1)
