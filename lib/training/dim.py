"""Training of Deep Image Matting in three steps (Xu et al. 2017, sections 3.1 to 3.3): stage 1, refinement, both."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from lib.base import Stream, UserError
from lib.data.augment import draw, flip_rotate
from lib.data.batches import chunks
from lib.data.crops import Crops
from lib.data.prepare import Prepared
from lib.device import Machine
from lib.evaluation.metrics import all_metrics
from lib.inference import matte
from lib.losses import alpha_prediction_loss, compositional_loss
from lib.models.dim import deep_image_matting
from lib.models.layers import initialise
from lib.models.weights import load_encoder
from lib.training import loop
from lib.training.folder import file_digest, index_digest
from lib.training.place import Place, place
from lib.training.recipe import Recipe
from lib.training.thumbnail import Split

STAGES = ("stage1", "refinement", "both")


@dataclass(frozen=True)
class DimRecipe(Recipe):
    """stage: "stage1" learns the encoder-decoder from (1 - composition) alpha-prediction loss + composition
    compositional loss, both over unknown pixels; "refinement" learns the second network from the alpha-prediction loss
    of its output while stage 1 stands still; "both" goes on with all weights and the same loss. start: folder of the
    training before (needed by the last two). crops: of each image and epoch (lib.data.crops), of `side` px. augment:
    the study's flips and rotations, and jitter. width, batch_norm, conv6_kernel: of the network (lib.models.dim).
    """

    epochs: int = 10
    batch_size: int = 8
    optimizer: str = "adamw"
    schedule: str = "onecycle"
    weight_decay: float = 1e-4
    stage: str = "stage1"
    start: str = ""
    crops: int = 1
    side: int = 320
    composition: float = 0.5
    width: int = 64
    batch_norm: bool = True
    conv6_kernel: int = 1
    encoder_weights: str = ""

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {**Recipe.CHOICES, "stage": STAGES}
    LEAST: ClassVar[dict[str, float]] = {**Recipe.LEAST, "crops": 1, "side": 32, "width": 1}

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.composition <= 1:
            raise UserError(f"composition: expected a share from 0 to 1, found {self.composition}; change it.")
        if self.stage != "stage1" and not (self.start and self.start_weights().is_file()):
            raise UserError(
                f"start: expected the folder of a finished training before {self.stage}, found no "
                f"model.safetensors in {self.start!r}; train the one before it first."
            )

    def start_weights(self) -> Path:
        """The network that the training starts from."""
        return Path(self.start) / "model.safetensors"


def train(
    prepared: Prepared, split: Split, run_dir: Path | str, recipe: DimRecipe, machine: Machine = Machine()
) -> pd.DataFrame:
    """Train one stage of the two-stage network; its history, one row an epoch.

    Columns: epoch, step, train_alpha and train_composition (means over batches while the weights were changing),
    test_sad and test_mse (means over the whole test images, lib.evaluation.metrics, unknown pixels; NaN without any),
    seconds, images_per_second (of crops). machine.workers cut crops beside the training; the numbers do not depend on
    them. Folder, resuming and repeatability are those of lib.training.thumbnail.train. UserError for too few images.
    """
    if len(split[0]) * recipe.crops < 2:
        raise UserError(f"train_index: expected at least 2 crops, found {len(split[0])} images; use more.")
    with place(machine) as here:
        inputs = {
            "data": prepared.fingerprint,
            "encoder_sha256": file_digest(recipe.encoder_weights),
            "start": file_digest(recipe.start_weights()) if recipe.start else "",
            "train_index": index_digest(split[0]),
            "test_index": index_digest(split[1]),
        }
        return loop.train(lambda: DimTraining(prepared, split, recipe, here), run_dir, recipe, here, inputs)


class DimTraining(loop.System):
    """Both stages, of which the recipe's learns, on crops around unknown pixels."""

    unit = "crops"
    records = ("train_alpha", "train_composition")

    def __init__(self, prepared: Prepared, split: Split, recipe: DimRecipe, here: Place):
        super().__init__(recipe, here)
        train_index, self.test_index = map(np.asarray, split)
        self.crops = Crops(prepared, np.tile(train_index, recipe.crops), recipe.side, recipe.seed, recipe.augment)
        self.images = len(self.crops)
        self.model = deep_image_matting(recipe.width, recipe.batch_norm, recipe.conv6_kernel)
        if recipe.start:
            self.model.load_state_dict(load_file(recipe.start_weights()))
        else:
            initialise(self.model.stage1, recipe.seed)
            load_encoder(self.model.stage1, recipe.encoder_weights)
        self.model.requires_grad_(False)
        self.learning().requires_grad_(True)
        for layer in self._norms():
            layer.momentum = None  # all batches of an epoch alike (see start_epoch)

    def learning(self) -> torch.nn.Module:
        """What of the network the stage trains."""
        return {"stage1": self.model.stage1, "refinement": self.model.refinement, "both": self.model}[self.recipe.stage]

    def _norms(self) -> list[torch.nn.BatchNorm2d]:
        return [layer for layer in self.learning().modules() if isinstance(layer, torch.nn.BatchNorm2d)]

    def start_epoch(self) -> None:
        """Let every batch norm average all batches of the coming epoch alike, and forget those before.

        PyTorch's default, a moving average over some ten batches, is noise where batches are a few crops.
        """
        for layer in self._norms():
            layer.reset_running_stats()

    def _parts(self, order: np.ndarray) -> list[np.ndarray]:
        """Batches; a rest of one crop is left out, as batch norm has nothing to compare it with."""
        parts = chunks(order, self.recipe.batch_size)
        return parts[:-1] if len(parts) > 1 and len(parts[-1]) < 2 else parts

    def epoch_steps(self) -> int:
        """Batches of an epoch."""
        return max(1, len(self._parts(np.arange(self.images))) // self.recipe.accumulate)

    def batches(self, epoch: int, first: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """(image, alpha, trimap, foreground, background) of each batch, in an order of the epoch's own."""
        recipe, device = self.recipe, self.place.device
        order = np.random.default_rng([recipe.seed, epoch, Stream.CROP_ORDER]).permutation(self.images)
        rows = self._parts(order)[first:]
        flip, angle = draw(self.images, recipe.seed, epoch)
        loader = DataLoader(
            self.crops,
            batch_sampler=[[(epoch, int(row)) for row in part] for part in rows],
            num_workers=self.place.workers,
            pin_memory=device.type == "cuda",
        )
        for chosen, batch in zip(rows, loader, strict=True):
            alpha, foreground, background, trimap = (part.to(device, non_blocking=True) for part in batch)
            if recipe.augment:
                layers, alpha, trimap = flip_rotate(
                    torch.cat([foreground, background], dim=1),
                    alpha,
                    trimap,
                    flip[chosen].to(device),
                    angle[chosen].to(device),
                )
                foreground, background = layers[:, :3], layers[:, 3:]
            yield alpha * foreground + (1 - alpha) * background, alpha, trimap, foreground, background

    def loss(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """The stage's loss; told are alpha-prediction and compositional loss over unknown pixels, (2,)."""
        image, alpha, trimap, foreground, background = batch
        unknown, first = trimap == 0.5, self.recipe.stage == "stage1"
        with self.place.autocast():
            predicted = (self.model.stage1 if first else self.model)(image, trimap)
        alpha_loss = alpha_prediction_loss(predicted, alpha, unknown, by_image=True)
        composition_loss = compositional_loss(predicted, image, foreground, background, unknown, by_image=True)
        share = self.recipe.composition if first else 0.0
        told = torch.stack([alpha_loss.detach(), composition_loss.detach()])
        return (1 - share) * alpha_loss + share * composition_loss, told

    def test(self, model: torch.nn.Module) -> dict[str, float]:
        """Mean SAD and MSE of the whole test images, over the unknown pixels of their fixed trimaps."""
        return test(model, self.crops.prepared, self.test_index, self.place.precision)

    def told(self, row: dict) -> str:
        """Losses and errors."""
        return (
            f"alpha loss {row['train_alpha']:.4f}, composition loss {row['train_composition']:.4f}, "
            f"test SAD {row['test_sad']:.3f}, MSE {row['test_mse']:.4f}"
        )


def test(model: torch.nn.Module, prepared: Prepared, index: np.ndarray, precision: str) -> dict[str, float]:
    """test_sad and test_mse of whole images."""
    found = [
        all_metrics(alpha, prepared.alpha[image, 0], trimap)
        for image, trimap, alpha in predictions(model, prepared, index, precision)
    ]
    return {
        f"test_{name}": float(np.nanmean([row[name] for row in found])) if found else math.nan
        for name in ("sad", "mse")
    }


test.__test__ = False  # pytest collects what is called test, wherever it was imported from


def predictions(
    model: torch.nn.Module, prepared: Prepared, index: Sequence[int], precision: str
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(image, its test trimap (H,W) uint8, alpha (H,W) float32 in [0,1]) for each of `index`."""
    for image in index:
        trimap = np.ascontiguousarray(prepared.trimap[image, 0])
        pixels = np.asarray(prepared.image[image]).transpose(1, 2, 0) / np.float32(255)
        yield int(image), trimap, matte(model, pixels, trimap, precision=precision)
