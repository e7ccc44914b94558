"""What do the rendered portraits teach about photographs? `python -m lib transfer --data folder --data-dir DIR`.

The study's network is trained with one recipe (AdamW, one cycle, augmentation) for as many steps each: on rendered portraits
alone, on four fifths of the photographs, and half of the steps on the one, then half on the other. All are tested on the
other fifth of the photographs, the first on all of them, too. Beside them, a network of today (lib.models.residual) that gets
all that the rendered people can give: the study's number of pictures and of steps.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib import baselines
from lib.base import cache_dir, runs_dir
from lib.compute import Compute, cpu_threads
from lib.data.open import open_source
from lib.data.prepare import Prepared, prepare
from lib.data.splits import random_split
from lib.evaluation import scores
from lib.experiments import committed, published
from lib.experiments.thumbnail import PHOTOGRAPHS
from lib.inference import predict
from lib.models import store
from lib.training.thumbnail import ThumbnailConfig, ThumbnailTask
from lib.training.trainer import train

CONTROL = "control: trimap as alpha"
RESIDUAL = "residual, as many weights"  # of lib.models.variants
RENDERED, TAKEN, BOTH = "rendered portraits", "photographs", "rendered portraits, then photographs"
TODAY = "rendered portraits, residual U-Net"
# The study's counts; colours drawn anew, for a photograph's are not a renderer's; weights averaged over the last steps.
OF_TODAY = ThumbnailConfig(
    network=RESIDUAL, width=16, steps=published.STEPS, batch_size=64, lr=3e-3, optimizer="adamw", weight_decay=1e-4,
    schedule="onecycle", augment=True, jitter=1.0, ema=0.998,
)  # fmt: skip
PAIRS = ((RENDERED, TAKEN), (BOTH, TAKEN), (BOTH, RENDERED))


def compare(
    rendered: Prepared,
    photographs: Prepared,
    folder: Path,
    recipe: ThumbnailConfig,
    seeds: int,
    machine: Compute = Compute(),
) -> pd.DataFrame:
    """Scores (lib.evaluation.scores.by_region) of RENDERED, TAKEN and BOTH, of as many seeds, and of CONTROL; image is the
    position of a photograph, and `fifth` says whether it is among those that nothing was trained on."""
    trained, tested = random_split(len(photographs), 0)
    everything, half = np.arange(len(photographs)), replace(recipe, steps=recipe.steps // 2)
    truth, trimap = photographs.alpha[everything], np.asarray(photographs.trimap[everything])
    parts = [scores.by_region(CONTROL, 0, everything, baselines.trimap_as_alpha(trimap), truth, trimap)]
    for seed in range(seeds):
        places = {
            name: folder / f"{name.replace(', ', '-').replace(' ', '-')}-seed{seed}" for name in (RENDERED, TAKEN, BOTH)
        }
        first, own = folder / f"first-seed{seed}", {"seed": seed}
        from_rendered, from_taken = (rendered, (np.arange(len(rendered)), [])), (photographs, (trained, []))
        second = replace(half, **own, start=str(first))
        train(ThumbnailTask, replace(recipe, **own), places[RENDERED], machine, *from_rendered)
        train(ThumbnailTask, replace(recipe, **own), places[TAKEN], machine, *from_taken)
        train(ThumbnailTask, replace(half, **own), first, machine, *from_rendered)
        train(ThumbnailTask, second, places[BOTH], machine, *from_taken)
        for name, index in ((RENDERED, everything), (TAKEN, tested), (BOTH, tested)):
            with cpu_threads(machine.threads):
                alpha = predict(store.load(places[name], machine.device), photographs, index, machine)
            parts.append(scores.by_region(name, seed, index, alpha, truth[index], trimap[index]))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(fifth=found.image.isin(tested))


def of_today(
    rendered: Prepared, photographs: Prepared, folder: Path, recipe: ThumbnailConfig, machine: Compute = Compute()
) -> pd.DataFrame:
    """Scores of TODAY on all photographs, trained on all of the rendered pictures."""
    train(ThumbnailTask, recipe, folder, machine, rendered, (np.arange(len(rendered)), []))
    everything = np.arange(len(photographs))
    with cpu_threads(machine.threads):
        alpha = predict(store.load(folder, machine.device), photographs, everything, machine)
    trimap = np.asarray(photographs.trimap[everything])
    found = scores.by_region(TODAY, recipe.seed, everything, alpha, photographs.alpha[everything], trimap)
    return found.assign(fifth=found.image.isin(random_split(len(photographs), 0)[1]))


def main(arguments: list[str] | None = None) -> None:
    """Compare, and write reports/transfer/."""
    parser = argparse.ArgumentParser(prog="python -m lib transfer", description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="folder", help="photographs: aisegment or folder")
    parser.add_argument("--data-dir", required=True, help="their directory")
    parser.add_argument("--images", type=int, default=4000, help="rendered portraits to train on")
    parser.add_argument("--many", type=int, default=published.IMAGES, help="rendered portraits for the residual U-Net")
    parser.add_argument("--steps", type=int, default=2000, help="of each network")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--width", type=int, default=16, help="channels of the first block; 64 is VGG-16")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args(arguments)
    recipe = replace(PHOTOGRAPHS, steps=given.steps, batch_size=given.batch_size, width=given.width)
    rendered = prepare(open_source("portraits", "", given.images, 0), given.size, cache=cache_dir())
    photographs = prepare(open_source(given.data, given.data_dir), given.size, cache=cache_dir())
    machine = Compute(threads=given.threads)
    many = prepare(open_source("portraits", "", given.many, 0), given.size, cache=cache_dir())
    parts = [
        compare(rendered, photographs, runs_dir("transfer"), recipe, given.seeds, machine),
        of_today(many, photographs, runs_dir("transfer") / "today", OF_TODAY, machine),
    ]
    found = pd.concat(parts, ignore_index=True)
    said = {
        "parameters": vars(given) | {"data_dir": "", "steps_of_today": OF_TODAY.steps},
        "photographs": len(photographs),
        "trained_on": len(random_split(len(photographs), 0)[0]),
    }
    committed.write("transfer", "transfer", {"scores": found}, said)
    shared = found[found.fifth]
    print(scores.summarise(shared, 0).drop(columns="sample").round(4).to_string(index=False))
    print(scores.compare(shared, PAIRS, 0).drop(columns="sample").round(4).to_string(index=False))
