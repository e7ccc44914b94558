"""What notebook 06 trains with the two-stage network, how it is scored, and how notebook 07 uses it.

An arm is a training with ("da") or without ("plain") augmentation; each goes through the steps of lib.training.dim, one after
the other. Scores are frames of lib.scores; a method there has the name that `label` gives.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from lib import baselines, inference, scores
from lib.base import UserError, runs_dir
from lib.compute import cpu_threads, resolve_device
from lib.data.cache import ImageSet, prepare
from lib.data.sources import open_source
from lib.data.splits import Split, make_split
from lib.experiments.parameters import Parameters
from lib.models.checkpoint import load_network
from lib.models.vgg import WIDTH
from lib.scores import OFFICIAL_MEASURES, TRIMAP_CONTROL
from lib.training import dim
from lib.training.dim import DimConfig, DimTask
from lib.training.trainer import train

ARMS = {"plain": "", "da": ", DA"}


@dataclass(frozen=True)
class Step:
    """stage: what it trains; start: the step that it goes on from; epochs, rate: shares of the first step's."""

    label: str
    stage: str
    start: str = ""
    epochs: float = 1.0
    rate: float = 1.0


# "longer" trains stage 1 alone for as many epochs as the other two steps have: it shows what more training alone gives.
STEPS = {
    "stage1": Step("stage 1", "stage1"),
    "refined": Step("stage 1 + refinement", "refinement", "stage1", 0.25),
    "both": Step("both stages together", "both", "refined", 0.5, 0.2),
    "longer": Step("stage 1, trained as long", "stage1", "stage1", 0.75, 0.2),
}
TRAININGS = [(arm, step) for arm in ARMS for step in STEPS if (arm, step) != ("da", "longer")]


def picture_size(p: Parameters) -> tuple[int, int]:
    """(height, width) in px: full_size is the height of a portrait of 3:4."""
    return p.full_size, round(p.full_size * 3 / 4)


def images(p: Parameters) -> ImageSet:
    """The images at full_size, from the notebook's source."""
    source = open_source(p.data, p.data_dir, p.full_images, p.seed)
    return prepare(source, picture_size(p), p.trimap_rule, bad_limit=p.bad_limit)


def split(images: ImageSet, p: Parameters) -> Split:
    """By group, or by image where there are fewer than four groups; at most full_tests test images, evenly spaced."""
    kind = "random" if len(set(images.groups)) < 4 else "group"
    train_index, test_index = make_split(kind, images.groups, p.seed, p.test_fraction)
    count = min(len(test_index), p.full_tests)
    return train_index, test_index[np.linspace(0, len(test_index) - 1, count).round().astype(int)]


def label(arm: str, step: str) -> str:
    """What tables and figures call it."""
    return STEPS[step].label + ARMS[arm]


def folder(run: str, arm: str, step: str, seed: int) -> Path:
    """The folder of a training."""
    return runs_dir(run) / "train" / f"dim-{arm}-{step}-seed{seed}"


def seeds_of(p: Parameters) -> list[int]:
    """seed, seed + 1, ... (full_seeds of them)."""
    return [p.seed + number for number in range(p.full_seeds)]


def encoder(p: Parameters) -> tuple[str, str]:
    """(encoder_weights for the training, what they are in words); weights fit a network of full width only."""
    if p.encoder_weights and p.full_width != WIDTH:
        return "", f"random weights (`encoder_weights` needs {WIDTH} channels in the first block)"
    words = {"": "random weights", "imagenet": "torchvision's ImageNet weights"}
    return p.encoder_weights, words.get(p.encoder_weights, "a local file's weights")


def epochs_of(step: str, p: Parameters) -> int:
    """Epochs of a step."""
    return max(1, round(p.full_epochs * STEPS[step].epochs))


