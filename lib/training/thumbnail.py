"""The study's training (its section 2.2 and Table 1), and the variants of it that notebooks/experiments.toml lists."""

import hashlib
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from safetensors.torch import load_file

from lib.base import RngStream, UserError, file_sha256, write_atomically
from lib.compute import Compute, Runtime
from lib.data.augment import draw_augmentation, flip_rotate
from lib.data.cache import ImageSet, batches_of, chunks, stream_batches
from lib.data.trimap import default_radius, trimap_from_distance, trimap_to_float as trimap_levels
from lib.inference import predict_batches
from lib.losses import alpha_prediction_loss
from lib.metrics import errors_by_region
from lib.models.layers import initialise
from lib.models.vgg import build_study_network, load_vgg_weights
from lib.training.checkpoint import weights_of
from lib.training.config import TrainConfig
from lib.training.trainer import Task

Split = tuple[Sequence[int], Sequence[int]]  # positions of the training and of the test images
REGIONS = ("all", "unknown", "pasted")


@dataclass(frozen=True)
class ThumbnailConfig(TrainConfig):
    """Table 1 of the study by default; `augment` is its section 3. The sweeps vary the rest."""

    loss_region: Literal["all", "unknown"] = Field("all", description="pixels that the training loss sees")
    eps: float = Field(1e-6, ge=0, description="of the alpha-prediction loss")
    encoder_weights: str = Field("", description='"" random, "imagenet", or a safetensors file of VGG-16')
    start: str = Field("", description="folder of a finished training to go on from")
    network: Literal["study's", "residual, as many weights", "residual, as long a step"] = "study's"
    width: int = Field(64, ge=1, description="channels of the first block; 64 is VGG-16")
    batch_norm: bool = True
    pooling: Literal["halving", "as_written"] = "halving"
    unpooling: Literal["places", "bilinear", "transposed"] = "places"
    skips: bool = Field(False, description="skip connections from the encoder")
    four_channels: bool = Field(False, description="the trimap as fourth input channel, without the 4->3 head")
    normalisation: Literal["imagenet", "centred", "none"] = "imagenet"
    decoder_kernel: int = Field(5, ge=1)
    probability: float = Field(0.5, ge=0, description="that an image is augmented")
    flip: bool = Field(True, description="whether the augmented are flipped")
    degrees: float = Field(30.0, ge=0, description="largest angle of the augmented")
    border: Literal["reflection", "border", "zeros"] = Field("reflection", description="outside of a turned image")
    jitter: float = Field(0.0, ge=0, description="strength of the colour jitter; 1 = as Deep Image Matting's")
    train_rule: Literal["", "strict", "tolerant"] = Field("", description='of training trimaps; "" = the test rule')
    radius: float = Field(2.0, ge=1, description="largest training radius in units of the test radius")
    blind: bool = Field(False, description="the network sees a trimap of 0.5 everywhere")


def fingerprints(config, prepared: ImageSet, split: Split) -> dict[str, str]:
    """Checksums of the data, of both sides of the split, and of the weights to start from."""
    sides = [np.ascontiguousarray(side, dtype=np.int64).tobytes() for side in split]
    train_index, test_index = (hashlib.sha256(side).hexdigest() for side in sides)
    start = file_sha256(weights_of(config.start)) if config.start else ""
    weights = {"encoder_sha256": file_sha256(config.encoder_weights), "start": start}
    return {"data": prepared.fingerprint, "train_index": train_index, "test_index": test_index} | weights


