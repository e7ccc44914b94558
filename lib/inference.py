"""A trained network on pictures: on a batch of prepared images of one size, and on one picture of any size.

One picture (`matte`) gets reflected margins, tiles where memory is short, and keeps its known pixels.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import nn

from lib import tiles
from lib.data.batches import chunks, trimap_levels
from lib.data.prepare import Prepared
from lib.device import Machine, autocast, resolve_device, resolve_precision
from lib.tiles import MULTIPLE, OVERLAP, TILE


def predict(
    model: nn.Module,
    prepared: Prepared,
    index: Sequence[int],
    machine: Machine = Machine(),
    *,
    batch_size: int = 256,
    mirror: bool = False,
    keep_known: bool = False,
) -> np.ndarray:
    """Alpha (n,1,H,W) float32 in [0,1] for the images of `index`, in its order, on their test trimaps.

    mirror: the mean with the prediction of the mirrored image, mirrored back. keep_known: 0 and 1 where the trimap
    says so (Xu et al. 2017 look at unknown pixels only, and so does who uses a matte). The model is moved to the
    machine's device, runs in evaluation mode and gets its own mode back. At large sizes choose a smaller batch_size.
    UserError for a device or precision that is not there.
    """
    device = resolve_device(machine.device)
    model = model.to(device, memory_format=torch.channels_last)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, resolve_precision(machine.precision, device)):
            parts = [
                _alpha(model, *_inputs(prepared, part, device), mirror, keep_known).cpu().numpy()
                for part in chunks(index, batch_size)
            ]
    finally:
        model.train(was_training)
    return np.concatenate(parts)


def _alpha(model: nn.Module, image: torch.Tensor, trimap: torch.Tensor, mirror: bool, keep_known: bool) -> torch.Tensor:
    alpha = model(image, trimap)
    if mirror:
        alpha = (alpha + model(image.flip(-1), trimap.flip(-1)).flip(-1)) / 2
    return torch.where(trimap == 0.5, alpha, trimap) if keep_known else alpha


def _inputs(prepared: Prepared, index: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.from_numpy(np.asarray(prepared.image[index])).to(device)
    trimap = torch.from_numpy(np.asarray(prepared.trimap[index])).to(device)
    return image.float() / 255, trimap_levels(trimap)


def matte(
    model: nn.Module,
    image: np.ndarray,
    trimap: np.ndarray,
    *,
    tile: int = TILE,
    overlap: int = OVERLAP,
    precision: str = "auto",
) -> np.ndarray:
    """Alpha (H,W) float32 in [0,1] of image (H,W,3) float32 RGB in [0,1] and trimap (H,W) uint8 0/128/255.

    See lib.tiles.matte: known pixels come back as 0 and 1, large pictures are done in tiles, and memory beyond the
    picture's own is bounded by the tile. The model runs on the device it lies on, in evaluation mode. UserError for a
    tile that hardly reaches beyond its overlaps.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, resolve_precision(precision, device)):
            return tiles.matte(lambda *part: _one(model, *part, device), image, trimap, tile=tile, overlap=overlap)
    finally:
        model.train(was_training)


def find(model: nn.Module, image: np.ndarray, height: int, *, precision: str = "auto") -> np.ndarray:
    """Alpha (H,W) float32 in [0,1] of image (H,W,3) uint8 by a network without a trimap.

    The picture is shrunk or enlarged to as many pixels as one of 3:4 and `height` px has, its sides to multiples of 32,
    and what is found brought back to its size.
    """
    device = next(model.parameters()).device
    rows, columns = image.shape[:2]
    scale = math.sqrt(height * height * 0.75 / (rows * columns))
    size = [max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (columns, rows)]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    pixels = torch.from_numpy(small.transpose(2, 0, 1).astype(np.float32) / 255)[None].to(device)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, resolve_precision(precision, device)):
            alpha = model(pixels.contiguous(memory_format=torch.channels_last))[0, 0].float().cpu().numpy()
    finally:
        model.train(was_training)
    return np.clip(cv2.resize(alpha, (columns, rows), interpolation=cv2.INTER_LINEAR), 0, 1)


def _one(model: nn.Module, image: np.ndarray, trimap: np.ndarray, device: torch.device) -> np.ndarray:
    """Alpha (h,w) float32 of one tile, its sides brought up to multiples of 32 by reflection."""
    height, width = trimap.shape
    image, trimap = tiles.padded(image).transpose(2, 0, 1), tiles.padded(trimap)
    pixels = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None].to(device)
    levels = trimap_levels(torch.from_numpy(trimap)[None, None].to(device))
    alpha = model(pixels.contiguous(memory_format=torch.channels_last), levels)
    return alpha[0, 0, :height, :width].float().cpu().numpy()
