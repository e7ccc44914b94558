"""The trainings at the study's size that notebooks 03 to 05 compare: their recipes, and how they are run and scored.

Scores are frames of lib.evaluation.scores; the name of a method there is the variant's.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from lib import baselines
from lib.base import UserError, runs_dir
from lib.compute import cpu_threads
from lib.data import augment
from lib.data.batches import chunks, trimap_levels
from lib.data.prepare import Prepared
from lib.data.splits import group_split, random_split
from lib.data.trimap import UNKNOWN, paste
from lib.evaluation import scores
from lib.experiments import published
from lib.experiments.parameters import Data, Parameters
from lib.inference import predict
from lib.models import store
from lib.training.thumbnail import Snapshots, ThumbnailConfig, ThumbnailTask, load_snapshots
from lib.training.trainer import train

Split = tuple[np.ndarray, np.ndarray]  # sorted positions (train, test)
STEPS = 10  # steps that an epoch of the recipe has at least, as long as batches have FEWEST images
FEWEST = 8  # batch norm has little to go by with fewer
# Steps after which every training is tested, beside the ends of epochs: the error against steps costs no extra training.
TEST_AT = (30, 60, 120, 240, 500, 1000, 2000, published.STEPS)
# For some hundred photographs (lib.experiments.transfer): many epochs at a higher rate.
PHOTOGRAPHS = ThumbnailConfig(
    epochs=60, batch_size=16, lr=3e-3, optimizer="adamw", weight_decay=1e-4, schedule="onecycle", augment=True
)
# Of these the first seed's training is watched: what it makes of two test images, test by test.
WATCHED = ("sgd", "adam", "recipe")
TRIMAP_CONTROL, HALF_CONTROL = "control: trimap as alpha", "control: truth, 0.5 where unknown"
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
    """A row of the tables. recipe: by which it is trained (see `recipe`), "" = its own name. model: the variant whose
    training it uses, "" = its own. used: as one would use it, mirrored and with the known pixels kept."""

    label: str
    recipe: str = ""
    model: str = ""
    used: bool = False
    notebook: str = "03_vgg16"


VARIANTS = {
    "sgd": Variant("VGG-16, SGD"),
    "sgd-da": Variant("VGG-16 DA, SGD", notebook="04_augmentation"),
    "adam": Variant("VGG-16, Adam"),
    "recipe": Variant("VGG-16, recipe"),
    "recipe-da": Variant("VGG-16 DA, recipe", notebook="04_augmentation"),
    "recipe-da-used": Variant("VGG-16 DA, recipe, as used", model="recipe-da", used=True, notebook="04_augmentation"),
    # For the leak: the split (by image or by group) that the run itself doesn't use.
    "recipe-group": Variant("recipe, split by group", recipe="recipe"),
    "recipe-random": Variant("recipe, split by image", recipe="recipe"),
}


def label(method: str) -> str:
    """What tables call a variant; every other method by its own name."""
    return VARIANTS[method].label if method in VARIANTS else method


def labels(variants: Iterable[str]) -> dict[str, str]:
    """Variant -> label, in the given order."""
    return {variant: label(variant) for variant in variants}


def seeds_of(p: Parameters) -> list[int]:
    """The training seeds: seed, seed + 1, ... (`seeds` of them)."""
    return [p.data.seed + number for number in range(p.thumbnail.seeds)]


# ---------------------------------------------------------------------------------------------- splits


def split_of(prepared: Prepared, data: Data, split: str = "") -> Split:
    """The named split ("random", "group"), by default the run's own. All training seeds share it."""
    if (split or data.split) == "group":
        return group_split(prepared.groups, data.seed, data.test_fraction)
    return random_split(len(prepared), data.seed, data.test_fraction)


def leakage_splits(prepared: Prepared, data: Data) -> dict[str, Split]:
    """Both splits, "random" and "group", with training sides of one size: the larger is thinned by the seed.

    Only the split that the run itself doesn't use is thinned, since the run's own models are trained anyway;
    where that one is the smaller, the sizes differ. Empty when no group has two images (nothing can leak), or
    there is one group only (nothing can be held out).
    """
    if not 1 < len(set(prepared.groups)) < len(prepared):
        return {}
    splits = {name: split_of(prepared, data, name) for name in ("random", "group")}
    other = "random" if data.split == "group" else "group"
    train_index, test_index = splits[other]
    most = len(splits[data.split][0])
    if len(train_index) > most:
        generator = np.random.default_rng([data.seed, most])
        splits[other] = np.sort(generator.choice(train_index, most, replace=False)), test_index
    return splits


