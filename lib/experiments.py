"""What each trained variant is, in one table, and how notebooks 03 to 05 train, load and score it.

`p` is everywhere the dict of the notebook's parameters, as `lib.parameters.check` returns it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib import stats, train
from lib.errors import UserError
from lib.evaluate import alpha_errors, chunks, predict, test_trimaps
from lib.paths import runs_dir
from lib.prepare import Prepared
from lib.splits import group_split, random_split

REGIONS = ("all", "unknown")
# The study's Table 1 has a learning rate, epochs and a batch size, but names no optimiser: "sgd" and "adam" are
# the two usual readings. "recipe" is what one would choose today. epochs and lr are names of parameters.
STUDY = {"optimizer": "sgd", "schedule": "constant", "weight_decay": 0.0, "augment": False, "split": "",
         "epochs": "epochs", "lr": "lr"}
RECIPE = {"optimizer": "adamw", "schedule": "onecycle", "weight_decay": 1e-4, "augment": False, "split": "",
          "epochs": "recipe_epochs", "lr": "recipe_lr"}
VARIANTS = {
    "sgd": {**STUDY, "label": "VGG-16, SGD"},
    "sgd-da": {**STUDY, "label": "VGG-16 DA, SGD", "augment": True},
    "adam": {**STUDY, "label": "VGG-16, Adam", "optimizer": "adam"},
    "recipe": {**RECIPE, "label": "VGG-16, recipe"},
    "recipe-da": {**RECIPE, "label": "VGG-16 DA, recipe", "augment": True},
    "recipe-group": {**RECIPE, "label": "recipe, split by group", "split": "group"},
    "recipe-random": {**RECIPE, "label": "recipe, split by image", "split": "random"},
}
NOTEBOOK = {"sgd-da": "04_augmentation", "recipe-da": "04_augmentation"}  # all others: 03_vgg16


def labels(variants: list[str]) -> dict[str, str]:
    """Variant -> label, in the given order."""
    return {variant: VARIANTS[variant]["label"] for variant in variants}


def seeds_of(p: dict) -> list[int]:
    """The training seeds: seed, seed + 1, ... (`seeds` of them)."""
    return [p["seed"] + number for number in range(p["seeds"])]


def split_of(prepared: Prepared, p: dict, split: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Sorted indices (train, test) of the named split, by default the run's own. All seeds share it."""
    if (split or p["split"]) == "group":
        return group_split(prepared.groups, p["seed"], p["test_fraction"])
    return random_split(len(prepared), p["seed"], p["test_fraction"])


def arguments(variant: str, p: dict) -> dict:
    """Keyword arguments of `lib.train.train` for a variant, but for seed and data."""
    chosen = VARIANTS[variant]
    return {
        "epochs": p[chosen["epochs"]], "lr": p[chosen["lr"]], "batch_size": p["batch_size"],
        **{name: chosen[name] for name in ("optimizer", "schedule", "weight_decay", "augment")},
        **{name: p[name] for name in ("loss_region", "encoder_weights", "trimap_rule", "device", "precision",
                                      "threads")},
    }


def variant_dir(run: str, variant: str, seed: int) -> Path:
    """Where one training keeps its checkpoints, history and model."""
    return runs_dir(run) / "train" / f"{variant}-seed{seed}"


def run_variant(prepared: Prepared, split: tuple[np.ndarray, np.ndarray], variant: str, seed: int,
                p: dict) -> pd.DataFrame:
    """Train one variant with one seed (or find it done); its history with columns variant and seed in front."""
    print(f"{variant}, seed {seed}: {len(split[0])} training and {len(split[1])} test images", flush=True)
    history = train.train(prepared, *split, variant_dir(p["run"], variant, seed), seed=seed, **arguments(variant, p))
    history.insert(0, "seed", seed)
    history.insert(0, "variant", variant)
    return history


def run_variants(prepared: Prepared, split: tuple[np.ndarray, np.ndarray], variants: list[str],
                 p: dict) -> pd.DataFrame:
    """All variants with all seeds, on one split; their histories below each other."""
    histories = [run_variant(prepared, split, variant, seed, p) for variant in variants for seed in seeds_of(p)]
    return pd.concat(histories, ignore_index=True)


def load_variant(run: str, variant: str, seed: int, device: str = "auto"):
    """The trained model; UserError that names the notebook to run first when there is none."""
    folder = variant_dir(run, variant, seed)
    if not (folder / "model.safetensors").is_file():
        notebook = NOTEBOOK.get(variant, "03_vgg16")
        raise UserError(f"{variant}, seed {seed}: expected a trained model in runs/{run}/train/{folder.name}, found "
                        f"none; run notebook {notebook} with the same parameters first.")
    return train.load(folder, device)


def predict_variant(prepared: Prepared, index: np.ndarray, variant: str, seed: int, p: dict) -> np.ndarray:
    """Alpha (n, 1, H, W) float32 in [0, 1] that the variant's model predicts for `index`."""
    model = load_variant(p["run"], variant, seed, p["device"])
    return predict(model, prepared, index, trimap_rule=p["trimap_rule"], device=p["device"], precision=p["precision"])


def variant_errors(prepared: Prepared, index: np.ndarray, variant: str, p: dict,
                   part: int = 2048) -> dict[str, np.ndarray]:
    """Mean absolute error of each image of `index`: region (all, unknown) -> (seeds, n) float64.

    Evaluation mode, fixed trimaps, no augmentation, for training and test images alike. Done in parts, so that
    memory doesn't grow with n.
    """
    rows = []
    for seed in seeds_of(p):
        model = load_variant(p["run"], variant, seed, p["device"])
        frames = [_scored(model, prepared, some, p) for some in chunks(index, part)]
        rows.append(pd.concat(frames, ignore_index=True))
    return {region: np.stack([row[region].to_numpy() for row in rows]) for region in REGIONS}


def _scored(model, prepared: Prepared, index: np.ndarray, p: dict) -> pd.DataFrame:
    predicted = predict(model, prepared, index, trimap_rule=p["trimap_rule"], device=p["device"],
                        precision=p["precision"])
    return alpha_errors(predicted, prepared.alpha[index], test_trimaps(prepared, index, p["trimap_rule"]))
