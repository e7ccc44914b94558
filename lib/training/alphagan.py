"""Training of AlphaGAN at its small size (lib.models.alphagan): a generator, and a discriminator by turns."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch
from torch.utils.data import Dataset

from lib.base import UserError
from lib.data.batches import trimap_levels
from lib.data.composer import Layers, TrimapCrops
from lib.data.trimap import make_trimap
from lib.device import Machine
from lib.evaluation import metrics
from lib.inference import matte
from lib.losses import alpha_prediction_loss, compositional_loss, discriminator_loss, generator_loss, laplacian_loss
from lib.models.alphagan import small
from lib.training import loop
from lib.training.composed import Composed, ComposedRecipe, begin, people_held_out, seeded, two_rates
from lib.training.optimize import make_optimizer
from lib.training.place import Place, place
from lib.training.portrait import TEST_RADIUS


@dataclass(frozen=True)
class AlphaGANRecipe(ComposedRecipe):
    """side: of the crops in px. adversary: weight of the discriminator's answer in the generator's loss, 0 = without
    one; it counts from the share `adversary_from` of the steps on, while the discriminator learns from the first.
    discriminator_lr: its rate. composition, laplacian: weights of these losses."""

    side: int = 160
    late_side: int = 160
    adversary: float = 1e-3
    adversary_from: float = 0.3
    discriminator_lr: float = 2e-4
    composition: float = 0.5
    laplacian: float = 0.25

    LEAST: ClassVar[dict[str, float]] = {
        **ComposedRecipe.LEAST,
        "adversary": 0,
        "adversary_from": 0,
        "discriminator_lr": 0,
    }

    def __post_init__(self):
        super().__post_init__()
        if self.accumulate != 1:
            raise UserError(
                f"accumulate: expected 1 where two networks step by turns, found {self.accumulate}; set it to 1."
            )


def train(run_dir: Path | str, recipe: AlphaGANRecipe, machine: Machine = Machine(), people: int = 0) -> pd.DataFrame:
    """Train it; the history, one row an epoch.

    Columns: epoch, step, train_alpha, train_composition, train_laplacian, train_fooled (the discriminator's mean answer
    to composites of the generator's alpha), train_told (to true ones; both NaN without an adversary), test_mse (unknown
    pixels of held-out people at 600x800, radius 12 px), test_grad; seconds, images_per_second. people: of how many to
    make the crops, 0 = all. Folder, resuming and repeatability are those of lib.training.loop.
    """
    with place(machine) as here:
        inputs = {"people": people, **recipe.inputs()}
        return loop.train(lambda: AlphaGANTraining(recipe, here, people), run_dir, recipe, here, inputs)


class AlphaGANTraining(Composed):
    """Generator and discriminator."""

    unit = "crops"
    records = ("train_alpha", "train_composition", "train_laplacian", "train_fooled", "train_told")

    def __init__(self, recipe: AlphaGANRecipe, here: Place, people: int = 0):
        super().__init__(recipe, here)
        self.model = seeded(small, recipe.seed)
        begin(self.model, self.model.generator.encoder, recipe)
        self.layers = Layers(recipe.textures, people)
        self.steps = 0
        self.whole = recipe.steps or recipe.epochs * self.epoch_steps()

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        """The generator's, its encoder at a rate of its own, and the discriminator's."""
        recipe, generator = self.recipe, self.model.generator
        mine = two_rates(generator, generator.encoder, recipe, self.place)
        if not recipe.adversary:
            return [mine]
        judge = [{"params": list(self.model.discriminator.parameters()), "lr": recipe.discriminator_lr}]
        return [mine, make_optimizer(judge, recipe, self.place.device)]

    def pictures(self, epoch: int) -> Dataset:
        """Crops with foreground and background."""
        side = self.recipe.late_side if self.late(epoch) else self.recipe.side
        return TrimapCrops(self.layers, self.images, side, self.recipe.seed)

    def batches(self, epoch: int, first: int):
        """As Composed's; how many steps came before is counted from here."""
        self.steps = (epoch - 1) * self.epoch_steps() + first // self.recipe.accumulate
        yield from super().batches(epoch, first)

    def step(self, batches: list) -> torch.Tensor:
        """One step of the discriminator, where there is an adversary, then one of the generator."""
        told = torch.stack([self._step(batch) for batch in batches])
        self.steps += 1
        return told

    def _step(self, batch: torch.Tensor) -> torch.Tensor:
        generator, discriminator = self.model.generator, self.model.discriminator
        floats = batch.float() / 255
        image, foreground, background, alpha = floats[:, :10].split((3, 3, 3, 1), dim=1)
        trimap = trimap_levels(batch[:, 10:])
        with self.place.autocast():
            predicted = generator(image, trimap)
        # Composites before other pictures' backgrounds, the true ones as well: else the background would tell them apart.
        other, another = background.roll(1, 0), background.roll(2, 0)
        fake = predicted * foreground + (1 - predicted) * other
        answers = predicted.new_full((2,), float("nan"))
        adversarial = predicted.new_zeros(())
        if self.recipe.adversary:
            real = alpha * foreground + (1 - alpha) * another
            to_real, to_fake = discriminator(real, trimap), discriminator(fake.detach(), trimap)
            judges = self.optimizers[1]
            judges.zero_grad(set_to_none=True)
            discriminator_loss(to_real, to_fake).backward()
            judges.step()
            answers = torch.stack([to_fake.mean(), to_real.mean()]).detach()
            if self.steps >= self.recipe.adversary_from * self.whole:
                adversarial = generator_loss(discriminator(fake, trimap))
        parts = self._parts(predicted, alpha, foreground, background, trimap == 0.5)
        mine = self.optimizers[0]
        mine.zero_grad(set_to_none=True)
        weights = 1.0, self.recipe.composition, self.recipe.laplacian
        loss = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        (loss + self.recipe.adversary * adversarial).backward()
        torch.nn.utils.clip_grad_norm_(generator.parameters(), self.recipe.clip)
        mine.step()
        return torch.cat([torch.stack(parts).detach(), answers])

    def _parts(self, predicted, alpha, foreground, background, unknown) -> list[torch.Tensor]:
        """Alpha-prediction, compositional and Laplacian loss of the unknown pixels."""
        composite = alpha * foreground + (1 - alpha) * background
        return [
            alpha_prediction_loss(predicted, alpha, unknown),
            compositional_loss(predicted, composite, foreground, background, unknown),
            # The pyramid's means run over all pixels: as if over the unknown ones.
            laplacian_loss(torch.where(unknown, predicted, alpha), alpha, 4) / unknown.float().mean().clamp(min=0.02),
        ]

    def test(self, model: torch.nn.Module) -> dict[str, float]:
        """test_mse and test_grad over held-out people at 600x800."""
        found = []
        for sample in people_held_out(self.recipe.tests):
            trimap = make_trimap(sample.alpha, TEST_RADIUS)
            alpha = matte(model, sample.image / 255, trimap, precision=self.place.precision)
            measured = {"test_mse": metrics.mse, "test_grad": metrics.grad}
            found.append({name: measure(alpha, sample.alpha, trimap) for name, measure in measured.items()})
        return pd.DataFrame(found).mean().to_dict()
