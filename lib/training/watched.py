"""The study's training, watched: what the network makes of some images at every test on its way."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib.base import write_atomically
from lib.data.prepare import Prepared
from lib.device import Machine
from lib.inference import predict
from lib.training import loop, thumbnail
from lib.training.place import Place, place
from lib.training.thumbnail import Split, Thumbnail, ThumbnailRecipe

FOLDER = "watched"  # inside the training's own


def train(
    prepared: Prepared,
    split: Split,
    run_dir: Path | str,
    recipe: ThumbnailRecipe,
    machine: Machine,
    images: Sequence[int],
) -> pd.DataFrame:
    """`thumbnail.train`, with its numbers bit for bit, that leaves the alphas of `images` at every test (`seen`).

    Watching changes no number, so a training counts as done whether it was watched or not; one that was not is done again.
    """
    if min(recipe.batch_size, len(split[0])) < 2:
        return thumbnail.train(prepared, split, run_dir, recipe, machine)  # which says what is wrong
    run_dir = Path(run_dir)
    with place(machine) as here:
        inputs = thumbnail.inputs_of(prepared, split, recipe)

        def make() -> Watched:
            return Watched(prepared, split, recipe, here, images, run_dir / FOLDER)

        make.__module__ = thumbnail.__name__  # whose code decides the numbers, and whose network it is
        history = loop.train(make, run_dir, recipe, here, inputs)
        if missing(run_dir, history, images):
            (run_dir / "model.safetensors").unlink()
            history = loop.train(make, run_dir, recipe, here, inputs)
    return history


class Watched(Thumbnail):
    """The system, which counts its steps and writes what it predicts at each test."""

    def __init__(
        self,
        prepared: Prepared,
        split: Split,
        recipe: ThumbnailRecipe,
        here: Place,
        images: Sequence[int],
        folder: Path,
    ):
        super().__init__(prepared, split, recipe, here)
        self.watched, self.folder, self.done = np.asarray(images), folder, 0

    def batches(self, epoch: int, first: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Those of the training; from them it is known at which step it is, also after it was killed."""
        self.done = (epoch - 1) * self.epoch_steps() + first // self.recipe.accumulate
        return super().batches(epoch, first)

    def step(self, batches: list) -> torch.Tensor:
        """A step of the training, counted."""
        self.done += 1
        return super().step(batches)

    def test(self, model: torch.nn.Module) -> dict[str, float]:
        """The training's test; beside it the alphas of the watched images, to 8 bits, as <step>.npz."""
        machine = Machine(str(self.place.device), self.place.precision)
        alpha = predict(model, self.prepared, self.watched, machine)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=self.watched, alpha=np.rint(255 * alpha[:, 0]).astype(np.uint8))
        self.folder.mkdir(exist_ok=True)
        write_atomically(_file(self.folder, self.done), buffer.getvalue())
        return super().test(model)


def seen(run_dir: Path | str, history: pd.DataFrame) -> np.ndarray:
    """Alphas (tests, images, H, W) uint8 of a watched training, one for each row of its history."""
    alphas = []
    for step in history.step:
        with np.load(_file(Path(run_dir) / FOLDER, step)) as file:
            alphas.append(file["alpha"])
    return np.stack(alphas)


def missing(run_dir: Path, history: pd.DataFrame, images: Sequence[int]) -> bool:
    """Whether a training's folder lacks these images at one of its tests."""
    for path in (_file(run_dir / FOLDER, step) for step in history.step):
        if not path.is_file():
            return True
        with np.load(path) as file:
            if not np.array_equal(file["images"], images):
                return True
    return False


def _file(folder: Path, step: int) -> Path:
    return folder / f"{step:06d}.npz"
