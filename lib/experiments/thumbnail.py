"""The trainings at the study's size that notebooks 03 to 05 compare: their configurations, how they run, their scores.

Scores are frames of lib.scores; a method there has the name of its variant.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from lib import baselines, scores
from lib.base import UserError, runs_dir
from lib.compute import cpu_threads
from lib.data.cache import ImageSet, chunks
from lib.data.splits import make_split
from lib.data.trimap import UNKNOWN, fill_known
from lib.experiments import study
from lib.experiments.parameters import Parameters
from lib.inference import predict_batches
from lib.models.checkpoint import load_network
from lib.scores import TRIMAP_CONTROL
from lib.training.thumbnail import Snapshots, ThumbnailConfig, ThumbnailTask, load_snapshots
from lib.training.trainer import train

Split = tuple[np.ndarray, np.ndarray]  # sorted positions of the training and of the test images
STEPS = 10  # of an epoch of the recipe, at least, as long as a batch has MIN_BATCH images
MIN_BATCH = 8  # batch norm needs some images
# Steps after which every training is tested, as well as at the ends of epochs: the curve costs no extra training.
TEST_AT = (30, 60, 120, 240, 500, 1000, 2000, study.STEPS)
SNAPSHOTS = ("sgd", "adam", "recipe")  # of these, the first seed keeps its alphas of two test images at every test
PART = 2048  # images that are predicted at once; 256 divides it
HALF_CONTROL = "control: truth, 0.5 where unknown"
MID_LINE_CONTROL, LOOKUP_CONTROL = "control: mid-line of the trimap", "control: look-up of its two distances"
MEAN_CONTROL, CONSTANT_CONTROL = "control: mean training alpha", "control: best constant"
PASTED_MEAN, PASTED_CONSTANT = f"{MEAN_CONTROL}, known pixels pasted", f"{CONSTANT_CONTROL}, known pixels pasted"
UNSUPERVISED = {
    "kmeans_border": "K-means, border",
    "kmeans_trimap": "K-means, trimap",
    "kmeans_oracle": "K-means, oracle",
    "gmm_border": "GMM, border",
    "gmm_trimap": "GMM, trimap",
    "gmm_oracle": "GMM, oracle",
    "grabcut_trimap": "GrabCut, trimap",
}


@dataclass(frozen=True)
class Variant:
    """config: the variant whose configuration it has, model: whose training it uses; "" = its own. test_time_flip:
    predicts the mirror image, too, and keeps the known pixels. notebook: trains it."""

    label: str
    config: str = ""
    model: str = ""
    test_time_flip: bool = False
    notebook: str = "03_vgg16"


VARIANTS = {
    "sgd": Variant("VGG-16, SGD"),
    "sgd-da": Variant("VGG-16 DA, SGD", notebook="04_augmentation"),
    "adam": Variant("VGG-16, Adam"),
    "recipe": Variant("VGG-16, recipe"),
    "recipe-da": Variant("VGG-16 DA, recipe", notebook="04_augmentation"),
    "recipe-da-used": Variant("VGG-16 DA, recipe, as used", "", "recipe-da", True, "04_augmentation"),
    # For the leak: the split, by image or by group, that the run itself does not use.
    "recipe-group": Variant("recipe, split by group", config="recipe"),
    "recipe-random": Variant("recipe, split by image", config="recipe"),
}


def label(method: str) -> str:
    """What tables call a variant; every other method keeps its own name."""
    return VARIANTS[method].label if method in VARIANTS else method


def labels(variants: Iterable[str]) -> dict[str, str]:
    """Variant -> label, in the same order."""
    return {variant: label(variant) for variant in variants}


def seeds_of(p: Parameters) -> list[int]:
    """The training seeds: seed, seed + 1, ... (`seeds` of them)."""
    return [p.seed + number for number in range(p.seeds)]


def split_of(images: ImageSet, p: Parameters, kind: str = "") -> Split:
    """The split of a kind ("random", "group"), by default the run's own; all training seeds share it."""
    return make_split(kind or p.split, images.groups, p.seed, p.test_fraction)


# --- Training


