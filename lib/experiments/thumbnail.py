"""What each trained variant is, in one table, and how notebooks 03 to 05 train, load and score it.

`p` is everywhere the dict of the notebook's parameters, as `lib.experiments.parameters.check` returns it. A Split is a
pair of sorted index arrays (train, test). Errors are region ("all", "unknown") -> (seeds, images) float64:
the mean absolute error of each image over all or over unknown pixels.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib import baselines
from lib.base import UserError, runs_dir
from lib.data import augment
from lib.data.batches import chunks, trimap_levels
from lib.data.prepare import Prepared, test_trimaps
from lib.data.splits import group_split, random_split
from lib.device import cpu_threads
from lib.evaluation.scores import alpha_errors
from lib.inference import predict
from lib.training import thumbnail

Split = tuple[np.ndarray, np.ndarray]
Errors = dict[str, np.ndarray]

REGIONS = ("all", "unknown")
# The study's Table 1 has a learning rate, epochs and a batch size but names no optimiser: "sgd" and "adam"
# are its two usual readings. "recipe" is what one would choose today. epochs and lr name parameters.
STUDY = {"optimizer": "sgd", "schedule": "constant", "weight_decay": 0.0, "augment": False, "split": "",
         "epochs": "epochs", "lr": "lr"}
RECIPE = {"optimizer": "adamw", "schedule": "onecycle", "weight_decay": 1e-4, "augment": False, "split": "",
          "epochs": "recipe_epochs", "lr": "recipe_lr"}
STEPS = 10  # steps that an epoch of the recipe has at least, as long as batches have FEWEST images
FEWEST = 8  # batch norm has little to go by with fewer
VARIANTS = {
    "sgd": {**STUDY, "label": "VGG-16, SGD"},
    "sgd-da": {**STUDY, "label": "VGG-16 DA, SGD", "augment": True},
    "adam": {**STUDY, "label": "VGG-16, Adam", "optimizer": "adam"},
    "recipe": {**RECIPE, "label": "VGG-16, recipe"},
    "recipe-da": {**RECIPE, "label": "VGG-16 DA, recipe", "augment": True},
    # Not trained: the models of recipe-da, used as one would use them (lib.inference.predict: mirror, keep_known).
    "recipe-da-used": {**RECIPE, "label": "VGG-16 DA, recipe, as used", "augment": True, "model": "recipe-da"},
    # For the leak: the split (by image or by group) that the run itself doesn't use.
    "recipe-group": {**RECIPE, "label": "recipe, split by group", "split": "group"},
    "recipe-random": {**RECIPE, "label": "recipe, split by image", "split": "random"},
}
TRIMAP_CONTROL, HALF_CONTROL = "control: trimap as alpha", "control: truth, 0.5 where unknown"
UNSUPERVISED = ("kmeans_border", "kmeans_trimap", "kmeans_oracle", "gmm_border", "gmm_trimap", "gmm_oracle")


def labels(variants: list[str]) -> dict[str, str]:
    """Variant -> label, in the given order."""
    return {variant: VARIANTS[variant]["label"] for variant in variants}


def seeds_of(p: dict) -> list[int]:
    """The training seeds: seed, seed + 1, ... (`seeds` of them)."""
    return [p["seed"] + number for number in range(p["seeds"])]


# ---------------------------------------------------------------------------------------------- splits


def split_of(prepared: Prepared, p: dict, split: str = "") -> Split:
    """The named split ("random", "group"), by default the run's own. All training seeds share it."""
    if (split or p["split"]) == "group":
        return group_split(prepared.groups, p["seed"], p["test_fraction"])
    return random_split(len(prepared), p["seed"], p["test_fraction"])


def leakage_splits(prepared: Prepared, p: dict) -> dict[str, Split]:
    """Both splits, "random" and "group", with training sides of one size: the larger is thinned by the seed.

    Only the split that the run itself doesn't use is thinned, since the run's own models are trained anyway;
    where that one is the smaller, the sizes differ. Empty when no group has two images (nothing can leak), or
    there is one group only (nothing can be held out).
    """
    if not 1 < len(set(prepared.groups)) < len(prepared):
        return {}
    splits = {name: split_of(prepared, p, name) for name in ("random", "group")}
    other = "random" if p["split"] == "group" else "group"
    train_index, test_index = splits[other]
    most = len(splits[p["split"]][0])
    if len(train_index) > most:
        generator = np.random.default_rng([p["seed"], most])
        splits[other] = np.sort(generator.choice(train_index, most, replace=False)), test_index
    return splits


