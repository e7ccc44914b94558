"""Predictions of a trained network and their error, each image for itself."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib.device import autocast, resolve_device, resolve_precision
from lib.prepare import Prepared
from lib.trimap import default_radius, make_trimap


def test_trimaps(prepared: Prepared, index: Sequence[int], rule: str = "tolerant") -> np.ndarray:
    """Fixed trimaps (n,1,H,W) uint8 0/128/255: the source's own where it has them, else from alpha.

    Those from alpha have the radius that goes with the size (lib.trimap.default_radius), so that two runs,
    and two methods, are tested on the same unknown pixels.
    """
    if prepared.trimap is not None:
        return np.asarray(prepared.trimap[np.asarray(index)])
    return make_trimap(prepared.alpha[np.asarray(index)], default_radius(prepared.alpha.shape[-2:]), rule)


test_trimaps.__test__ = False  # pytest collects what is called test_*, wherever it was imported from


def predict(model: nn.Module, prepared: Prepared, index: Sequence[int], *, trimap_rule: str = "tolerant",
            batch_size: int = 256, device: str = "auto", precision: str = "auto", mirror: bool = False,
            keep_known: bool = False) -> np.ndarray:
    """Alpha (n,1,H,W) float32 in [0,1] for the images of `index`, in its order, on their test trimaps.

    mirror: the mean with the prediction of the mirrored image, mirrored back. keep_known: 0 and 1 where the trimap
    says so (Xu et al. 2017 look at unknown pixels only, and so does who uses a matte). The model is moved to the
    device, runs in evaluation mode and gets its own mode back. At large sizes
    choose a smaller batch_size. UserError for a device or precision that is not there.
    """
    where = resolve_device(device)
    cast = autocast(where, resolve_precision(precision, where))
    model = model.to(where, memory_format=torch.channels_last)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), cast:
            parts = [_alpha(model, *_inputs(prepared, part, trimap_rule, where), mirror, keep_known).cpu().numpy()
                     for part in chunks(index, batch_size)]
    finally:
        model.train(was_training)
    return np.concatenate(parts)


def _alpha(model: nn.Module, image: torch.Tensor, trimap: torch.Tensor, mirror: bool,
           keep_known: bool) -> torch.Tensor:
    alpha = model(image, trimap)
    if mirror:
        alpha = (alpha + model(image.flip(-1), trimap.flip(-1)).flip(-1)) / 2
    return torch.where(trimap == 0.5, alpha, trimap) if keep_known else alpha


def _inputs(prepared: Prepared, index: np.ndarray, rule: str,
            device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.from_numpy(np.asarray(prepared.image[index])).to(device)
    trimap = torch.from_numpy(test_trimaps(prepared, index, rule)).to(device)
    return image.float() / 255, trimap_levels(trimap)


def trimap_levels(trimap: torch.Tensor) -> torch.Tensor:
    """Trimap uint8 0/128/255 -> float32 0, 0.5 or 1, exactly (128 / 255 is not 0.5)."""
    return (trimap >= 128).float() * 0.5 + (trimap == 255).float() * 0.5


def chunks(index: Sequence[int], size: int) -> list[np.ndarray]:
    """`index` in consecutive parts of `size`, the last one shorter."""
    index = np.asarray(index)
    return [index[start:start + size] for start in range(0, len(index), size)]


def alpha_errors(predicted: np.ndarray, alpha: np.ndarray, trimap: np.ndarray) -> pd.DataFrame:
    """Mean |predicted - alpha| of each image, float64: `all` (every pixel) and `unknown` (trimap 128).

    predicted (n,1,H,W) float32 in [0,1], alpha and trimap (n,1,H,W) uint8. It is the alpha-prediction loss
    with eps -> 0 (section 2.4.2). `unknown` is NaN for an image without unknown pixels.
    """
    error = np.abs(predicted.astype(np.float64) - alpha / 255).reshape(len(alpha), -1)
    unknown = (np.asarray(trimap) == 128).reshape(len(alpha), -1)
    count = unknown.sum(axis=1)
    within = np.where(count > 0, (error * unknown).sum(axis=1) / np.maximum(count, 1), np.nan)
    return pd.DataFrame({"all": error.mean(axis=1), "unknown": within})
