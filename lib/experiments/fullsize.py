"""What notebook 06 trains with the two-stage network, how it is scored, and how notebook 07 uses it.

An arm is a training with ("da") or without ("plain") augmentation; each goes through the steps of lib.training.dim, one
behind the other. Scores are frames of lib.evaluation.scores; a method there has the name that `label` gives.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from lib import baselines, inference
from lib.base import UserError, runs_dir
from lib.compute import cpu_threads, resolve_device
from lib.data.open import open_source
from lib.data.prepare import Prepared, prepare
from lib.data.splits import group_split, random_split
from lib.evaluation import scores, stats
from lib.experiments.parameters import Parameters
from lib.models import store
from lib.models.dim import WIDTH
from lib.training import dim
from lib.training.dim import DimConfig, DimTask
from lib.training.trainer import train

ARMS = {"plain": "", "da": ", DA"}


@dataclass(frozen=True)
class Step:
    """One training behind another. stage: what it trains; start: the step that it goes on from; epochs, rate: its
    length and learning rate as shares of the first step's."""

    label: str
    stage: str
    start: str = ""
    epochs: float = 1.0
    rate: float = 1.0


# "longer" spends on stage 1 alone what the other two spend on both: without it, more training would pass for a better
# network. Only the plain arm has it.
STEPS = {
    "stage1": Step("stage 1", "stage1"),
    "refined": Step("stage 1 + refinement", "refinement", "stage1", 0.25),
    "both": Step("both stages together", "both", "refined", 0.5, 0.2),
    "longer": Step("stage 1, trained as long", "stage1", "stage1", 0.75, 0.2),
}
CONTROL = "control: trimap as alpha"
Split = tuple[np.ndarray, np.ndarray]


def picture_size(p: Parameters) -> tuple[int, int]:
    """(height, width) in px: full_size is the height of a portrait of 3:4."""
    return p.full.size, round(p.full.size * 3 / 4)


def images(p: Parameters) -> Prepared:
    """The images at full_size, from the notebook's source."""
    source = open_source(p.data.data, p.data.data_dir, p.full.images, p.data.seed)
    return prepare(source, picture_size(p), p.data.trimap_rule, bad_limit=p.data.bad_limit)


def split(prepared: Prepared, p: Parameters) -> Split:
    """By group, so that nobody is in both sides; by image where groups are too few. Of the test images full_tests."""
    few = len(set(prepared.groups)) < 4
    train_index, test_index = (
        random_split(len(prepared), p.data.seed, p.data.test_fraction)
        if few
        else group_split(prepared.groups, p.data.seed, p.data.test_fraction)
    )
    most = min(len(test_index), p.full.tests)
    return train_index, test_index[np.linspace(0, len(test_index) - 1, most).round().astype(int)]


def trainings() -> list[tuple[str, str]]:
    """All (arm, step), each after the one that it starts from."""
    return [(arm, step) for arm in ARMS for step in STEPS if (arm, step) != ("da", "longer")]


def label(arm: str, step: str) -> str:
    """As tables and figures call it."""
    return STEPS[step].label + ARMS[arm]


def folder(run: str, arm: str, step: str, seed: int) -> Path:
    """Where a training lies."""
    return runs_dir(run) / "train" / f"dim-{arm}-{step}-seed{seed}"


def seeds_of(p: Parameters) -> list[int]:
    """seed, seed + 1, ... (full_seeds of them)."""
    return [p.data.seed + number for number in range(p.full.seeds)]


def encoder(p: Parameters) -> tuple[str, str]:
    """(encoder_weights as the training gets them, what they are in words): weights fit a network of full width only."""
    weights = p.thumbnail.encoder_weights
    if weights and p.full.width != WIDTH:
        return "", f"random weights (`encoder_weights` needs {WIDTH} channels in the first block)"
    return weights, {"": "random weights", "imagenet": "torchvision's ImageNet weights"}.get(
        weights, "a local file's weights"
    )


def recipe(arm: str, step: str, seed: int, p: Parameters) -> DimConfig:
    """How a step of an arm is trained."""
    this, full = STEPS[step], p.full
    own = DimConfig(
        epochs=full.epochs,
        lr=full.lr,
        batch_size=full.batch,
        crops=full.crops,
        side=full.side,
        width=full.width,
        encoder_weights=encoder(p)[0],
        seed=seed,
    )
    return replace(
        own,
        stage=this.stage,
        start=str(folder(p.run, arm, this.start, seed)) if this.start else "",
        epochs=max(1, round(full.epochs * this.epochs)),
        lr=full.lr * this.rate,
        augment=arm == "da",
    )