# ---------------------------------------------------------------------------------------------- training


def batch_size(variant: str, p: dict, images: int) -> int:
    """Images a step for `images` training images: the parameter's; for the recipe fewer, where that makes STEPS steps.

    A few steps an epoch teach nothing on a small set; the study's protocol keeps its batches, whatever comes of it.
    """
    if VARIANTS[variant]["optimizer"] != RECIPE["optimizer"]:
        return p["batch_size"]
    return min(p["batch_size"], max(FEWEST, images // STEPS))


def arguments(variant: str, p: dict, images: int) -> dict:
    """Keyword arguments of `lib.training.thumbnail.train` for a variant on `images` training images, but for the seed."""
    chosen = VARIANTS[variant]
    own = {name: chosen[name] for name in ("optimizer", "schedule", "weight_decay", "augment")}
    own["batch_size"] = batch_size(variant, p, images)
    shared = ("loss_region", "encoder_weights", "trimap_rule", "device", "precision", "threads")
    return {"epochs": p[chosen["epochs"]], "lr": p[chosen["lr"]], **own, **{name: p[name] for name in shared}}


def variant_dir(run: str, variant: str, seed: int) -> Path:
    """Where the training that a variant goes back to keeps its checkpoints, history and model."""
    return runs_dir(run) / "train" / f"{VARIANTS[variant].get('model', variant)}-seed{seed}"


def run_variant(prepared: Prepared, split: Split, variant: str, seed: int, p: dict) -> pd.DataFrame:
    """Train a variant with one seed, or find it done; its history, with columns variant and seed in front."""
    folder = variant_dir(p["run"], variant, seed)
    history = thumbnail.train(prepared, *split, folder, seed=seed, **arguments(variant, p, len(split[0])))
    history.insert(0, "seed", seed)
    history.insert(0, "variant", variant)
    return history


def run_variants(prepared: Prepared, split: Split, variants: list[str], p: dict) -> pd.DataFrame:
    """All variants with all seeds on one split; their histories below each other."""
    return pd.concat([run_variant(prepared, split, variant, seed, p)
                      for variant in variants for seed in seeds_of(p)], ignore_index=True)


def run_pooling(prepared: Prepared, split: Split, pooling: str, p: dict) -> dict[str, float]:
    """Last history row of one epoch of "sgd" with the named pooling on the first `pooling_images` images.

    In small batches, so that there are some steps; tested on half as many images. {} for pooling_images 0.
    """
    if not p["pooling_images"]:
        return {}
    few = max(2, p["pooling_images"])
    small = {"epochs": 1, "batch_size": max(2, min(p["batch_size"], few // 4)), "pooling": pooling}
    history = thumbnail.train(prepared, split[0][:few], split[1][: few // 2],
                          runs_dir(p["run"]) / "train" / f"pooling-{pooling}", seed=p["seed"],
                          **arguments("sgd", p, few) | small)
    return history.iloc[-1].to_dict()


# ------------------------------------------------------------------------------------ models and errors


def load_variant(prepared: Prepared, variant: str, seed: int, p: dict):
    """The trained model; UserError naming the notebook to run first when it is missing or of other data."""
    folder = variant_dir(p["run"], variant, seed)
    name = f"runs/{p['run']}/train/{folder.name}"
    notebook = "04_augmentation" if VARIANTS[variant]["augment"] else "03_vgg16"
    advice = f"run notebook {notebook} with the same parameters first."
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{name}: expected a trained model, found none; {advice}")
    config = json.loads((folder / "config.json").read_text())
    if (config["data"], config["trimap_rule"]) != (prepared.fingerprint, p["trimap_rule"]):
        raise UserError(f"{name}: expected a model of this data and trimap_rule, found another's; {advice}")
    return thumbnail.load(folder, p["device"])


def predict_variant(prepared: Prepared, index: np.ndarray, variant: str, seed: int, p: dict) -> np.ndarray:
    """Alpha (n, 1, H, W) float32 in [0, 1] that the variant's model predicts for `index`."""
    return _predict(load_variant(prepared, variant, seed, p), prepared, index, p, "model" in VARIANTS[variant])


def variant_errors(prepared: Prepared, index: np.ndarray, variant: str, p: dict, part: int = 2048) -> Errors:
    """Errors of all seeds on the images of `index`, training and test images alike.

    Evaluation mode, fixed trimaps, no augmentation. In parts, so that memory doesn't grow with n.
    """
    frames = []
    for seed in seeds_of(p):
        model = load_variant(prepared, variant, seed, p)
        parts = [image_errors(_predict(model, prepared, some, p, "model" in VARIANTS[variant]), prepared, some, p)
                 for some in chunks(index, part)]
        frames.append(pd.concat(parts, ignore_index=True))
    return {region: np.stack([frame[region] for frame in frames]) for region in REGIONS}


def image_errors(predicted: np.ndarray, prepared: Prepared, index: np.ndarray, p: dict) -> pd.DataFrame:
    """`lib.evaluation.scores.alpha_errors` of alpha (n, 1, H, W) float in [0, 1] for the images of `index`."""
    return alpha_errors(predicted, prepared.alpha[index], test_trimaps(prepared, index, p["trimap_rule"]))


def seedless_errors(predicted: np.ndarray, prepared: Prepared, index: np.ndarray, p: dict) -> Errors:
    """Errors of a method that is not trained, as one seed: region -> (1, n)."""
    errors = image_errors(predicted, prepared, index, p)
    return {region: errors[region].to_numpy()[None] for region in REGIONS}


def control_errors(prepared: Prepared, index: np.ndarray, p: dict) -> dict[str, Errors]:
    """The two controls of `lib.baselines` by the names TRIMAP_CONTROL and HALF_CONTROL."""
    trimap = test_trimaps(prepared, index, p["trimap_rule"])
    alphas = {TRIMAP_CONTROL: baselines.trimap_as_alpha(trimap),
              HALF_CONTROL: baselines.half_unknown(trimap, prepared.alpha[index])}
    return {name: seedless_errors(alpha, prepared, index, p) for name, alpha in alphas.items()}


def _predict(model, prepared: Prepared, index: np.ndarray, p: dict, as_used: bool) -> np.ndarray:
    with cpu_threads(p["threads"]):
        return predict(model, prepared, index, trimap_rule=p["trimap_rule"], device=p["device"],
                       precision=p["precision"], mirror=as_used, keep_known=as_used)


def load_unsupervised(run: str, index: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Alphas (n, 1, H, W) float32 in [0, 1] that notebook 02 wrote for the images `index`, by method.

    UserError that names notebook 02 when its file is missing, or of other images or another size.
    """
    name, path = f"runs/{run}/unsupervised.npz", runs_dir(run) / "unsupervised.npz"
    advice = "run notebook 02_unsupervised with the same parameters first."
    if not path.is_file():
        raise UserError(f"{name}: expected the alphas of K-means and GMM, found no file; {advice}")
    with np.load(path) as file:
        if not np.array_equal(file["index"], index) or file[UNSUPERVISED[0]].shape[-2:] != size:
            raise UserError(f"{name}: expected alphas of this run's {len(index)} test images at "
                            f"{size[0]}x{size[1]} px, found others; {advice}")
        return {method: file[method].astype(np.float32) / 255 for method in UNSUPERVISED}


# ---------------------------------------------------------------------------------------------- pictures


def augmented_pairs(prepared: Prepared, index: np.ndarray, p: dict, count: int = 4) -> list[dict]:
    """The first `count` images of `index` that the augmentation's first epoch draws, before and after it.

    Dicts with before and after: (image (H, W, 3), alpha (H, W), trimap (H, W)) float in [0, 1]; note: what
    was done.
    """
    flip, angle = augment.draw(int(index.max()) + 1, p["seed"], epoch=1)
    chosen = index[flip.numpy()[index]][:count]
    image, alpha = (torch.from_numpy(np.asarray(array[chosen])).float() / 255
                    for array in (prepared.image, prepared.alpha))
    trimap = trimap_levels(torch.from_numpy(test_trimaps(prepared, chosen, p["trimap_rule"])))
    before = image, alpha, trimap
    after = augment.flip_rotate(*before, flip[chosen], angle[chosen])
    return [{"before": _pictures(before, row), "after": _pictures(after, row),
             "note": f"flip, {angle[key].item():+.0f}°"} for row, key in enumerate(chosen)]


def _pictures(batch: tuple[torch.Tensor, ...], row: int) -> tuple[np.ndarray, ...]:
    image, alpha, trimap = (part[row].numpy() for part in batch)
    return image.transpose(1, 2, 0), alpha[0], trimap[0]