# ---------------------------------------------------------------------------------------------- training


def recipe(variant: str, p: Parameters, images: int, seed: int = 0) -> ThumbnailConfig:
    """How a variant is trained on `images` training images.

    The study's Table 1 has a learning rate, epochs and a batch size but names no optimiser: "sgd" and "adam" are its
    two usual readings. "recipe" is what one would choose today; where batches of that size would leave fewer than STEPS
    steps an epoch, which teach nothing, it takes smaller ones. The study's protocol keeps its own, whatever comes of it.
    """
    own = p.thumbnail
    study = ThumbnailConfig(
        epochs=own.epochs,
        lr=own.lr,
        batch_size=own.batch_size,
        loss_region=own.loss_region,
        encoder_weights=own.encoder_weights,
        width=own.width,
        test_at=TEST_AT,
        seed=seed,
    )
    today = replace(
        study,
        epochs=own.recipe_epochs,
        lr=own.recipe_lr,
        optimizer="adamw",
        schedule="onecycle",
        weight_decay=1e-4,
        batch_size=min(own.batch_size, max(FEWEST, images // STEPS)),
    )
    return {
        "sgd": study,
        "sgd-da": replace(study, augment=True),
        "adam": replace(study, optimizer="adam"),
        "recipe": today,
        "recipe-da": replace(today, augment=True),
    }[VARIANTS[variant].recipe or variant]


def folder(run: str, variant: str, seed: int) -> Path:
    """Where the training that a variant goes back to keeps its checkpoints, history and model."""
    return runs_dir(run) / "train" / f"{VARIANTS[variant].model or variant}-seed{seed}"


def run_variants(prepared: Prepared, split: Split, variants: Iterable[str], p: Parameters) -> pd.DataFrame:
    """Train all variants with all seeds on one split, or find them done; their histories below each other.

    Of WATCHED the first seed leaves the alphas of `watched_images` at each validation (`seen`).
    """
    histories = []
    for variant in variants:
        for seed in seeds_of(p):
            run_dir, config = folder(p.run, variant, seed), recipe(variant, p, len(split[0]), seed)
            data = prepared, split
            if variant in WATCHED and seed == p.data.seed:
                snapshots = Snapshots(run_dir, prepared, watched_images(prepared, split[1]))
                history = train(ThumbnailTask, config, run_dir, p.machine, *data, on_validation=snapshots)
                if not snapshots.complete(history.step):  # finished earlier, without these snapshots
                    (run_dir / "model.safetensors").unlink()
                    history = train(ThumbnailTask, config, run_dir, p.machine, *data, on_validation=snapshots)
            else:
                history = train(ThumbnailTask, config, run_dir, p.machine, *data)
            history.insert(0, "seed", seed)
            history.insert(0, "variant", variant)
            histories.append(history)
    return pd.concat(histories, ignore_index=True)


def watched_images(prepared: Prepared, index: np.ndarray) -> np.ndarray:
    """Two of the images `index`, at a third and at two thirds of them ordered by how much the foreground covers; one of one."""
    order = np.argsort([np.asarray(prepared.alpha[image]).mean() for image in index], kind="stable")
    return np.unique(index[order[[len(order) // 3, 2 * len(order) // 3]]])


def seen(history: pd.DataFrame, variants: Iterable[str], p: Parameters) -> dict[str, tuple[list[int], np.ndarray]]:
    """Of each variant of WATCHED, by its label: the steps of its tests, and the alphas (tests, images, H, W) uint8 then.

    history: of `run_variants`, which trained them.
    """
    found = {}
    for variant in variants:
        rows = history[(history.variant == variant) & (history.seed == p.data.seed)]
        found[label(variant)] = rows.step.tolist(), load_snapshots(folder(p.run, variant, p.data.seed), rows.step)
    return found


def by_epoch(history: pd.DataFrame) -> pd.DataFrame:
    """A history of `run_variants` with one row an epoch, its tests within epochs left out; epoch is a whole number.

    A row tells of the batches since the row before; the training losses of an epoch are means over its rows, weighted by
    their steps. The speeds, which stand for a row alone, are left out.
    """
    keys = ["variant", "seed", "epoch"]
    steps = history.groupby(keys[:2], sort=False).step.diff().fillna(history.step)
    history = history.assign(epoch=np.ceil(history.epoch).astype(int))
    told = [column for column in history if column.startswith("train_")]
    shares = history[told].notna().mul(steps, axis=0)
    sums, shares = (
        part.groupby([history[key] for key in keys], sort=False).sum() for part in (history[told] * shares, shares)
    )
    ends = history.drop_duplicates(keys, keep="last").set_index(keys)
    return ends.drop(columns=[*told, "seconds", "images_per_second"], errors="ignore").join(sums / shares).reset_index()


def by_step(history: pd.DataFrame) -> pd.DataFrame:
    """The rows of a history of `run_variants` at TEST_AT, and the last of each training."""
    last = history.groupby(["variant", "seed"]).step.transform("max")
    return history[history.step.isin(TEST_AT) | (history.step == last)]


def run_pooling(prepared: Prepared, split: Split, pooling: str, p: Parameters) -> dict[str, float]:
    """Last history row of one epoch of "sgd" with the named pooling on the first `pooling_images` images.

    In small batches, so that there are some steps; tested on half as many images. {} for pooling_images 0.
    """
    if not p.thumbnail.pooling_images:
        return {}
    few = max(2, p.thumbnail.pooling_images)
    small = replace(
        recipe("sgd", p, few, p.data.seed),
        epochs=1,
        test_at=(),
        pooling=pooling,
        batch_size=max(2, min(p.thumbnail.batch_size, few // 4)),
    )
    run_dir, sides = runs_dir(p.run) / "train" / f"pooling-{pooling}", (split[0][:few], split[1][: few // 2])
    history = train(ThumbnailTask, small, run_dir, p.machine, prepared, sides)
    return history.iloc[-1].to_dict()


# ------------------------------------------------------------------------------------ models and scores


def load(prepared: Prepared, variant: str, seed: int, p: Parameters) -> nn.Module:
    """The trained model; UserError naming the notebook to run first when it is missing or of other data."""
    place = folder(p.run, variant, seed)
    name = f"runs/{p.run}/train/{place.name}"
    advice = f"run notebook {VARIANTS[variant].notebook} with the same parameters first."
    if not (place / "model.safetensors").is_file():
        raise UserError(f"{name}: expected a trained model, found none; {advice}")
    if json.loads((place / "config.json").read_text())["data"] != prepared.fingerprint:
        raise UserError(f"{name}: expected a model of this data and trimap_rule, found another's; {advice}")
    return store.load(place, p.computer.device)


def predict_variant(prepared: Prepared, index: np.ndarray, variant: str, seed: int, p: Parameters) -> np.ndarray:
    """Alpha (n, 1, H, W) float32 in [0, 1] that the variant's model predicts for `index`."""
    return _predict(load(prepared, variant, seed, p), prepared, index, variant, p)


def _predict(model: nn.Module, prepared: Prepared, index: np.ndarray, variant: str, p: Parameters) -> np.ndarray:
    used = VARIANTS[variant].used
    with cpu_threads(p.computer.threads):
        return predict(model, prepared, index, p.machine, mirror=used, keep_known=used)


def score(
    prepared: Prepared, index: np.ndarray, variants: Iterable[str], p: Parameters, part: int = 2048
) -> pd.DataFrame:
    """Scores by region of all variants and seeds on the images of `index`, training and test images alike.

    Evaluation mode, fixed trimaps, no augmentation. In parts, so that memory doesn't grow with n.
    """
    found = []
    for variant in variants:
        for seed in seeds_of(p):
            model = load(prepared, variant, seed, p)
            found += [
                scores.by_region(
                    variant,
                    seed,
                    some,
                    _predict(model, prepared, some, variant, p),
                    prepared.alpha[some],
                    prepared.trimap[some],
                )
                for some in chunks(index, part)
            ]
    return pd.concat(found, ignore_index=True)


def score_alphas(prepared: Prepared, index: np.ndarray, alphas: dict[str, np.ndarray]) -> pd.DataFrame:
    """Scores by region of methods that are not trained: name -> alpha (n, 1, H, W) float in [0, 1] of `index`."""
    return pd.concat(
        [
            scores.by_region(method, 0, index, alpha, prepared.alpha[index], prepared.trimap[index])
            for method, alpha in alphas.items()
        ],
        ignore_index=True,
    )


def controls(prepared: Prepared, index: np.ndarray, train_index: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> alpha (n, 1, H, W) float32 in [0, 1] for `index` of what looks at no image: the mean of the training alphas
    and the best constant for them, each as it is and with the known pixels of the trimap pasted; the trimap; the truth
    with 0.5 in the unknown. The pasted constant is the best one within the unknown pixels of the training trimaps."""
    trimap, trained = np.asarray(prepared.trimap[index]), np.asarray(prepared.alpha[train_index])
    mean, constant = baselines.mean_alpha(trained), baselines.best_constant(trained)
    within = baselines.best_constant(trained, np.asarray(prepared.trimap[train_index]) == UNKNOWN)
    return {
        MEAN_CONTROL: np.broadcast_to(mean, trimap.shape),
        CONSTANT_CONTROL: np.full(trimap.shape, constant),
        PASTED_MEAN: paste(mean, trimap),
        PASTED_CONSTANT: paste(within, trimap),
        TRIMAP_CONTROL: baselines.trimap_as_alpha(trimap),
        HALF_CONTROL: baselines.half_unknown(trimap, prepared.alpha[index]),
    }


def score_controls(prepared: Prepared, index: np.ndarray, train_index: np.ndarray) -> pd.DataFrame:
    """Scores by region of `controls`."""
    return score_alphas(prepared, index, controls(prepared, index, train_index))


def load_unsupervised(run: str, index: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Alphas (n, 1, H, W) float32 in [0, 1] that notebook 02 wrote for the images `index`, by method of UNSUPERVISED.

    UserError that names notebook 02 when its file is missing, or of other images or another size.
    """
    name, path = f"runs/{run}/unsupervised.npz", runs_dir(run) / "unsupervised.npz"
    advice = "run notebook 02_unsupervised with the same parameters first."
    if not path.is_file():
        raise UserError(f"{name}: expected the alphas of K-means, GMM and GrabCut, found no file; {advice}")
    with np.load(path) as file:
        if (
            not set(UNSUPERVISED) <= set(file)
            or not np.array_equal(file["index"], index)
            or file["kmeans_border"].shape[-2:] != size
        ):
            raise UserError(
                f"{name}: expected alphas of all methods for this run's {len(index)} test images at "
                f"{size[0]}x{size[1]} px, found others; {advice}"
            )
        return {method: file[method].astype(np.float32) / 255 for method in UNSUPERVISED}


# ---------------------------------------------------------------------------------------------- pictures


def augmented_pairs(prepared: Prepared, index: np.ndarray, seed: int, count: int = 4) -> list[dict]:
    """The first `count` images of `index` that the augmentation's first epoch draws, before and after it.

    Dicts with before and after: (image (H, W, 3), alpha (H, W), trimap (H, W)) float in [0, 1]; note: what
    was done.
    """
    flip, angle = augment.draw(int(index.max()) + 1, seed, epoch=1)
    chosen = index[flip.numpy()[index]][:count]
    image, alpha = (
        torch.from_numpy(np.asarray(array[chosen])).float() / 255 for array in (prepared.image, prepared.alpha)
    )
    before = image, alpha, trimap_levels(torch.from_numpy(np.asarray(prepared.trimap[chosen])))
    after = augment.flip_rotate(*before, flip[chosen], angle[chosen])
    return [
        {"before": _pictures(before, row), "after": _pictures(after, row), "note": f"flip, {angle[key].item():+.0f}°"}
        for row, key in enumerate(chosen)
    ]


def _pictures(batch: tuple[torch.Tensor, ...], row: int) -> tuple[np.ndarray, ...]:
    image, alpha, trimap = (part[row].numpy() for part in batch)
    return image.transpose(1, 2, 0), alpha[0], trimap[0]
