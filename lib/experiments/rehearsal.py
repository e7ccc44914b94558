"""Can this machine train what a profile asks for, and for how long: `python -m lib rehearse gpu`, or `make gpu-check`.

Of each kind of training that the notebooks 03, 04 and 06 plan, a few steps are trained, on images of its own source; hours
are measured seconds times planned steps. Evaluations are not measured: they add minutes, not hours.
"""

import argparse
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib.compute import resolve_device
from lib.data.open import open_source
from lib.data.prepare import Prepared, prepare
from lib.experiments import fullsize, parameters, profiles, thumbnail
from lib.experiments.parameters import Parameters
from lib.training.config import TrainConfig
from lib.training.dim import DimTask
from lib.training.thumbnail import ThumbnailTask
from lib.training.trainer import Task, train

WARM_UP, STEPS = 2, 12  # the steps after the first WARM_UP are timed, of STEPS
CPU_CROPS = 2  # crops of a step at full size on a CPU, where a whole batch would take minutes


@dataclass(frozen=True)
class Kind:
    """Trainings of one kind: their task, the config and the images of the rehearsal, the images of a step in the profile,
    and the steps of all of them."""

    name: str
    task: type[Task]
    config: TrainConfig
    prepared: Prepared
    batch: int
    steps: int


def read(profile: str, settings: dict[str, object]) -> Parameters:
    """The parameters of a profile, and settings on top of them. UserError for an unknown profile or name."""
    given = profiles.read(profile).get("parameters", {}) | settings
    return parameters.check(parameters.defaults() | given)


def kinds(p: Parameters, cache: str) -> list[Kind]:
    """What the notebooks 03, 04 and 06 train with these parameters. cache: a folder for the images."""

    def few(images: int, size: int | tuple[int, int]) -> Prepared:
        source = open_source(p.data.data, p.data.data_dir, images, p.data.seed)
        return prepare(source, size, p.data.trimap_rule, cache=cache, bad_limit=p.data.bad_limit)

    rows, images = [], _training_images(p, p.data.images)
    for name, variants in {"study": ("sgd", "sgd-da", "adam"), "recipe": ("recipe", "recipe-da", "recipe")}.items():
        config = thumbnail.recipe(variants[0], p, images)
        steps = config.epochs * -(-images // config.batch_size) * len(variants) * p.thumbnail.seeds
        prepared = few(2 * config.batch_size, p.data.size)
        label = f"{p.data.size}x{p.data.size} px, {name}"
        rows.append(Kind(label, ThumbnailTask, config, prepared, config.batch_size, steps))
    batch = p.full.batch if resolve_device(p.computer.device).type == "cuda" else min(p.full.batch, CPU_CROPS)
    prepared = few(max(2, batch // p.full.crops), fullsize.picture_size(p))
    config = replace(fullsize.recipe("da", "stage1", p.data.seed, p), batch_size=batch, crops=4 * p.full.crops)
    epochs = sum(fullsize_epochs(p, step) for _, step in fullsize.trainings()) * p.full.seeds
    steps = epochs * max(1, _training_images(p, p.full.images) * p.full.crops // p.full.batch)
    height, width = fullsize.picture_size(p)
    label = f"two stages, crops of {p.full.side} px from {width}x{height}"
    return [*rows, Kind(label, DimTask, config, prepared, p.full.batch, steps)]


def fullsize_epochs(p: Parameters, step: str) -> int:
    """Epochs of one step of the two-stage network's training."""
    return max(1, round(p.full.epochs * fullsize.STEPS[step].epochs))


def _training_images(p: Parameters, images: int) -> int:
    count = len(open_source(p.data.data, p.data.data_dir, images, p.data.seed).keys)
    return count - round(count * p.data.test_fraction)


def measure(kind: Kind, p: Parameters, folder: Path) -> float:
    """Seconds of a step with the profile's batch."""
    config = replace(kind.config, steps=STEPS, test_at=(WARM_UP,), seed=p.data.seed)
    split = np.arange(len(kind.prepared)), np.arange(0)
    history = train(kind.task, config, folder, p.machine, kind.prepared, split)
    return history.seconds.iloc[-1] / (STEPS - WARM_UP) * kind.batch / config.batch_size


def rehearse(p: Parameters) -> tuple[pd.DataFrame, list[str]]:
    """(a row a kind of training: batch, steps, seconds a step, hours; what is in the way, as sentences)."""
    rows, wrong, measured = [], [], {}
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(kinds(p, folder)):
            alike = kind.task, kind.batch  # the study's protocol and the recipe differ in what costs no time
            try:
                seconds = measured[alike] = measured.get(alike) or measure(kind, p, Path(folder) / f"run{number}")
            except torch.OutOfMemoryError:
                wrong.append(f"{kind.name}: batches of {kind.batch} do not fit into the GPU's memory; lower them.")
                continue
            hours = kind.steps * seconds / 3600
            row = {"training": kind.name, "batch": kind.batch, "steps": kind.steps, "seconds": seconds, "hours": hours}
            rows.append(row)
    return pd.DataFrame(rows), wrong


def main(arguments: list[str] | None = None) -> int:
    """Say whether this machine can train what a profile asks for, and how long it will take; exit status 1 if it can not."""
    parser = argparse.ArgumentParser(prog="python -m lib rehearse", description=main.__doc__)
    parser.add_argument("profile", help="a file of notebooks/profiles, without .toml")
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="any parameter of the notebooks")
    parser.add_argument("--set", default="", help="the same in one text, quoted as in a shell (make's SET)")
    args = parser.parse_args(arguments)
    p = read(args.profile, dict(map(profiles.parse_setting, args.settings)) | profiles.parse_settings(args.set))
    device = resolve_device(p.computer.device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"the CPU, {os.cpu_count()} cores"
    print(f"profile {args.profile} on {where}: some steps of each kind of training ...", flush=True)
    table, wrong = rehearse(p)
    print(table.to_string(index=False, formatters={"seconds": "{:.3f}".format, "hours": "{:.2f}".format}))
    print(f"trainings: {sum(table.get('hours', ())):.2f} hours, beside what the evaluations take.")
    if device.type == "cpu" and args.profile == "gpu" and p.computer.device != "cpu":
        wrong.append(
            "device: expected a GPU that PyTorch finds, found none; use PROFILE=quick on this machine, or SET=device=cpu "
            "and the hours above."
        )
    for sentence in wrong:
        print(f"no: {sentence}")
    if not wrong:
        print(f"yes: make paper PROFILE={args.profile} can run here.")
    return 1 if wrong else 0
