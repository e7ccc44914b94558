"""Training of the two networks for photographs (lib.models.portrait) on pictures composed as they are needed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch.utils.data import Dataset

from lib.base import UserError
from lib.data.batches import trimap_levels
from lib.data.composer import Layers, PortraitScenes, TrimapCrops
from lib.data.trimap import UNKNOWN, make_trimap
from lib.device import Machine
from lib.inference import find, matte
from lib.losses import alpha_prediction_loss, compositional_loss, laplacian_loss
from lib.models.encoder import load_imagenet
from lib.models.portrait import STRUCTURES, build
from lib.training import loop
from lib.training.composed import forgiven, people_held_out, stacks, two_rates
from lib.training.folder import file_digest
from lib.training.place import Place, place
from lib.training.recipe import Recipe

TEST_RADIUS = 12  # px of the test trimaps at 600x800


@dataclass(frozen=True)
class PortraitRecipe(Recipe):
    """trimap: whether the network gets one. epochs of `images` pictures each; their weights rise to lr (the encoder's to
    encoder_lr) and fall along a cosine. side: px of the crops, or the height of the portrait composites; late_side: of
    those in the last third of the epochs. textures: folder of photographs (lib.data.composer). shapes: share of crops
    with drawn shapes. composition, laplacian: weights of these losses beside the alpha-prediction loss. width: of the
    decoder; of unpooling's first block, 64 is one. structure: "skips" (lib.models.portrait) or "unpooling" (stage 1 of
    lib.models.dim with batch norm and random weights; it needs a trimap). start: folder of a training to go on from, or
    "". tests: held-out people to test on.
    """

    epochs: int = 20
    batch_size: int = 8
    lr: float = 1e-3
    encoder_lr: float = 3e-4
    optimizer: str = "adamw"
    schedule: str = "cosine"
    weight_decay: float = 1e-4
    clip: float = 1.0
    ema: float = 0.999
    trimap: bool = True
    images: int = 2000
    side: int = 256
    late_side: int = 256
    textures: str = ""
    shapes: float = 0.5
    composition: float = 0.5
    laplacian: float = 0.25
    width: float = 1.0
    structure: str = "skips"
    imagenet: bool = True
    start: str = ""
    tests: int = 8

    CHOICES: ClassVar[dict[str, tuple]] = {**Recipe.CHOICES, "structure": STRUCTURES}
    LEAST: ClassVar[dict[str, float]] = {
        **Recipe.LEAST,
        "images": 2,
        "side": 64,
        "late_side": 64,
        "tests": 0,
        "shapes": 0,
        "composition": 0,
        "laplacian": 0,
        "encoder_lr": 0,
    }

    def __post_init__(self):
        super().__post_init__()
        if self.images < self.batch_size:
            raise UserError(f"images: expected at least one batch of {self.batch_size}, found {self.images}; use more.")
        if self.start and not self.start_weights().is_file():
            raise UserError(
                f"start: expected the folder of a finished training, found no model.safetensors in "
                f"{self.start!r}; correct it or leave it empty."
            )

    def start_weights(self) -> Path:
        """The network that the training starts from."""
        return Path(self.start) / "model.safetensors"


def train(run_dir: Path | str, recipe: PortraitRecipe, machine: Machine = Machine(), people: int = 0) -> pd.DataFrame:
    """Train one of the two networks; its history, one row an epoch.

    Columns: epoch, step, train_alpha, train_composition and train_laplacian (means over batches), test_mse and test_iou
    over held-out rendered people at 600x800 (MSE of unknown pixels, radius 12 px, where the network gets a trimap; of
    all pixels, and IoU at an alpha of 0.5, where it doesn't), seconds, images_per_second. people: of how many to make
    the pictures, 0 = all. Folder, resuming and repeatability are those of lib.training.loop.
    """
    with place(machine) as here:
        inputs = {"people": people, "start_sha256": file_digest(recipe.start_weights()) if recipe.start else ""}
        return loop.train(lambda: PortraitTraining(recipe, here, people), run_dir, recipe, here, inputs)


class PortraitTraining(loop.System):
    """A network for photographs on pictures composed for it."""

    records = ("train_alpha", "train_composition", "train_laplacian")

    def __init__(self, recipe: PortraitRecipe, here: Place, people: int = 0):
        super().__init__(recipe, here)
        self.model = self.make_network()
        self.layers = Layers(recipe.textures, people)
        self.images = recipe.images // recipe.batch_size * recipe.batch_size

    def make_network(self) -> torch.nn.Module:
        """The network as the recipe says: begun as another one, or with an encoder trained on ImageNet."""
        recipe, model = self.recipe, build(self.recipe.trimap, self.recipe.width, self.recipe.structure)
        if recipe.start:
            model.load_state_dict(load_file(recipe.start_weights()))
        elif recipe.imagenet and recipe.structure == "skips":
            load_imagenet(model.encoder)
        return model

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        """One AdamW; the encoder, which has learnt already, at a rate of its own."""
        if self.recipe.structure == "unpooling":
            return super().make_optimizers()
        return [two_rates(self.model, self.model.encoder, self.recipe, self.place)]

    def epoch_steps(self) -> int:
        """Steps of `images` pictures."""
        return max(1, self.images // self.recipe.batch_size // self.recipe.accumulate)

    def pictures(self, epoch: int) -> Dataset:
        """The pictures of an epoch: crops, or whole portraits of 3:4."""
        recipe = self.recipe
        side = recipe.late_side if epoch > math.ceil(recipe.epochs * 2 / 3) else recipe.side
        if recipe.trimap:
            return TrimapCrops(self.layers, self.images, side, recipe.seed, recipe.shapes)
        return PortraitScenes(self.layers, self.images, side, side * 3 // 4, recipe.seed)

    def batches(self, epoch: int, first: int) -> Iterator[torch.Tensor]:
        """(n,11,s,s) or (n,4,h,w) uint8 on the device (lib.data.composer), composed while the step before runs."""
        return stacks(self.pictures(epoch), epoch, first, self.images, self.recipe.batch_size, self.place)

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Alpha-prediction loss, compositional and Laplacian loss: of unknown pixels, or of all without a trimap."""
        recipe, floats = self.recipe, batch.float() / 255
        image = floats[:, :3].contiguous(memory_format=torch.channels_last)
        if recipe.trimap:
            foreground, background, alpha = floats[:, 3:6], floats[:, 6:9], floats[:, 9:10]
            trimap = trimap_levels(batch[:, 10:])
            unknown = trimap == 0.5
        else:
            alpha, trimap, unknown = floats[:, 3:], None, None
        with self.place.autocast():
            predicted = forgiven(self.model.unclamped(image, trimap), alpha)
        parts = [
            alpha_prediction_loss(predicted, alpha, unknown),
            predicted.new_zeros(()),
            laplacian_loss(predicted if unknown is None else torch.where(unknown, predicted, alpha), alpha, 4),
        ]
        if recipe.trimap:
            composite = alpha * foreground + (1 - alpha) * background
            parts[1] = compositional_loss(predicted, composite, foreground, background, unknown)
            # The pyramid's means run over all pixels: as if over the unknown ones.
            parts[2] = parts[2] / unknown.float().mean().clamp(min=0.02)
        loss = parts[0] + recipe.composition * parts[1] + recipe.laplacian * parts[2]
        return loss, torch.stack(parts).detach()

    def test(self, model: torch.nn.Module) -> dict[str, float]:
        """test_mse and test_iou of held-out people in pictures of 600x800."""
        model.eval()
        scores = [self._score(model, *pair) for pair in held_out(self.recipe.tests)]
        mse, iou = np.mean(scores, axis=0).tolist() if scores else (math.nan, math.nan)
        return {"test_mse": mse, "test_iou": iou}

    def _score(self, model: torch.nn.Module, image: np.ndarray, alpha: np.ndarray) -> tuple[float, float]:
        if self.recipe.trimap:
            trimap = make_trimap(alpha, TEST_RADIUS)
            predicted = matte(model, image.astype(np.float32) / 255, trimap, precision=self.place.precision)
            where = trimap == UNKNOWN
        else:
            predicted = find(model, image, self.recipe.late_side, precision=self.place.precision)
            where = np.ones(alpha.shape, bool)
        both, either = (predicted > 0.5) & (alpha > 127), (predicted > 0.5) | (alpha > 127)
        return float(((predicted - alpha / 255.0)[where] ** 2).mean()), float(both.sum() / max(either.sum(), 1))


def held_out(people: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(image (800,600,3), alpha (800,600)) uint8 of so many held-out rendered people, each in one picture."""
    for sample in people_held_out(people):
        yield sample.image, sample.alpha
