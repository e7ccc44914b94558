"""Two comparisons of notebook 15, trained by `python -m lib crossed` and `python -m lib transfer`.

Crossed: people and places are halved, and four networks are trained, one on each half of the people in front of each half of
the places. Every test picture then meets a network that has seen its person and its place, only one of them, or neither.

Transfer: the study's network is trained for as many steps on rendered portraits, on four fifths of some photographs, and half
of the steps on each, one after the other; all are tested on the other fifth. A residual U-Net is trained on the study's number
of rendered pictures and steps.
"""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib import baselines, scores
from lib.base import UserError, reports_dir, runs_dir
from lib.compute import Compute, cpu_threads
from lib.data.cache import ImageSet, prepare
from lib.data.portraits import PER_SESSION, PersonPlaceGrid, read_manifest
from lib.data.sources import open_source
from lib.data.splits import random_split
from lib.experiments import study
from lib.experiments.sweeps import save
from lib.inference import predict_batches
from lib.models.checkpoint import load_network
from lib.scores import TRIMAP_CONTROL
from lib.training.thumbnail import ThumbnailConfig, ThumbnailTask
from lib.training.trainer import train

QUADRANTS = tuple(itertools.product((0, 1), (0, 1)))  # (half of the people, half of the places)
SEEN = {(True, True): "person and place", (True, False): "person", (False, True): "place", (False, False): "neither"}
CROSSED = ThumbnailConfig(
    steps=1000, batch_size=64, lr=1e-3, optimizer="adamw", weight_decay=1e-4, schedule="onecycle", width=16
)
RENDERED, PHOTOGRAPHS, BOTH = "rendered portraits", "photographs", "rendered portraits, then photographs"
RESIDUAL = "rendered portraits, residual U-Net"
PAIRS = ((RENDERED, PHOTOGRAPHS), (BOTH, PHOTOGRAPHS), (BOTH, RENDERED))
TRANSFER = ThumbnailConfig(
    steps=2000, batch_size=32, width=16, lr=3e-3, optimizer="adamw", weight_decay=1e-4, schedule="onecycle",
    epochs=60, augment=True,
)  # fmt: skip
# The study's steps, colour jitter against the renderer's colours, averaged weights.
RESIDUAL_CONFIG = ThumbnailConfig(
    network="residual, as many weights", width=16, steps=study.STEPS, batch_size=64, lr=3e-3, optimizer="adamw",
    weight_decay=1e-4, schedule="onecycle", augment=True, jitter=1.0, ema=0.998,
)  # fmt: skip


def _train_and_predict(config: ThumbnailConfig, folder: Path, compute: Compute, data, images: ImageSet, index):
    """Alpha (n,1,H,W) of images[index] by a network that is trained on data: (images, training positions)."""
    train(ThumbnailTask, config, folder, compute, data[0], (data[1], []))
    with cpu_threads(compute.threads):
        return predict_batches(load_network(folder, compute.device), images, index, compute)


# --- Person and place


@dataclass(frozen=True)
class FactorialSplits:
    """pairs: of a PersonPlaceGrid. train, test: quadrant -> positions of pictures."""

    pairs: np.ndarray
    train: dict[tuple[int, int], np.ndarray]
    test: dict[tuple[int, int], np.ndarray]


