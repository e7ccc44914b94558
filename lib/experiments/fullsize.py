"""What notebook 06 trains with the two-stage network, how it is scored, and how notebook 07 uses it.

`p` is the dict of the notebook's parameters. An arm is a training with ("da") or without ("plain") augmentation; each
goes through the steps of `lib.training.dim`, one behind the other. Measures are name -> (seeds, images) float64.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from lib import baselines, inference
from lib.base import UserError, runs_dir
from lib.data.open import open_source
from lib.data.prepare import Prepared, prepare, test_trimaps
from lib.data.splits import group_split, random_split
from lib.device import cpu_threads, resolve_device
from lib.evaluation.scores import FOUR, image_metrics
from lib.evaluation.stats import difference
from lib.models.dim import VGG16
from lib.training import dim

ARMS = {"plain": "", "da": ", DA"}
# Name: (label, step of the training, what it starts from, epochs and learning rate as shares of the first step's).
# "longer" spends on stage 1 alone what the other two spend on both: without it, more training would pass for a better
# network. Only the plain arm has it.
STEPS = {"stage1": ("stage 1", "stage1", "", 1.0, 1.0),
         "refined": ("stage 1 + refinement", "refinement", "stage1", 0.25, 1.0),
         "both": ("both stages together", "both", "refined", 0.5, 0.2),
         "longer": ("stage 1, trained as long", "stage1", "stage1", 0.75, 0.2)}
CONTROL = "control: trimap as alpha"
Split = tuple[np.ndarray, np.ndarray]
Measures = dict[str, np.ndarray]


def picture_size(p: dict) -> tuple[int, int]:
    """(height, width) in px: full_size is the height of a portrait of 3:4."""
    return p["full_size"], round(p["full_size"] * 3 / 4)


def images(p: dict) -> Prepared:
    """The images at full_size, from the notebook's source."""
    return prepare(open_source(p["data"], p["data_dir"], p["full_images"], p["seed"]), picture_size(p),
                   bad_limit=p["bad_limit"])


def split(prepared: Prepared, p: dict) -> Split:
    """By group, so that nobody is in both sides; by image where groups are too few. Of the test images full_tests."""
    few = len(set(prepared.groups)) < 4
    sides = (random_split(len(prepared), p["seed"], p["test_fraction"]) if few
             else group_split(prepared.groups, p["seed"], p["test_fraction"]))
    train_index, test_index = sides
    most = min(len(test_index), p["full_tests"])
    return train_index, test_index[np.linspace(0, len(test_index) - 1, most).round().astype(int)]


def trainings() -> list[tuple[str, str]]:
    """All (arm, step), each after the one that it starts from."""
    return [(arm, step) for arm in ARMS for step in STEPS if (arm, step) != ("da", "longer")]


def label(arm: str, step: str) -> str:
    """As tables and figures call it."""
    return STEPS[step][0] + ARMS[arm]


def folder(run: str, arm: str, step: str, seed: int) -> Path:
    """Where a training lies."""
    return runs_dir(run) / "train" / f"dim-{arm}-{step}-seed{seed}"


def seeds_of(p: dict) -> list[int]:
    """seed, seed + 1, ... (full_seeds of them)."""
    return [p["seed"] + number for number in range(p["full_seeds"])]


def encoder(p: dict) -> tuple[str, str]:
    """(encoder_weights as the training gets them, what they are in words): weights fit a network of full width only."""
    weights = p["encoder_weights"]
    if weights and p["full_width"] != VGG16[0][0]:
        return "", f"random weights (`encoder_weights` needs {VGG16[0][0]} channels in the first block)"
    return weights, {"": "random weights", "imagenet": "torchvision's ImageNet weights"}.get(weights, "a local file's weights")


def run_all(prepared: Prepared, sides: Split, p: dict) -> pd.DataFrame:
    """Train all arms, steps and seeds, or find them done; their histories below each other, with arm, step, seed."""
    frames = []
    for seed in seeds_of(p):
        for arm, step in trainings():
            history = run_one(prepared, sides, arm, step, seed, p)
            frames.append(history.assign(arm=arm, step=step, seed=seed))
    return pd.concat(frames, ignore_index=True)


