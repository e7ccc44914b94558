"""Training of Robust Video Matting at its small size (lib.models.video)."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from lib.data.clips import Clips, resized
from lib.data.composer import Layers, PortraitScenes
from lib.data.moving import MovingScenes, rendered_clips, with_margin
from lib.device import Machine
from lib.evaluation.video import clip_errors
from lib.losses import foreground_loss, laplacian_loss, temporal_loss
from lib.models.video import small
from lib.systems import matte_clip
from lib.training import loop
from lib.training.composed import Composed, ComposedRecipe, begin, forgiven, seeded
from lib.training.place import Place, place


@dataclass(frozen=True)
class VideoRecipe(ComposedRecipe):
    """images are clips here, of `frames` frames; in the last third of the epochs, at late_side, of late_frames. temporal:
    weight of the losses over changes from frame to frame. memories: of the network (lib.models.video)."""

    batch_size: int = 3
    images: int = 300
    side: int = 192
    frames: int = 6
    late_frames: int = 6
    temporal: float = 5.0
    memories: int = 3
    tests: int = 6

    LEAST: ClassVar[dict[str, float]] = {
        **ComposedRecipe.LEAST,
        "frames": 2,
        "late_frames": 2,
        "temporal": 0,
        "memories": 0,
    }


def train(run_dir: Path | str, recipe: VideoRecipe, machine: Machine = Machine(), people: int = 0) -> pd.DataFrame:
    """Train it; the history, one row an epoch.

    Columns: epoch, step, train_alpha, train_laplacian, train_temporal, train_foreground (means over batches), test_mad
    and test_dtssd over held-out clips (lib.evaluation.video), with the memory and, as test_forgetful_mad and
    test_forgetful_dtssd, frame by frame without; seconds, images_per_second (clips). people: of how many to make stills,
    0 = all. Folder, resuming and repeatability are those of lib.training.loop.
    """
    with place(machine) as here:
        inputs = {"people": people, **recipe.inputs()}
        return loop.train(lambda: Video(recipe, here, people), run_dir, recipe, here, inputs)


class Video(Composed):
    """Robust Video Matting on clips."""

    unit = "clips"
    records = ("train_alpha", "train_laplacian", "train_temporal", "train_foreground")

    def __init__(self, recipe: VideoRecipe, here: Place, people: int = 0):
        super().__init__(recipe, here)
        self.model = seeded(lambda: small(recipe.memories), recipe.seed)
        begin(self.model, self.model.encoder, recipe)
        self.layers, self.clips = Layers(recipe.textures, people), rendered_clips()

    def pictures(self, epoch: int) -> Dataset:
        """Clips of 3:4."""
        recipe, late = self.recipe, self.late(epoch)
        height = recipe.late_side if late else recipe.side
        width = height * 3 // 4
        scenes = PortraitScenes(self.layers, self.images, with_margin(height), with_margin(width), recipe.seed)
        return MovingScenes(scenes, self.clips, recipe.late_frames if late else recipe.frames, height, width)

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """L1, Laplacian and temporal loss of alpha; L1 and temporal loss of the foreground where there is one."""
        floats = batch.float() / 255
        clip, foreground, alpha = floats.split((3, 3, 1), dim=2)
        with self.place.autocast():
            found = self.model(clip, clamp=False)
        fine = forgiven(found.alpha, alpha)
        levels = 5 if batch.shape[-1] >= 128 else 4
        parts = [
            (fine - alpha).abs().mean(),
            laplacian_loss(fine, alpha, levels),
            temporal_loss(fine, alpha),
            foreground_loss(found.foreground, foreground, alpha),
        ]
        moving = temporal_loss(found.foreground, foreground, alpha > 0)
        loss = parts[0] + parts[1] + parts[3] + self.recipe.temporal * (parts[2] + moving)
        return loss, torch.stack(parts).detach()

    def test(self, model: torch.nn.Module) -> dict[str, float]:
        """Errors over held-out clips, with memory and without."""
        size = self.recipe.late_side, self.recipe.late_side * 3 // 4
        found = [
            {
                f"test_{how}{name}": value
                for how, errors in self._score(model, frames).items()
                for name, value in errors.items()
            }
            for frames in clips_held_out(self.recipe.tests, size)
        ]
        return pd.DataFrame(found).mean().to_dict()

    def _score(self, model: torch.nn.Module, frames: list) -> dict[str, dict[str, float]]:
        pictures, alphas = np.stack([frame.image for frame in frames]), np.stack([frame.alpha for frame in frames])
        precision = self.place.precision
        return {
            how: clip_errors(matte_clip(model, pictures, remember=how == "", precision=precision)[0], alphas)
            for how in ("", "forgetful_")
        }


def clips_held_out(clips: int, size: tuple[int, int]) -> list[list]:
    """The frames (lib.data.source.Sample) of so many held-out clips, at `size` (height, width)."""
    source = Clips()
    chosen = [index for index, group in enumerate(source.groups) if group.startswith("test-")][:clips]
    return [[resized(frame, size) for frame in source.read(index)] for index in chosen]