def config_of(arm: str, step: str, seed: int, p: Parameters) -> DimConfig:
    """How a step of an arm is trained."""
    start = STEPS[step].start
    return DimConfig(
        stage=STEPS[step].stage,
        start=str(folder(p.run, arm, start, seed)) if start else "",
        epochs=epochs_of(step, p),
        lr=p.full_lr * STEPS[step].rate,
        batch_size=p.full_batch,
        crops=p.full_crops,
        side=p.full_side,
        width=p.full_width,
        encoder_weights=encoder(p)[0],
        augment=arm == "da",
        seed=seed,
    )


def run_all(images: ImageSet, sides: Split, p: Parameters) -> pd.DataFrame:
    """Train all arms, steps and seeds, or read finished trainings; their histories below each other."""
    # Processes that cut crops: a GPU waits for them otherwise; a CPU is busy with the training.
    on_gpu = resolve_device(p.device).type == "cuda"
    compute = replace(p.compute, workers=min(16, os.cpu_count() or 1) if on_gpu else 0)
    histories = []
    for seed in seeds_of(p):
        for arm, step in TRAININGS:
            run_dir, config = folder(p.run, arm, step, seed), config_of(arm, step, seed, p)
            history = train(DimTask, config, run_dir, compute, images, sides)
            histories.append(history.rename(columns={"step": "steps"}).assign(arm=arm, step=step, seed=seed))
    return pd.concat(histories, ignore_index=True)


def load(arm: str, step: str, seed: int, p: Parameters) -> nn.Module:
    """The trained network; UserError that names notebook 06 where it is missing."""
    run_dir = folder(p.run, arm, step, seed)
    if not (run_dir / "model.safetensors").is_file():
        raise UserError(
            f"runs/{p.run}/train/{run_dir.name}: expected a trained network, found none; run notebook "
            "06_refinement with the same parameters first."
        )
    return load_network(run_dir, p.device)


def predict(images: ImageSet, index: np.ndarray, arm: str, step: str, seed: int, p: Parameters) -> np.ndarray:
    """Alphas (n,1,H,W) float32 in [0,1] of whole images, known pixels kept."""
    with cpu_threads(p.threads):
        predictions = dim.predictions(load(arm, step, seed, p), images, index, p.precision)
        return np.stack([alpha[None] for _, _, alpha in predictions])


def score(images: ImageSet, index: np.ndarray, p: Parameters) -> pd.DataFrame:
    """Scores by the four measures of every training and of the control on the test images."""
    trimap, alpha = np.asarray(images.trimap[index]), np.asarray(images.alpha[index])
    control = baselines.trimap_as_alpha(trimap)
    parts = [
        scores.score_official(label(arm, step), seed, index, predict(images, index, arm, step, seed, p), alpha, trimap)
        for arm, step in TRAININGS
        for seed in seeds_of(p)
    ]
    parts.append(scores.score_official(TRIMAP_CONTROL, 0, index, control, alpha, trimap))
    return pd.concat(parts, ignore_index=True)


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
        "both stages, against the trimap as alpha": (label("plain", "both"), TRIMAP_CONTROL),
    }
    effects: dict[str, dict[str, dict]] = {name: {} for name in [*pairs, "augmentation, both stages minus stage 1"]}
    for measure in OFFICIAL_MEASURES:
        minus = {}
        for name, methods in pairs.items():
            a, b = (scores.matrix(scored, method, measure) for method in methods)
            minus[name] = np.subtract(*np.broadcast_arrays(a, b))
        change = minus["augmentation, both stages"] - minus["augmentation, stage 1"]
        minus["augmentation, both stages minus stage 1"] = change
        for name, difference in minus.items():
            effects[name][measure] = scores.mean_with_interval(difference, seed)
    return effects


def methods(p: Parameters) -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Label -> f(image (H,W,3) float32 in [0,1], trimap (H,W) uint8) -> alpha (H,W) float32, first seed, augmented."""
    return {
        f"DIM, {STEPS[step].label}": partial(
            inference.predict_trimap, load("da", step, p.seed, p), precision=p.precision
        )
        for step in ("stage1", "both")
    }
