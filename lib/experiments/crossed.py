"""What is it worth to have seen the person before, or the place? `python -m lib crossed`.

A split by image leaks both at once. Here people and places are halved, and four networks are trained, one on each half of the
people in front of each half of the places. Every test picture then meets one that knows its person and its place (from other
pictures of the same pair), one that knows only the person (elsewhere), one that knows only the place (with somebody else),
and one that knows neither: four errors of the same picture, and no half is favoured.
"""

import argparse
import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib.base import UserError, cache_dir, runs_dir
from lib.compute import Compute, cpu_threads
from lib.data.crossed import Crossed
from lib.data.portraits import PER_OCCASION, read_manifest
from lib.data.prepare import Prepared, prepare
from lib.evaluation import scores
from lib.experiments import committed
from lib.inference import predict
from lib.models import store
from lib.training.thumbnail import ThumbnailConfig, ThumbnailTask
from lib.training.trainer import train

HALVES = tuple(itertools.product((0, 1), (0, 1)))  # (half of the people, half of the places)
KNOWN = {(True, True): "person and place", (True, False): "person", (False, True): "place", (False, False): "neither"}
RECIPE = ThumbnailConfig(
    steps=1000, batch_size=64, lr=1e-3, optimizer="adamw", weight_decay=1e-4, schedule="onecycle", width=16
)
REGIONS = ("all", "unknown")


@dataclass(frozen=True)
class Plan:
    """pairs: for lib.data.crossed. trained: halves -> positions of the pictures to train on; tested: the same to test on."""

    pairs: np.ndarray
    trained: dict[tuple[int, int], np.ndarray]
    tested: dict[tuple[int, int], np.ndarray]


def plan(people: int, trained: int, tested: int, seed: int) -> Plan:
    """Halves of `people` people, drawn by the seed, and for each of HALVES as many pictures to train and to test on.

    A half of the places is as many as a network's training has pairs. Every tested pair is one of the training's, in two
    more pictures. UserError for numbers that are odd, or more pictures to test than to train on.
    """
    for name, number in (("trained", trained), ("tested", tested)):
        if number < 2 or number % PER_OCCASION:
            raise UserError(f"{name}: expected an even number of pictures, at least 2, found {number}; change it.")
    if tested > trained:
        raise UserError(f"tested: expected at most the {trained} pictures of a training, found {tested}; lower it.")
    order = np.random.default_rng([seed, people]).permutation(people)
    half_of = {0: order[: people // 2], 1: order[people // 2 :]}
    count = trained // PER_OCCASION
    pairs = {
        (who, where): np.stack([np.resize(half_of[who], count), 2 * np.arange(count) + where], axis=1)
        for who, where in HALVES
    }
    again = {halves: own[: tested // PER_OCCASION] for halves, own in pairs.items()}
    sizes = [trained] * len(HALVES) + [tested] * len(HALVES)
    parts = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    return Plan(
        np.concatenate([*pairs.values(), *again.values()]),
        dict(zip(HALVES, parts[: len(HALVES)], strict=True)),
        dict(zip(HALVES, parts[len(HALVES) :], strict=True)),
    )


def measure(
    prepared: Prepared, planned: Plan, folder: Path, recipe: ThumbnailConfig, seeds: int, machine: Compute = Compute()
) -> pd.DataFrame:
    """Train four networks a seed and test each on all test pictures: scores (lib.evaluation.scores) by REGIONS, whose
    method is what was known (KNOWN), whose image is a person, and whose value is the mean over that person's pictures."""
    index = np.concatenate(list(planned.tested.values()))
    where = np.concatenate([[halves] * len(part) for halves, part in planned.tested.items()])
    truth, trimap = prepared.alpha[index], prepared.trimap[index]
    parts = []
    for seed, halves in itertools.product(range(seeds), HALVES):
        place = folder / f"seed{seed}-people{halves[0]}-places{halves[1]}"
        split = planned.trained[halves], []
        train(ThumbnailTask, replace(recipe, seed=seed), place, machine, prepared, split)
        with cpu_threads(machine.threads):
            alpha = predict(store.load(place, machine.device), prepared, index, machine)
        found = scores.by_region("", seed, index, alpha, truth, trimap)
        known = {picture: KNOWN[tuple(row)] for picture, row in zip(index, (where == halves).tolist(), strict=True)}
        parts.append(found[found.measure.isin(REGIONS)].assign(method=found.image.map(known)))
    every = pd.concat(parts)
    every["image"] = every.image.map(dict(enumerate(prepared.groups)))
    means = every.groupby(["method", "seed", "image", "measure"], sort=True).value.mean().reset_index()
    order = {name: place for place, name in enumerate(KNOWN.values())}
    return means.sort_values("method", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def main(arguments: list[str] | None = None) -> None:
    """Train, test, and write reports/crossed/."""
    parser = argparse.ArgumentParser(prog="python -m lib crossed", description=main.__doc__)
    parser.add_argument("--trained", type=int, default=3200, help="pictures that each network is trained on")
    parser.add_argument("--tested", type=int, default=160, help="pictures to test on, of each of the four kinds")
    parser.add_argument("--steps", type=int, default=RECIPE.steps)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args(arguments)
    planned = plan(len(read_manifest()), given.trained, given.tested, 0)
    prepared = prepare(Crossed(planned.pairs), given.size, cache=cache_dir())
    recipe = replace(RECIPE, steps=given.steps)
    found = measure(prepared, planned, runs_dir("crossed"), recipe, given.seeds, Compute(threads=given.threads))
    said = {"parameters": vars(given), "test_pictures": sum(map(len, planned.tested.values()))}
    committed.write("crossed", "crossed", {"scores": found}, said)
    print(scores.summarise(found, 0).drop(columns="sample").round(4).to_string(index=False))
