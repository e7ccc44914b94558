"""Trainings on pictures that are composed as they are needed: what those of all networks for photographs share."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, Dataset

from lib.base import UserError
from lib.data.portraits import Portraits
from lib.data.source import Sample
from lib.models.encoder import EfficientNetLite0, load_imagenet
from lib.models.mobile import Adapted, start_from
from lib.training import loop
from lib.training.folder import file_digest
from lib.training.optimize import make_optimizer
from lib.training.place import Place
from lib.training.recipe import Recipe

IMAGENET = "imagenet"


@dataclass(frozen=True)
class ComposedRecipe(Recipe):
    """epochs of `images` pictures each; their weights rise to lr (the encoder's to encoder_lr) and fall along a cosine.
    side: height of the pictures in px; late_side: of those in the last third of the epochs. textures: folder of
    photographs without people (lib.data.composer). encoder: where the encoder's weights come from, "imagenet" or the
    folder of a network that has such an encoder (lib.training.portrait). start: folder of a training of the same network to
    go on from, or "". tests: held-out people, or clips, to test on.
    """

    epochs: int = 10
    batch_size: int = 8
    lr: float = 1e-3
    encoder_lr: float = 3e-4
    optimizer: str = "adamw"
    schedule: str = "cosine"
    weight_decay: float = 1e-4
    clip: float = 1.0
    ema: float = 0.99
    images: int = 1000
    side: int = 256
    late_side: int = 320
    textures: str = ""
    encoder: str = IMAGENET
    start: str = ""
    tests: int = 8

    LEAST: ClassVar[dict[str, float]] = {
        **Recipe.LEAST,
        "images": 2,
        "side": 64,
        "late_side": 64,
        "tests": 0,
        "encoder_lr": 0,
    }

    def __post_init__(self):
        super().__post_init__()
        if self.images < self.batch_size:
            raise UserError(f"images: expected at least one batch of {self.batch_size}, found {self.images}; use more.")

    def inputs(self) -> dict[str, str]:
        """What the weights start from, for the training's configuration. UserError where it isn't there."""
        if self.start:
            return {"encoder_sha256": "", "start_sha256": file_digest(_weights("start", self.start))}
        own = "" if self.encoder == IMAGENET else file_digest(_weights("encoder", self.encoder))
        return {"encoder_sha256": own, "start_sha256": ""}


def _weights(name: str, folder: str) -> Path:
    file = Path(folder) / "model.safetensors"
    if not file.is_file():
        raise UserError(
            f"{name}: expected the folder of a finished training, found no model.safetensors in {folder!r}; correct it "
            "or leave it out."
        )
    return file


class Composed(loop.System):
    """A system with an EfficientNet-Lite0 and a decoder, on composed pictures. A subclass sets `model` by `made`."""

    recipe: ComposedRecipe

    def __init__(self, recipe: ComposedRecipe, here: Place):
        super().__init__(recipe, here)
        self.images = recipe.images // recipe.batch_size * recipe.batch_size

    def encoder(self) -> nn.Module:
        """The part of the model that has learnt already."""
        return self.model.encoder

    def pictures(self, epoch: int) -> Dataset:
        """The pictures of an epoch, counted from 1."""
        raise NotImplementedError

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        """One AdamW; the encoder at a rate of its own."""
        return [two_rates(self.learning(), self.encoder(), self.recipe, self.place)]

    def epoch_steps(self) -> int:
        """Steps of `images` pictures."""
        return max(1, self.images // self.recipe.batch_size // self.recipe.accumulate)

    def batches(self, epoch: int, first: int) -> Iterator[torch.Tensor]:
        """uint8 batches on the device, as the pictures' data set says, composed while the step before runs.

        What a network draws of itself while it learns from one (dropout) depends on (seed, epoch, batch) alone, too.
        """
        found = stacks(self.pictures(epoch), epoch, first, self.images, self.recipe.batch_size, self.place)
        for number, stack in enumerate(found, first):
            torch.manual_seed(int(np.random.SeedSequence([self.recipe.seed, epoch, number]).generate_state(1)[0]))
            yield stack

    def late(self, epoch: int) -> bool:
        """Whether an epoch is of the last third."""
        return epoch > math.ceil(self.recipe.epochs * 2 / 3)


def two_rates(model: nn.Module, encoder: nn.Module, recipe, here: Place) -> torch.optim.Optimizer:
    """The recipe's optimiser for a model, its encoder at `encoder_lr`."""
    learnt = list(encoder.parameters())
    known = {id(parameter) for parameter in learnt}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return make_optimizer([{"params": learnt, "lr": recipe.encoder_lr}, {"params": rest}], recipe, here.device)


def seeded(make, seed: int):
    """What `make` makes, its random weights drawn from `seed`; the process's own random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def begin(model: nn.Module, encoder: Adapted, recipe: ComposedRecipe) -> None:
    """Give a small network the weights that the recipe starts from, in place: all of them, or its encoder's
    (lib.models.mobile.lite0)."""
    if recipe.start:
        model.load_state_dict(load_file(_weights("start", recipe.start)))
        return
    if recipe.encoder == IMAGENET:
        start_from(encoder, _imagenet())
        return
    weights = load_file(_weights("encoder", recipe.encoder))
    start_from(encoder, {name.removeprefix("encoder."): value.float() for name, value in weights.items()})


def _imagenet() -> dict[str, torch.Tensor]:
    """ImageNet's weights by the names of EfficientNetLite0."""
    whole = EfficientNetLite0()
    load_imagenet(whole)
    return whole.state_dict()


def forgiven(predicted: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """`predicted` (float, any shape), with alpha where it goes beyond an alpha of 0 or 1: there the clamp of a network's
    forward is right, and nothing is left to learn. A line can't hit 0 and 1 over whole areas: it learns a grey veil."""
    beyond = ((alpha >= 0.99) & (predicted > alpha)) | ((alpha <= 0.01) & (predicted < alpha))
    return torch.where(beyond, alpha, predicted)


def people_held_out(people: int, size: tuple[int, int] | None = None) -> Iterator[Sample]:
    """A picture each of so many held-out rendered people, at `size` (height, width), without it at 800x600."""
    source = Portraits(12 * people)
    seen: set[str] = set()
    for index, group in enumerate(source.groups):
        if group.startswith("test-") and group not in seen and len(seen) < people:
            seen.add(group)
            yield source.read(index, size)


def stacks(pictures: Dataset, epoch: int, first: int, images: int, size: int, here: Place) -> Iterator[torch.Tensor]:
    """The batches of an epoch from batch `first` (counted from 0) on: uint8, stacked items of (epoch, row)."""
    parts = [[(epoch, row) for row in range(start, start + size)] for start in range(0, images, size)][first:]
    if here.workers:
        found = DataLoader(pictures, batch_sampler=parts, num_workers=here.workers)
    else:
        found = ahead(pictures, parts)
    for stack in found:
        yield stack.to(here.device, non_blocking=True)


def ahead(pictures: Dataset, parts: list[list[tuple[int, int]]]) -> Iterator[torch.Tensor]:
    """The batches, each composed in a thread of its own while the one before is used."""

    def compose(part: list[tuple[int, int]]) -> torch.Tensor:
        return torch.from_numpy(np.stack([pictures[place] for place in part]))

    with ThreadPoolExecutor(1) as pool:
        coming = [pool.submit(compose, part) for part in parts[:2]]
        for after in [*parts[2:], None, None]:
            if not coming:
                return
            yield coming.pop(0).result()
            if after is not None:
                coming.append(pool.submit(compose, after))
