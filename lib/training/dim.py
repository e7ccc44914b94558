"""Training of Deep Image Matting in three steps (Xu et al. 2017, sections 3.1 to 3.3): stage 1, refinement, both."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from lib.base import RngStream, UserError
from lib.compute import Runtime
from lib.data.augment import draw_augmentation, flip_rotate
from lib.data.cache import ImageSet, chunks
from lib.data.compose import UnknownRegionCrops
from lib.inference import predict_trimap
from lib.losses import alpha_prediction_loss, compositional_loss
from lib.metrics import official
from lib.models.layers import initialise
from lib.models.vgg import deep_image_matting, load_vgg_weights
from lib.training.checkpoint import weights_of
from lib.training.config import TrainConfig
from lib.training.thumbnail import Split, fingerprints
from lib.training.trainer import Task


@dataclass(frozen=True)
class DimConfig(TrainConfig):
    """stage1 learns with both losses, refinement while stage 1 stands still, both with all weights (alpha loss alone)."""

    batch_size: int = Field(8, ge=2)
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    schedule: Literal["constant", "onecycle", "cosine"] = "onecycle"
    weight_decay: float = Field(1e-4, ge=0)
    stage: Literal["stage1", "refinement", "both"] = "stage1"
    start: str = Field("", description="folder of the training before; needed by refinement and both")
    crops: int = Field(1, ge=1, description="crops of an image and epoch")
    side: int = Field(320, ge=32, description="of a crop in px")
    composition: float = Field(0.5, ge=0, le=1, description="share of the compositional loss in stage 1")
    width: int = Field(64, ge=1, description="channels of the first block")
    batch_norm: bool = True
    conv6_kernel: int = 1
    encoder_weights: str = Field("", description='"" random, "imagenet", or a safetensors file of VGG-16')


class DimTask(Task):
    """Both stages, of which the config's learns, on crops around unknown pixels."""

    name = "dim"
    unit = "crops"
    log_names = ("train_alpha", "train_composition")
    config: DimConfig
    fingerprints = staticmethod(fingerprints)

    def __init__(self, config: DimConfig, runtime: Runtime, prepared: ImageSet, split: Split):
        super().__init__(config, runtime)
        train_index, self.test_index = map(np.asarray, split)
        self.crops = UnknownRegionCrops(
            prepared, np.tile(train_index, config.crops), config.side, config.seed, config.augment
        )
        self.images = len(self.crops)
        if self.images < 2:
            raise UserError(f"train_index: expected at least 2 crops, found {len(train_index)} images; use more.")
        self.model = deep_image_matting(config.width, config.batch_norm, config.conv6_kernel)
        if config.start or config.stage != "stage1":
            self.model.load_state_dict(load_file(weights_of(config.start)))
        else:
            initialise(self.model.stage1, config.seed)
            load_vgg_weights(self.model.stage1, config.encoder_weights)
        self.model.requires_grad_(False)
        self.trainable().requires_grad_(True)
        for layer in self._batch_norms():
            layer.momentum = None  # all batches of an epoch alike: a moving average over few crops is noise

    def trainable(self) -> torch.nn.Module:
        return self.model if self.config.stage == "both" else getattr(self.model, self.config.stage)

    def _batch_norms(self) -> list[torch.nn.BatchNorm2d]:
        return [layer for layer in self.trainable().modules() if isinstance(layer, torch.nn.BatchNorm2d)]

    def on_epoch_start(self) -> None:
        for layer in self._batch_norms():
            layer.reset_running_stats()

    def _parts(self, order: np.ndarray) -> list[np.ndarray]:
        """Batches; a last one of one crop is dropped, as batch norm needs two."""
        parts = chunks(order, self.config.batch_size)
        return parts[:-1] if len(parts) > 1 and len(parts[-1]) < 2 else parts

    def steps_per_epoch(self) -> int:
        return max(1, len(self._parts(np.arange(self.images))) // self.config.accumulate)

    def batches(self, epoch: int, start: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """(image, alpha, trimap, foreground, background)."""
        config, device = self.config, self.runtime.device
        order = np.random.default_rng([config.seed, epoch, RngStream.CROP_ORDER]).permutation(self.images)
        parts = self._parts(order)[start:]
        flips, angles = draw_augmentation(self.images, config.seed, epoch)
        loader = DataLoader(
            self.crops,
            batch_sampler=[[(epoch, int(row)) for row in part] for part in parts],
            num_workers=self.runtime.workers,
            pin_memory=device.type == "cuda",
        )
        for part, batch in zip(parts, loader, strict=True):
            alpha, foreground, background, trimap = (layer.to(device, non_blocking=True) for layer in batch)
            if config.augment:
                layers = torch.cat([foreground, background], dim=1)
                flip, angle = flips[part].to(device), angles[part].to(device)
                layers, alpha, trimap = flip_rotate(layers, alpha, trimap, flip, angle)
                foreground, background = layers[:, :3], layers[:, 3:]
            yield alpha * foreground + (1 - alpha) * background, alpha, trimap, foreground, background

    def loss(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """The stage's loss; logged are alpha-prediction and compositional loss over unknown pixels, (2,)."""
        image, alpha, trimap, foreground, background = batch
        unknown, first = trimap == 0.5, self.config.stage == "stage1"
        with self.runtime.autocast():
            predicted = (self.model.stage1 if first else self.model)(image, trimap)
        alpha_loss = alpha_prediction_loss(predicted, alpha, unknown, by_image=True)
        composition_loss = compositional_loss(predicted, image, foreground, background, unknown, by_image=True)
        share = self.config.composition if first else 0.0
        logs = torch.stack([alpha_loss, composition_loss]).detach()
        return (1 - share) * alpha_loss + share * composition_loss, logs

    def validate(self, model: torch.nn.Module) -> dict[str, float]:
        """Mean SAD and MSE of the whole test images, over the unknown pixels of their fixed trimaps."""
        prepared = self.crops.prepared
        errors = [
            official(alpha, prepared.alpha[image, 0], trimap)
            for image, trimap, alpha in predictions(model, prepared, self.test_index, self.runtime.precision)
        ]
        return {
            f"test_{name}": float(np.nanmean([row[name] for row in errors])) if errors else math.nan
            for name in ("sad", "mse")
        }


def predictions(
    model: torch.nn.Module, prepared: ImageSet, index: Sequence[int], precision: str
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(image, its test trimap (H,W) uint8, alpha (H,W) float32 in [0,1]) for each of `index`."""
    for image in index:
        trimap = np.ascontiguousarray(prepared.trimap[image, 0])
        pixels = np.asarray(prepared.image[image]).transpose(1, 2, 0) / np.float32(255)
        yield int(image), trimap, predict_trimap(model, pixels, trimap, precision=precision)
