"""Training of Background Matting V2 at its small size (lib.models.background), base and refiner together."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch.utils.data import Dataset

from lib.base import UserError
from lib.data.composer import Layers, PortraitScenes
from lib.data.plates import DISTURBANCES, Plates, retaken
from lib.data.source import Sample
from lib.device import Machine
from lib.evaluation import metrics
from lib.losses import error_loss, foreground_loss, sobel_loss
from lib.models.background import small
from lib.systems import matte_before_plate
from lib.training import loop
from lib.training.composed import Composed, ComposedRecipe, begin, forgiven, people_held_out, seeded
from lib.training.place import Place, place


@dataclass(frozen=True)
class BackgroundRecipe(ComposedRecipe):
    """disturbances: in what the plates differ from what is behind the person (lib.data.plates.DISTURBANCES)."""

    disturbances: tuple[str, ...] = DISTURBANCES

    def __post_init__(self):
        super().__post_init__()
        if unknown := set(self.disturbances) - set(DISTURBANCES):
            raise UserError(
                f"disturbances: expected some of {', '.join(DISTURBANCES)}, found {', '.join(unknown)}; correct it."
            )


def train(run_dir: Path | str, recipe: BackgroundRecipe, machine: Machine = Machine(), people: int = 0) -> pd.DataFrame:
    """Train it; the history, one row an epoch.

    Columns: epoch, step, train_alpha, train_foreground, train_error (means over batches), test_exact and test_retaken
    (mean absolute difference of alpha over whole pictures of held-out people, with the very background as plate and
    with one photographed otherwise), seconds, images_per_second. people: of how many to make the pictures, 0 = all.
    Folder, resuming and repeatability are those of lib.training.loop.
    """
    with place(machine) as here:
        inputs = {"people": people, **recipe.inputs()}
        return loop.train(lambda: Background(recipe, here, people), run_dir, recipe, here, inputs)


class Background(Composed):
    """Background Matting V2 on pictures with plates."""

    records = ("train_alpha", "train_foreground", "train_error")

    def __init__(self, recipe: BackgroundRecipe, here: Place, people: int = 0):
        super().__init__(recipe, here)
        self.model = seeded(lambda: small("full"), recipe.seed)
        begin(self.model, self.model.base.encoder, recipe)
        self.layers = Layers(recipe.textures, people)

    def encoder(self) -> torch.nn.Module:
        return self.model.base.encoder

    def pictures(self, epoch: int) -> Dataset:
        """Pictures of 3:4 with their plates."""
        recipe = self.recipe
        side = recipe.late_side if self.late(epoch) else recipe.side
        return Plates(PortraitScenes(self.layers, self.images, side, side * 3 // 4, recipe.seed), recipe.disturbances)

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the fine matte and of the coarse one: L1 and Sobel of alpha, L1 of the foreground; and of the error map."""
        floats = batch.float() / 255
        image, plate, foreground, alpha = floats.split((3, 3, 3, 1), dim=1)
        with self.place.autocast():
            found = self.model(image, plate, clamp=False)
        low = F.interpolate(floats[:, 6:], found.coarse_alpha.shape[-2:], mode="area")
        low_foreground, low_alpha = low.split((3, 1), dim=1)
        fine, coarse = forgiven(found.alpha, alpha), forgiven(found.coarse_alpha, low_alpha)
        alphas = sum(
            (mine - true).abs().mean() + sobel_loss(mine, true) for mine, true in ((fine, alpha), (coarse, low_alpha))
        )
        foregrounds = foreground_loss(found.foreground, foreground, alpha) + foreground_loss(
            found.coarse_foreground, low_foreground, low_alpha
        )
        errors = error_loss(found.error, coarse.detach(), low_alpha)
        told = torch.stack([alphas, foregrounds, errors]).detach()
        return alphas + foregrounds + errors, told

    def test(self, model: torch.nn.Module) -> dict[str, float]:
        """test_exact and test_retaken."""
        size = self.recipe.late_side, self.recipe.late_side * 3 // 4
        found = pd.DataFrame([self._score(model, each) for each in people_held_out(self.recipe.tests, size)])
        return found.mean().to_dict()

    def _score(self, model: torch.nn.Module, sample: Sample) -> dict[str, float]:
        pairs = {"test_exact": (sample.image, sample.background), "test_retaken": retaken(sample)}
        return {
            name: metrics.mad(matte_before_plate(model, *pair, precision=self.place.precision)[0], sample.alpha)
            for name, pair in pairs.items()
        }