def run_one(prepared: Prepared, sides: Split, arm: str, step: str, seed: int, p: dict) -> pd.DataFrame:
    """One training; see `lib.training.dim.train`."""
    _, kind, start, epochs, rate = STEPS[step]
    shared = ("trimap_rule", "device", "precision", "threads")
    return dim.train(
        prepared, *sides, folder(p["run"], arm, step, seed), step=kind,
        start=folder(p["run"], arm, start, seed) if start else "", epochs=max(1, round(p["full_epochs"] * epochs)),
        lr=p["full_lr"] * rate, crops=p["full_crops"], side=p["full_side"], batch_size=p["full_batch"],
        width=p["full_width"], encoder_weights=encoder(p)[0], augment=arm == "da", seed=seed, workers=workers(p),
        **{name: p[name] for name in shared})


def workers(p: dict) -> int:
    """Processes that cut crops: on a GPU, which they would else keep waiting; a CPU has its hands full with training."""
    return min(16, os.cpu_count() or 1) if resolve_device(p["device"]).type == "cuda" else 0


def load(arm: str, step: str, seed: int, p: dict):
    """The trained network; UserError that names notebook 06 when it is missing."""
    place = folder(p["run"], arm, step, seed)
    if not (place / "model.safetensors").is_file():
        raise UserError(f"runs/{p['run']}/train/{place.name}: expected a trained network, found none; run notebook "
                        "06_refinement with the same parameters first.")
    return dim.load(place, p["device"])


def predict(prepared: Prepared, index: np.ndarray, arm: str, step: str, seed: int, p: dict) -> np.ndarray:
    """Alphas (n,1,H,W) float32 in [0,1] of the whole test images, known pixels kept."""
    with cpu_threads(p["threads"]):
        found = dim.predictions(load(arm, step, seed, p), prepared, index, p["trimap_rule"], p["precision"])
        return np.stack([alpha[None] for _, _, alpha in found])


def measure(prepared: Prepared, index: np.ndarray, p: dict) -> dict[str, Measures]:
    """Label -> measures of every training and of the control on the test images."""
    trimap, alpha = test_trimaps(prepared, index, p["trimap_rule"]), np.asarray(prepared.alpha[index])
    found = {}
    for arm, step in trainings():
        rows = [image_metrics(predict(prepared, index, arm, step, seed, p), alpha, trimap) for seed in seeds_of(p)]
        found[label(arm, step)] = {name: np.stack([row[name] for row in rows]) for name in FOUR}
    own = image_metrics(baselines.trimap_as_alpha(trimap), alpha, trimap)
    return found | {CONTROL: {name: own[name][None] for name in FOUR}}


def effects(measured: dict[str, Measures], seed: int) -> dict[str, dict[str, dict]]:
    """Effect -> measure -> paired difference with its interval; negative is better.

    The last effect is the study's question: what augmentation changes behind the refinement, minus what it changes
    behind stage 1 alone.
    """
    def of(arm: str, step: str, name: str) -> np.ndarray:
        return measured[label(arm, step)][name]

    pairs = {"refinement": (("plain", "refined"), ("plain", "stage1")),
             "both stages": (("plain", "both"), ("plain", "stage1")),
             "both stages, against stage 1 trained as long": (("plain", "both"), ("plain", "longer")),
             "augmentation, stage 1": (("da", "stage1"), ("plain", "stage1")),
             "augmentation, both stages": (("da", "both"), ("plain", "both"))}
    found = {effect: {name: difference(of(*new, name), of(*old, name), seed) for name in FOUR}
             for effect, (new, old) in pairs.items()}
    found["both stages, against the trimap as alpha"] = {
        name: difference(of("plain", "both", name), measured[CONTROL][name], seed) for name in FOUR}
    found["augmentation, both stages minus stage 1"] = {
        name: difference(of("da", "both", name) - of("plain", "both", name),
                         of("da", "stage1", name) - of("plain", "stage1", name), seed) for name in FOUR}
    return found


def effects_table(found: dict[str, dict[str, dict]], headers: dict[str, str]) -> pd.DataFrame:
    """One row an effect; each measure with its interval. headers: measure -> header with its unit."""
    rows = []
    for effect, by_name in found.items():
        row: dict[str, object] = {"difference made by": effect}
        for name, header in headers.items():
            row |= {header: by_name[name]["value"], f"{header} low": by_name[name]["low"],
                    f"{header} high": by_name[name]["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def methods(p: dict) -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Label -> f(image (H,W,3) float32 in [0,1], trimap (H,W) uint8) -> alpha (H,W) float32, first seed, augmented."""
    return {f"DIM, {STEPS[step][0]}": partial(inference.matte, load("da", step, p["seed"], p),
                                              precision=p["precision"]) for step in ("stage1", "both")}
