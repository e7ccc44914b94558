"""Training of the study's network (its section 2.2 and Table 1) on whole images of one small size."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist

from lib.base import Stream, UserError
from lib.data.augment import draw, flip_rotate
from lib.data.batches import Arrays, batches, chunks, trimap_levels
from lib.data.prepare import Prepared
from lib.data.trimap import default_radius, from_distance
from lib.device import Machine
from lib.evaluation.errors import alpha_errors
from lib.inference import predict
from lib.losses import alpha_prediction_loss
from lib.models.dim import POOLING, WIDTH, VGG16Matting
from lib.models.layers import initialise
from lib.models.weights import load_encoder
from lib.training import loop
from lib.training.folder import file_digest, index_digest
from lib.training.place import Place, place
from lib.training.recipe import Recipe

Split = tuple[Sequence[int], Sequence[int]]  # positions of the images to train and to test on
TESTED = ("all", "unknown", "pasted")  # of lib.evaluation.errors: what each test records


@dataclass(frozen=True)
class ThumbnailRecipe(Recipe):
    """augment: the study's flips and rotations (lib.data.augment). loss_region: all or unknown pixels. batch_norm,
    pooling: of the network (lib.models.dim). encoder_weights: see lib.models.weights.load_encoder. width: channels of its
    first block; 64 is VGG-16."""

    loss_region: str = "all"
    batch_norm: bool = True
    pooling: str = "halving"
    encoder_weights: str = ""
    width: int = WIDTH

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        **Recipe.CHOICES,
        "loss_region": ("all", "unknown"),
        "pooling": tuple(POOLING),
    }
    LEAST: ClassVar[dict[str, float]] = {**Recipe.LEAST, "width": 1}


def train(
    prepared: Prepared, split: Split, run_dir: Path | str, recipe: ThumbnailRecipe, machine: Machine = Machine()
) -> pd.DataFrame:
    """Train VGG16Matting on one side of `split`, test on the other after each epoch; the history, one row a test.

    Training trimaps are made from alpha with a radius drawn anew for each image and epoch from [r, 2r], r the default
    radius; test trimaps are fixed (`Prepared.trimap`). Columns: epoch and step, then the mean over images of the
    alpha-prediction loss over all and over unknown pixels: train_* while the weights were changing, test_* afterwards
    in evaluation mode (NaN without test images), there also test_pasted, over all pixels with the known ones pasted;
    seconds and images_per_second are those of the training steps alone.

    Writes in run_dir config.json, history.csv, model.safetensors (when finished) and, until then, the last checkpoint.
    Called again with the same recipe, data and code it goes on from there, or returns at once; with another it says so
    and starts over. Same call, machine and thread count: same numbers, bit for bit, resumed or not; on a GPU not with
    the pooling "as_written", whose overlapping windows race for a pixel. Under torchrun batch norm takes its statistics in
    each process by itself, and those of the first are kept.

    UserError for too few images or a wrong weights file.
    """
    few = min(recipe.batch_size, len(split[0]))
    if len(split[0]) < 2:
        raise UserError(f"train_index: expected at least 2 images, found {len(split[0])}; use more images.")
    with place(machine) as here:
        if few < 2 * here.world:
            raise UserError(
                f"batch_size: expected 2 images a process (for batch norm), found batches of {few} for "
                f"{here.world} process(es); use more images."
            )
        inputs = inputs_of(prepared, split, recipe)
        return loop.train(lambda: Thumbnail(prepared, split, recipe, here), run_dir, recipe, here, inputs)


def inputs_of(prepared: Prepared, split: Split, recipe: ThumbnailRecipe) -> dict[str, str]:
    """What a training's numbers depend on beside recipe and code: fingerprints of pictures, split and the encoder's weights."""
    return {
        "data": prepared.fingerprint,
        "encoder_sha256": file_digest(recipe.encoder_weights),
        "train_index": index_digest(split[0]),
        "test_index": index_digest(split[1]),
    }


class Thumbnail(loop.System):
    """The network of the study, on batches of whole images."""

    distributed = True
    records = ("train_all", "train_unknown")

    def __init__(self, prepared: Prepared, split: Split, recipe: ThumbnailRecipe, here: Place):
        super().__init__(recipe, here)
        self.prepared, (train_index, self.test_index) = prepared, map(np.asarray, split)
        self.model = VGG16Matting(recipe.batch_norm, pooling=recipe.pooling, width=recipe.width)
        initialise(self.model, recipe.seed)
        load_encoder(self.model, recipe.encoder_weights)
        self.arrays = Arrays(prepared, train_index, here.device)
        self.images = len(train_index)

    def epoch_steps(self) -> int:
        """Batches of an epoch; a rest of fewer than two images a process joins the batch before it, since batch norm
        has no variance over one 1x1 map."""
        count = len(batches(np.arange(self.images), self.recipe.batch_size, self.place.world))
        return max(1, count // self.recipe.accumulate)

    def batches(self, epoch: int, first: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """(image, alpha, trimap) of each batch, in an order of the epoch's own, augmented where the recipe says so."""
        recipe = self.recipe
        flips, angles, radii = draws(self.arrays, recipe.seed, epoch)
        order = np.random.default_rng([recipe.seed, epoch, Stream.ORDER]).permutation(self.images)
        parts = batches(order, recipe.batch_size, self.place.world)[first:]
        shares = [part[self.place.rank :: self.place.world] for part in parts]
        for rows, (image, alpha, distance) in self.arrays.stream(shares):
            trimap = trimap_levels(from_distance(distance, radii[rows].view(-1, 1, 1, 1)))
            if recipe.augment:
                image, alpha, trimap = flip_rotate(image, alpha, trimap, flips[rows], angles[rows])
            yield image, alpha, trimap

    def loss(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """The alpha-prediction loss over the recipe's region; told are sums over the batch (see `sums`)."""
        image, alpha, trimap = batch
        unknown = trimap == 0.5
        region = unknown if self.recipe.loss_region == "unknown" else None
        with self.place.autocast():
            predicted = self.network(image, trimap)
        loss = alpha_prediction_loss(predicted, alpha, region)
        return loss * self._weight(unknown, region), sums(predicted.detach(), alpha, unknown)

    def _weight(self, unknown: torch.Tensor, region: torch.Tensor | None) -> torch.Tensor | float:
        """Factor that makes the mean of the processes' gradients the gradient of the whole batch's mean loss."""
        if self.place.world == 1:
            return 1.0
        own = (torch.ones_like(unknown) if region is None else region).sum().float()
        whole = own.clone()
        dist.all_reduce(whole)
        return own * self.place.world / whole.clamp(min=1)

    def summary(self, records: torch.Tensor) -> dict[str, float]:
        """Means over images: over all pixels, and over the unknown ones of those that have any."""
        totals = records.double().cumsum(dim=0)[-1]  # one after the other: the same digits wherever a training was cut
        if self.place.world > 1:
            dist.all_reduce(totals)
        everywhere, images, within, counted = totals.tolist()
        return {"train_all": everywhere / images, "train_unknown": within / counted if counted else math.nan}

    def test(self, model: torch.nn.Module) -> dict[str, float]:
        """Mean error of the test images, as TESTED says; in parts, so that memory does not grow with the set."""
        machine = Machine(str(self.place.device), self.place.precision)
        parts = [
            alpha_errors(
                predict(model, self.prepared, part, machine), self.prepared.alpha[part], self.prepared.trimap[part]
            )
            for part in chunks(self.test_index, 1024)
        ]
        mean = pd.concat(parts).mean() if parts else dict.fromkeys(TESTED, math.nan)
        return {f"test_{region}": float(mean[region]) for region in TESTED}

    def told(self, row: dict) -> str:
        """Losses of training and test."""
        return (
            f"train {row['train_all']:.4f} (unknown {row['train_unknown']:.4f}), "
            f"test {row['test_all']:.4f} (unknown {row['test_unknown']:.4f})"
        )


def draws(arrays: Arrays, seed: int, epoch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Flip, angle and trimap radius of each training image: functions of (seed, epoch, index) alone."""
    images = int(arrays.index.max()) + 1
    radius = default_radius(arrays.prepared.alpha.shape[-2:])
    radii = radius * (1 + np.random.default_rng([seed, epoch, Stream.RADIUS]).random(images, dtype=np.float32))
    values = (*draw(images, seed, epoch), torch.from_numpy(radii))
    return tuple(value[arrays.index].to(arrays.device) for value in values)


def sums(predicted: torch.Tensor, alpha: torch.Tensor, unknown: torch.Tensor) -> torch.Tensor:
    """Over the batch: sum of errors, images, sum of errors within unknown, images with unknown pixels; (4,)."""
    error, within = (predicted - alpha).abs(), unknown.float()
    pixels = within.sum(dim=(1, 2, 3))
    unknown_error = (error * within).sum(dim=(1, 2, 3)) / pixels.clamp(min=1)
    return torch.stack(
        [error.mean(dim=(1, 2, 3)).sum(), torch.ones_like(pixels).sum(), unknown_error.sum(), (pixels > 0).sum()]
    )