class ThumbnailTask(Task):
    """Whole images of one small size. Training trimaps get a new radius from [r, 2r] each epoch; test trimaps are fixed."""

    name = "thumbnail"
    log_names = ("train_all", "train_unknown")
    config: ThumbnailConfig
    fingerprints = staticmethod(fingerprints)

    def __init__(self, config: ThumbnailConfig, runtime: Runtime, prepared: ImageSet, split: Split):
        super().__init__(config, runtime)
        if len(split[0]) < 2:
            raise UserError(f"train_index: expected at least 2 images, found {len(split[0])}; use more images.")
        self.prepared, (self.train_index, self.test_index) = prepared, map(np.asarray, split)
        self.images = len(self.train_index)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)  # of transposed convolutions, which `initialise` leaves alone
            self.model = build_study_network(config)
        initialise(self.model, config.seed)
        load_vgg_weights(self.model, config.encoder_weights)
        if config.start:
            self.model.load_state_dict(load_file(weights_of(config.start)))

    def steps_per_epoch(self) -> int:
        return max(1, len(batches_of(np.arange(self.images), self.config.batch_size)) // self.config.accumulate)

    def batches(self, epoch: int, start: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """(image, alpha, trimap). Every draw is a function of (seed, epoch, image), whatever the order of the batches."""
        config, device = self.config, self.runtime.device
        flips, angles, radii, gains, gammas = (values.to(device) for values in self.draws(epoch))
        order = np.random.default_rng([config.seed, epoch, RngStream.ORDER]).permutation(self.images)
        parts, rule = batches_of(order, config.batch_size)[start:], config.train_rule or self.prepared.rule
        for rows, (image, alpha, distance) in stream_batches(self.prepared, self.train_index, parts, rule, device):
            trimap = trimap_levels(trimap_from_distance(distance, radii[rows].view(-1, 1, 1, 1)))
            if config.jitter:
                image = (gains[rows] * image ** gammas[rows]).clamp(0, 1)
            if config.augment:
                image, alpha, trimap = flip_rotate(image, alpha, trimap, flips[rows], angles[rows], config.border)
            yield image, alpha, trimap

    def draws(self, epoch: int) -> tuple[torch.Tensor, ...]:
        """Of each training image: flip, angle, trimap radius (n,), gain (n,3,1,1) and gamma (n,1,1,1) of the jitter."""
        config, index = self.config, self.train_index
        count = int(index.max()) + 1
        flips, angles = draw_augmentation(count, config.seed, epoch, config.probability, config.degrees)
        spread = np.random.default_rng([config.seed, epoch, RngStream.RADIUS]).random(count, dtype=np.float32)
        radii = default_radius(self.prepared.alpha.shape[-2:]) * (1 + (config.radius - 1) * spread)
        uniform = (
            np.random.default_rng([config.seed, epoch, RngStream.AUGMENT, 1]).random((count, 5)).astype(np.float32)
        )
        jitter = config.jitter * (2 * uniform[index] - 1)
        gains = ((1 + 0.15 * jitter[:, :1]) * (1 + 0.07 * jitter[:, 1:4])).reshape(-1, 3, 1, 1)
        gammas = np.exp(0.223 * jitter[:, 4:]).reshape(-1, 1, 1, 1)
        radii = torch.from_numpy(radii.astype(np.float32))[index]
        return (flips & config.flip)[index], angles[index], radii, torch.from_numpy(gains), torch.from_numpy(gammas)

    def loss(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """The alpha-prediction loss over the config's region, and `_sums`."""
        image, alpha, trimap = batch
        unknown = trimap == 0.5
        with self.runtime.autocast():
            predicted = self.model(image, torch.full_like(trimap, 0.5) if self.config.blind else trimap)
        region = unknown if self.config.loss_region == "unknown" else None
        loss = alpha_prediction_loss(predicted, alpha, region, self.config.eps)
        return loss, _sums(predicted.detach(), alpha, unknown)

    def summarize(self, logs: torch.Tensor) -> dict[str, float]:
        """Means over images of the error over all pixels, and over the unknown ones of images that have any."""
        total, images, within, counted = logs.double().cumsum(dim=0)[-1].tolist()  # in order: resuming changes no digit
        return {"train_all": total / images, "train_unknown": within / counted if counted else math.nan}

    def validate(self, model: torch.nn.Module) -> dict[str, float]:
        """Mean errors of the test images by region, in parts: memory does not grow with their number."""
        model = WithoutTrimap(model) if self.config.blind else model
        compute = Compute(str(self.runtime.device), self.runtime.precision)
        errors = [
            errors_by_region(
                predict_batches(model, self.prepared, part, compute),
                self.prepared.alpha[part],
                self.prepared.trimap[part],
            )
            for part in chunks(self.test_index, 1024)
        ]
        mean = pd.concat(errors).mean() if errors else dict.fromkeys(REGIONS, math.nan)
        return {f"test_{region}": float(mean[region]) for region in REGIONS}


class WithoutTrimap(torch.nn.Module):
    """A network that is given 0.5 everywhere for a trimap."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        return self.model(image, torch.full_like(trimap, 0.5))


class Snapshots:
    """A callback of `trainer.train`: the network's alphas of some images at every validation, as watched/<step>.npz."""

    def __init__(self, run_dir: Path | str, prepared: ImageSet, index: Sequence[int]):
        self.folder, self.prepared, self.index = Path(run_dir) / "watched", prepared, np.asarray(index)

    def __call__(self, model: torch.nn.Module, runtime: Runtime, step: int) -> None:
        alpha = predict_batches(model, self.prepared, self.index, Compute(str(runtime.device), runtime.precision))
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=self.index, alpha=np.rint(255 * alpha[:, 0]).astype(np.uint8))
        write_atomically(self.folder / f"{step:06d}.npz", buffer.getvalue())

    def complete(self, steps: Sequence[int]) -> bool:
        """Whether all these steps are there, with these images."""
        files = [self.folder / f"{step:06d}.npz" for step in steps]
        return all(file.is_file() and np.array_equal(np.load(file)["images"], self.index) for file in files)


def load_snapshots(run_dir: Path | str, steps: Sequence[int]) -> np.ndarray:
    """Alphas (steps, images, H, W) uint8 that `Snapshots` wrote."""
    return np.stack([np.load(Path(run_dir) / "watched" / f"{step:06d}.npz")["alpha"] for step in steps])


def _sums(predicted: torch.Tensor, alpha: torch.Tensor, unknown: torch.Tensor) -> torch.Tensor:
    """Over a batch: sum of errors, images, sum of errors within unknown, images with unknown pixels; (4,)."""
    error, within = (predicted - alpha).abs(), unknown.float()
    pixels = within.sum(dim=(1, 2, 3))
    unknown_error = (error * within).sum(dim=(1, 2, 3)) / pixels.clamp(min=1)
    sums = [error.mean(dim=(1, 2, 3)).sum(), torch.ones_like(pixels).sum(), unknown_error.sum(), (pixels > 0).sum()]
    return torch.stack(sums)