def config_of(variant: str, p: Parameters, images: int, seed: int = 0) -> ThumbnailConfig:
    """How a variant is trained on `images` training images.

    The study's Table 1 names no optimiser: "sgd" and "adam" are the usual readings. "recipe" is a choice of today, with
    smaller batches where there would be fewer than STEPS steps an epoch. The study's protocol keeps its batches.
    """
    common = ThumbnailConfig(
        epochs=p.epochs,
        lr=p.lr,
        batch_size=p.batch_size,
        loss_region=p.loss_region,
        encoder_weights=p.encoder_weights,
        width=p.width,
        test_at=TEST_AT,
        seed=seed,
    )
    batch = min(p.batch_size, max(MIN_BATCH, images // STEPS))
    today = {"optimizer": "adamw", "schedule": "onecycle", "weight_decay": 1e-4, "batch_size": batch}
    today |= {"epochs": p.recipe_epochs, "lr": p.recipe_lr}
    changes = {
        "sgd": {},
        "sgd-da": {"augment": True},
        "adam": {"optimizer": "adam"},
        "recipe": today,
        "recipe-da": today | {"augment": True},
    }
    return replace(common, **changes[VARIANTS[variant].config or variant])


def folder(run: str, variant: str, seed: int) -> Path:
    """Where the training behind a variant keeps its checkpoints, history and model."""
    return runs_dir(run) / "train" / f"{VARIANTS[variant].model or variant}-seed{seed}"


def run_variants(images: ImageSet, split: Split, variants: Iterable[str], p: Parameters) -> pd.DataFrame:
    """Train all variants with all seeds on one split, or read finished trainings; their histories below each other.

    Of SNAPSHOTS the first seed keeps its alphas of `snapshot_images` at every validation (`snapshots`).
    """
    histories = []
    for variant in variants:
        for seed in seeds_of(p):
            run_dir, config = folder(p.run, variant, seed), config_of(variant, p, len(split[0]), seed)
            training, callback = (ThumbnailTask, config, run_dir, p.compute, images, split), None
            if variant in SNAPSHOTS and seed == p.seed:
                callback = Snapshots(run_dir, images, snapshot_images(images, split[1]))
            history = train(*training, on_validation=callback)
            if callback and not callback.complete(history.step):  # finished earlier, without these snapshots
                (run_dir / "model.safetensors").unlink()
                history = train(*training, on_validation=callback)
            history.insert(0, "seed", seed)
            history.insert(0, "variant", variant)
            histories.append(history)
    return pd.concat(histories, ignore_index=True)


def snapshot_images(images: ImageSet, index: np.ndarray) -> np.ndarray:
    """Two of the images `index`, at one and at two thirds of their order by foreground area."""
    order = np.argsort([np.asarray(images.alpha[image]).mean() for image in index], kind="stable")
    return np.unique(index[order[[len(order) // 3, 2 * len(order) // 3]]])


def snapshots(history: pd.DataFrame, variant: str, p: Parameters) -> tuple[list[int], np.ndarray]:
    """Of a variant of SNAPSHOTS: the steps of its tests, and alphas (tests, images, H, W) uint8 at them."""
    rows = history[(history.variant == variant) & (history.seed == p.seed)]
    return rows.step.tolist(), load_snapshots(folder(p.run, variant, p.seed), rows.step)


def by_epoch(history: pd.DataFrame) -> pd.DataFrame:
    """A history of `run_variants` with one row an epoch, without its tests within epochs and without speeds.

    A row's training losses are of the batches since the row before: an epoch's are means of its rows, by their steps.
    """
    keys = ["variant", "seed", "epoch"]
    steps = history.groupby(keys[:2], sort=False).step.diff().fillna(history.step)  # that a row stands for
    history = history.assign(epoch=np.ceil(history.epoch).astype(int))
    losses = [column for column in history if column.startswith("train_")]
    groups = [history[key] for key in keys]
    weights = history[losses].notna().mul(steps, axis=0)
    sums = (history[losses] * weights).groupby(groups, sort=False).sum()
    means = sums / weights.groupby(groups, sort=False).sum()
    ends = history.drop_duplicates(keys, keep="last").set_index(keys)  # not groupby.last(), which skips NaN
    return ends.drop(columns=[*losses, "seconds", "images_per_second"], errors="ignore").join(means).reset_index()


def by_step(history: pd.DataFrame) -> pd.DataFrame:
    """The rows of a history of `run_variants` at TEST_AT, and the last of each training."""
    last = history.groupby(["variant", "seed"]).step.transform("max")
    return history[history.step.isin(TEST_AT) | (history.step == last)]


def run_pooling(images: ImageSet, split: Split, pooling: str, p: Parameters) -> dict[str, float]:
    """Last history row of one epoch of "sgd" with a pooling ("halving", "as_written"); {} for pooling_images 0.

    On the first `pooling_images` training images, in small batches, so that there are some steps.
    """
    if not p.pooling_images:
        return {}
    count = max(2, p.pooling_images)
    batch = max(2, min(p.batch_size, count // 4))
    config = config_of("sgd", p, count, p.seed)
    config = replace(config, epochs=1, test_at=(), pooling=pooling, batch_size=batch)
    run_dir, sides = runs_dir(p.run) / "train" / f"pooling-{pooling}", (split[0][:count], split[1][: count // 2])
    return train(ThumbnailTask, config, run_dir, p.compute, images, sides).iloc[-1].to_dict()


# --- Networks and scores


def load(images: ImageSet, variant: str, seed: int, p: Parameters) -> nn.Module:
    """The trained network; UserError with the notebook to run first where it is missing or of other data."""
    run_dir = folder(p.run, variant, seed)
    name = f"runs/{p.run}/train/{run_dir.name}"
    advice = f"run notebook {VARIANTS[variant].notebook} with the same parameters first."
    if not (run_dir / "model.safetensors").is_file():
        raise UserError(f"{name}: expected a trained model, found none; {advice}")
    if json.loads((run_dir / "config.json").read_text())["data"] != images.fingerprint:
        raise UserError(f"{name}: expected a model of this data and trimap_rule, found another's; {advice}")
    return load_network(run_dir, p.device)


def predict(
    images: ImageSet, index: np.ndarray, variant: str, seed: int, p: Parameters, network: nn.Module | None = None
) -> np.ndarray:
    """Alpha (n,1,H,W) float32 in [0,1] of the images `index`. network: the variant's, where it is loaded already."""
    network, flip = network or load(images, variant, seed, p), VARIANTS[variant].test_time_flip
    with cpu_threads(p.threads):
        return predict_batches(network, images, index, p.compute, mirror=flip, keep_known=flip)


def score(images: ImageSet, index: np.ndarray, variants: Iterable[str], p: Parameters) -> pd.DataFrame:
    """Scores by region of all variants and seeds on the images `index`, which may be training images.

    Evaluation mode, fixed trimaps, no augmentation. In parts: memory does not grow with n.
    """
    parts = []
    for variant in variants:
        for seed in seeds_of(p):
            network = load(images, variant, seed, p)
            for part in chunks(index, PART):
                alpha = predict(images, part, variant, seed, p, network)
                parts.append(scores.score_regions(variant, seed, part, alpha, images.alpha[part], images.trimap[part]))
    return pd.concat(parts, ignore_index=True)


def score_alphas(images: ImageSet, index: np.ndarray, alphas: dict[str, np.ndarray]) -> pd.DataFrame:
    """Scores by region of methods that are not trained: name -> alpha (n,1,H,W) in [0,1] of the images `index`."""
    truth, trimap = images.alpha[index], images.trimap[index]
    parts = [scores.score_regions(method, 0, index, alpha, truth, trimap) for method, alpha in alphas.items()]
    return pd.concat(parts, ignore_index=True)


def controls(images: ImageSet, index: np.ndarray, train_index: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> alpha (n,1,H,W) float32 in [0,1] of methods that use no image.

    The mean and the best constant of the training alphas, each also with the known pixels pasted (that constant is the best
    one for unknown pixels); the trimap, the edge at the mid-line of its band, the median training alpha by the distances
    to both its sides; the truth with 0.5 where unknown.
    """
    trimap, alphas = np.asarray(images.trimap[index]), np.asarray(images.alpha[train_index])
    mean, constant = baselines.mean_alpha(alphas), baselines.best_constant(alphas)
    within = baselines.best_constant(alphas, np.asarray(images.trimap[train_index]) == UNKNOWN)
    return {
        MEAN_CONTROL: np.broadcast_to(mean, trimap.shape),
        CONSTANT_CONTROL: np.full(trimap.shape, constant),
        PASTED_MEAN: fill_known(mean, trimap),
        PASTED_CONSTANT: fill_known(within, trimap),
        TRIMAP_CONTROL: baselines.trimap_as_alpha(trimap),
        MID_LINE_CONTROL: baselines.mid_line(trimap),
        LOOKUP_CONTROL: baselines.fit_distance_lookup(images.trimap[train_index], alphas)(trimap),
        HALF_CONTROL: baselines.truth_with_half_unknown(trimap, images.alpha[index]),
    }


def load_unsupervised(run: str, index: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Alphas (n,1,H,W) float32 in [0,1] that notebook 02 wrote for the images `index`, by method of UNSUPERVISED.

    UserError that names notebook 02 where its file is missing, or of other images or another size.
    """
    name, path = f"runs/{run}/unsupervised.npz", runs_dir(run) / "unsupervised.npz"
    advice = "run notebook 02_unsupervised with the same parameters first."
    if not path.is_file():
        raise UserError(f"{name}: expected the alphas of K-means, GMM and GrabCut, found no file; {advice}")
    with np.load(path) as file:
        complete = set(UNSUPERVISED) <= set(file) and np.array_equal(file["index"], index)
        if not complete or file["kmeans_border"].shape[-2:] != size:
            raise UserError(
                f"{name}: expected alphas of all methods for this run's {len(index)} test images at "
                f"{size[0]}x{size[1]} px, found others; {advice}"
            )
        return {method: file[method].astype(np.float32) / 255 for method in UNSUPERVISED}


# --- Inputs swapped between images

OWN_INPUT, OTHER_TRIMAP, OTHER_IMAGE = "its own input", "another image's trimap", "another trimap's image"
NO_TRIMAP = "unknown everywhere"
MAX_SWAPPED = 1000  # images


def swapped_inputs(image: np.ndarray, trimap: np.ndarray, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> (image, trimap) for the network; image (n,3,H,W), trimap (n,1,H,W), uint8.

    Each image has one partner, never itself, drawn by the seed. UserError for fewer than two images.
    """
    if len(image) < 2:
        raise UserError(f"test_index: expected at least 2 images to swap, found {len(image)}; test on more.")
    order = np.random.default_rng(seed).permutation(len(image))
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)
    return {
        OWN_INPUT: (image, trimap),
        OTHER_TRIMAP: (image, trimap[partner]),
        OTHER_IMAGE: (image[partner], trimap),
        NO_TRIMAP: (image, np.full_like(trimap, UNKNOWN)),
    }


def score_swapped(
    images: ImageSet, index: np.ndarray, variants: Iterable[str], p: Parameters
) -> dict[str, pd.DataFrame]:
    """Input -> scores by region of all variants and seeds on at most MAX_SWAPPED of the images `index`, evenly spaced.

    Errors are against each image's own alpha, by the regions of its own trimap.
    """
    index = index[np.linspace(0, len(index) - 1, min(len(index), MAX_SWAPPED)).round().astype(int)]
    alpha, trimap = np.asarray(images.alpha[index]), np.asarray(images.trimap[index])
    inputs = swapped_inputs(np.asarray(images.image[index]), trimap, p.seed)
    parts: dict[str, list] = {name: [] for name in inputs}
    for variant in variants:
        for seed in seeds_of(p):
            network = load(images, variant, seed, p)
            for name, (image, network_trimap) in inputs.items():
                swapped = replace(images, image=image, trimap=network_trimap)
                with cpu_threads(p.threads):
                    predicted = predict_batches(network, swapped, np.arange(len(index)), p.compute)
                parts[name].append(scores.score_regions(variant, seed, index, predicted, alpha, trimap))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