def factorial_splits(people: int, trained: int, tested: int, seed: int) -> FactorialSplits:
    """Halves of `people` people, and for each quadrant `trained` pictures to train on and `tested` to test on.

    A half of the places has one place a training pair. Every test pair is also a training pair, in two more pictures.
    UserError for odd numbers, or for more pictures to test on than to train on.
    """
    for name, number in (("trained", trained), ("tested", tested)):
        if number < 2 or number % PER_SESSION:
            raise UserError(f"{name}: expected an even number of pictures, at least 2, found {number}; change it.")
    if tested > trained:
        raise UserError(f"tested: expected at most the {trained} pictures of a training, found {tested}; lower it.")
    order = np.random.default_rng([seed, people]).permutation(people)
    halves, count = (order[: people // 2], order[people // 2 :]), trained // PER_SESSION
    places = 2 * np.arange(count)  # numbers of even parity; a scene's parity selects its panoramas
    pairs = {(i, j): np.stack([np.resize(halves[i], count), places + j], axis=1) for i, j in QUADRANTS}
    test_pairs = [quadrant[: tested // PER_SESSION] for quadrant in pairs.values()]
    sizes = [trained] * len(QUADRANTS) + [tested] * len(QUADRANTS)
    parts = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    train_parts, test_parts = (dict(zip(QUADRANTS, half, strict=True)) for half in (parts[:4], parts[4:]))
    return FactorialSplits(np.concatenate([*pairs.values(), *test_pairs]), train_parts, test_parts)


def score_crossed(
    images: ImageSet, splits: FactorialSplits, folder: Path, config: ThumbnailConfig, seeds: int, compute: Compute
) -> pd.DataFrame:
    """Train four networks a seed and test each on all test pictures.

    Scores (lib.scores) over all and over unknown pixels; method: what the network had seen (SEEN); image: a person;
    value: the mean over that person's pictures.
    """
    index = np.concatenate(list(splits.test.values()))
    quadrant_of = np.concatenate([[quadrant] * len(part) for quadrant, part in splits.test.items()])
    truth, trimap, parts = images.alpha[index], images.trimap[index], []
    for seed, quadrant in itertools.product(range(seeds), QUADRANTS):
        run_dir = folder / f"seed{seed}-people{quadrant[0]}-places{quadrant[1]}"
        data = images, splits.train[quadrant]
        alpha = _train_and_predict(replace(config, seed=seed), run_dir, compute, data, images, index)
        scored = scores.score_regions("", seed, index, alpha, truth, trimap)
        seen = {image: SEEN[tuple(same)] for image, same in zip(index, (quadrant_of == quadrant).tolist(), strict=True)}
        parts.append(scored[scored.measure.isin(("all", "unknown"))].assign(method=scored.image.map(seen)))
    scored = pd.concat(parts)
    scored["image"] = scored.image.map(dict(enumerate(images.groups)))
    means = scored.groupby(["method", "seed", "image", "measure"], sort=True).value.mean().reset_index()
    order = {name: number for number, name in enumerate(SEEN.values())}
    return means.sort_values("method", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def crossed(trained: int, tested: int, steps: int, seeds: int, size: int, compute: Compute) -> None:
    """Train, test, and write reports/experiments/crossed/."""
    splits = factorial_splits(len(read_manifest()), trained, tested, 0)
    images = prepare(PersonPlaceGrid(splits.pairs), size)
    scored = score_crossed(images, splits, runs_dir("crossed"), replace(CROSSED, steps=steps), seeds, compute)
    settings = {"trained": trained, "tested": tested, "steps": steps, "seeds": seeds, "size": size}
    save(
        reports_dir("experiments/crossed"),
        "crossed",
        {"scores": scored},
        {"parameters": settings, "test_pictures": 4 * tested},
    )
    print(scores.summarise(scored, 0).drop(columns="sample").round(4).to_string(index=False))


# --- Rendered portraits and photographs


def score_transfer(
    rendered: ImageSet, photographs: ImageSet, folder: Path, config: ThumbnailConfig, seeds: int, compute: Compute
) -> pd.DataFrame:
    """Scores by region of RENDERED, PHOTOGRAPHS and BOTH, and of the trimap as alpha; image: position of a photograph.

    Column fifth: whether the photograph is among those that no network was trained on.
    """
    train_index, test_index = random_split(len(photographs), 0)
    everything = np.arange(len(photographs))
    truth, trimap = photographs.alpha[everything], np.asarray(photographs.trimap[everything])
    control = baselines.trimap_as_alpha(trimap)
    parts = [scores.score_regions(TRIMAP_CONTROL, 0, everything, control, truth, trimap)]
    for seed in range(seeds):
        whole, half = (replace(config, steps=steps, seed=seed) for steps in (config.steps, config.steps // 2))
        first = folder / f"first-seed{seed}"
        on_rendered, on_photographs = (rendered, np.arange(len(rendered))), (photographs, train_index)
        train(ThumbnailTask, half, first, compute, rendered, (on_rendered[1], []))
        for name, arm_config, data, index in (
            (RENDERED, whole, on_rendered, everything),
            (PHOTOGRAPHS, whole, on_photographs, test_index),
            (BOTH, replace(half, start=str(first)), on_photographs, test_index),
        ):
            run_dir = folder / f"{name.replace(', ', '-').replace(' ', '-')}-seed{seed}"
            alpha = _train_and_predict(arm_config, run_dir, compute, data, photographs, index)
            parts.append(scores.score_regions(name, seed, index, alpha, truth[index], trimap[index]))
    scored = pd.concat(parts, ignore_index=True)
    return scored.assign(fifth=scored.image.isin(test_index))


def score_residual(
    rendered: ImageSet, photographs: ImageSet, folder: Path, config: ThumbnailConfig, compute: Compute
) -> pd.DataFrame:
    """Scores of RESIDUAL on all photographs, trained on all of the rendered pictures; columns of `score_transfer`."""
    everything, data = np.arange(len(photographs)), (rendered, np.arange(len(rendered)))
    alpha = _train_and_predict(config, folder, compute, data, photographs, everything)
    truth, trimap = photographs.alpha[everything], photographs.trimap[everything]
    scored = scores.score_regions(RESIDUAL, config.seed, everything, alpha, truth, np.asarray(trimap))
    return scored.assign(fifth=scored.image.isin(random_split(len(photographs), 0)[1]))


def transfer(data: str, data_dir: str, images: int, many: int, steps: int, seeds: int, size: int, compute: Compute):
    """Train and test on the photographs of a folder, and write reports/experiments/transfer/.

    images, many: rendered portraits for the study's network and for the residual U-Net.
    """
    photographs = prepare(open_source(data, data_dir), size)
    rendered, rendered_many = (prepare(open_source("portraits", "", count, 0), size) for count in (images, many))
    folder, config = runs_dir("transfer"), replace(TRANSFER, steps=steps)
    parts = [
        score_transfer(rendered, photographs, folder, config, seeds, compute),
        score_residual(rendered_many, photographs, folder / "today", RESIDUAL_CONFIG, compute),
    ]
    scored = pd.concat(parts, ignore_index=True)
    settings = {
        "data": data,
        "data_dir": "",
        "images": images,
        "many": many,
        "steps": steps,
        "seeds": seeds,
        "size": size,
    }
    settings |= {"batch_size": config.batch_size, "width": config.width, "steps_of_today": RESIDUAL_CONFIG.steps}
    counts = {"photographs": len(photographs), "trained_on": len(random_split(len(photographs), 0)[0])}
    save(reports_dir("experiments/transfer"), "transfer", {"scores": scored}, {"parameters": settings, **counts})
    fifth = scored[scored.fifth]
    for table in (scores.summarise(fifth, 0), scores.compare(fifth, PAIRS, 0)):
        print(table.drop(columns="sample").round(4).to_string(index=False))