def run_all(prepared: Prepared, sides: Split, p: Parameters) -> pd.DataFrame:
    """Train all arms, steps and seeds, or find them done; their histories below each other, with arm, step, seed."""
    # Processes that cut crops: on a GPU, which they would else keep waiting; a CPU has its hands full with training.
    on_gpu = resolve_device(p.computer.device).type == "cuda"
    machine = replace(p.machine, workers=min(16, os.cpu_count() or 1) if on_gpu else 0)
    frames = []
    for seed in seeds_of(p):
        for arm, step in trainings():
            run_dir, config = folder(p.run, arm, step, seed), recipe(arm, step, seed, p)
            history = train(DimTask, config, run_dir, machine, prepared, sides)
            frames.append(history.rename(columns={"step": "steps"}).assign(arm=arm, step=step, seed=seed))
    return pd.concat(frames, ignore_index=True)


def load(arm: str, step: str, seed: int, p: Parameters) -> nn.Module:
    """The trained network; UserError that names notebook 06 when it is missing."""
    place = folder(p.run, arm, step, seed)
    if not (place / "model.safetensors").is_file():
        raise UserError(
            f"runs/{p.run}/train/{place.name}: expected a trained network, found none; run notebook "
            "06_refinement with the same parameters first."
        )
    return store.load(place, p.computer.device)


def predict(prepared: Prepared, index: np.ndarray, arm: str, step: str, seed: int, p: Parameters) -> np.ndarray:
    """Alphas (n,1,H,W) float32 in [0,1] of the whole test images, known pixels kept."""
    with cpu_threads(p.computer.threads):
        found = dim.predictions(load(arm, step, seed, p), prepared, index, p.computer.precision)
        return np.stack([alpha[None] for _, _, alpha in found])


def score(prepared: Prepared, index: np.ndarray, p: Parameters) -> pd.DataFrame:
    """Scores by the four measures of every training and of the control on the test images."""
    trimap, alpha = np.asarray(prepared.trimap[index]), np.asarray(prepared.alpha[index])
    found = [
        scores.by_field(label(arm, step), seed, index, predict(prepared, index, arm, step, seed, p), alpha, trimap)
        for arm, step in trainings()
        for seed in seeds_of(p)
    ]
    control = scores.by_field(CONTROL, 0, index, baselines.trimap_as_alpha(trimap), alpha, trimap)
    return pd.concat([*found, control], ignore_index=True)


def effects(scored: pd.DataFrame, seed: int) -> dict[str, dict[str, dict]]:
    """Effect -> measure -> paired difference with its interval; negative is better.

    The last effect is the study's question: what augmentation changes behind the refinement, minus what it changes
    behind stage 1 alone.
    """
    pairs = {
        "refinement": (label("plain", "refined"), label("plain", "stage1")),
        "both stages": (label("plain", "both"), label("plain", "stage1")),
        "both stages, against stage 1 trained as long": (label("plain", "both"), label("plain", "longer")),
        "augmentation, stage 1": (label("da", "stage1"), label("plain", "stage1")),
        "augmentation, both stages": (label("da", "both"), label("plain", "both")),
        "both stages, against the trimap as alpha": (label("plain", "both"), CONTROL),
    }

    def minus(effect: str, name: str) -> np.ndarray:
        return np.subtract(*np.broadcast_arrays(*(scores.matrix(scored, method, name) for method in pairs[effect])))

    found = {effect: {name: stats.estimate(minus(effect, name), seed) for name in scores.FOUR} for effect in pairs}
    found["augmentation, both stages minus stage 1"] = {
        name: stats.estimate(minus("augmentation, both stages", name) - minus("augmentation, stage 1", name), seed)
        for name in scores.FOUR
    }
    return found


def methods(p: Parameters) -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Label -> f(image (H,W,3) float32 in [0,1], trimap (H,W) uint8) -> alpha (H,W) float32, first seed, augmented."""
    return {
        f"DIM, {STEPS[step].label}": partial(
            inference.matte, load("da", step, p.data.seed, p), precision=p.computer.precision
        )
        for step in ("stage1", "both")
    }
