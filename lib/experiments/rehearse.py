"""Hours that a profile's trainings take on this machine: `make gpu-check`.

Of each kind of training that the notebooks 03, 04 and 06 plan, a few steps are trained, on images of its own source; hours
are measured seconds times planned steps. Evaluations are not measured: they add minutes, not hours.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib.compute import Compute, resolve_device
from lib.data.cache import ImageSet, prepare
from lib.data.sources import open_source
from lib.experiments import fullsize, thumbnail
from lib.experiments.parameters import Parameters
from lib.training.config import TrainConfig
from lib.training.dim import DimTask
from lib.training.thumbnail import ThumbnailTask
from lib.training.trainer import Task, train

CPU_CROPS = 2  # crops of a step at full size on a CPU, where a whole batch would take minutes


def seconds_per_step(
    task: type[Task], config: TrainConfig, compute: Compute, *data, warm_up: int = 2, steps: int = 12
) -> float:
    """Seconds of a training step, its batches included: mean of `steps` minus `warm_up` steps of a training."""
    config = replace(config, steps=steps, test_at=(warm_up,))
    with tempfile.TemporaryDirectory() as folder:
        history = train(task, config, Path(folder) / "rehearsal", compute, *data)
    return history.seconds.iloc[-1] / (steps - warm_up)


def kinds(p: Parameters) -> list[tuple[str, type[Task], TrainConfig, ImageSet, int, int]]:
    """(name, task, config, images, batch of the profile, steps of all trainings) of each kind that the notebooks train."""
    count, full_count = (_training_images(p, images) for images in (p.images, p.full_images))
    rows = []
    for name, variants in {"study": ("sgd", "sgd-da", "adam"), "recipe": ("recipe", "recipe-da", "recipe")}.items():
        config = thumbnail.config_of(variants[0], p, count, p.seed)
        steps = config.epochs * -(-count // config.batch_size) * len(variants) * p.seeds
        source = open_source(p.data, p.data_dir, 2 * config.batch_size, p.seed)
        images = prepare(source, p.size, p.trimap_rule, bad_limit=p.bad_limit)
        rows.append((f"{p.size}x{p.size} px, {name}", ThumbnailTask, config, images, config.batch_size, steps))
    batch = p.full_batch if resolve_device(p.device).type == "cuda" else min(p.full_batch, CPU_CROPS)
    images = fullsize.images(p.model_copy(update={"full_images": max(2, batch // p.full_crops)}))
    config = replace(fullsize.config_of("da", "stage1", p.seed, p), batch_size=batch, crops=4 * p.full_crops)
    epochs = sum(fullsize.epochs_of(step, p) for _, step in fullsize.TRAININGS) * p.full_seeds
    steps = epochs * max(1, full_count * p.full_crops // p.full_batch)
    height, width = fullsize.picture_size(p)
    name = f"two stages, crops of {p.full_side} px from {width}x{height}"
    return [*rows, (name, DimTask, config, images, p.full_batch, steps)]


def _training_images(p: Parameters, images: int) -> int:
    count = len(open_source(p.data, p.data_dir, images, p.seed).keys)
    return count - round(count * p.test_fraction)


def rehearse(p: Parameters) -> tuple[pd.DataFrame, list[str]]:
    """(a row a kind of training: batch, steps, seconds a step, hours; what is in the way, as sentences)."""
    rows, problems, measured = [], [], {}
    for name, task, config, images, batch, steps in kinds(p):
        if (task, batch) not in measured:  # the study's protocol and the recipe take the same time
            try:
                split = np.arange(len(images)), np.arange(0)
                seconds = seconds_per_step(task, config, p.compute, images, split)
            except torch.OutOfMemoryError:
                problems.append(f"{name}: batches of {batch} do not fit into the GPU's memory; lower them.")
                continue
            measured[task, batch] = seconds * batch / config.batch_size
        seconds = measured[task, batch]
        hours = steps * seconds / 3600
        rows.append({"training": name, "batch": batch, "steps": steps, "seconds": seconds, "hours": hours})
    return pd.DataFrame(rows), problems


def report(profile: str, p: Parameters) -> bool:
    """Print the hours of each kind of training and whether this machine can train them; True if it can."""
    device = resolve_device(p.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"the CPU, {os.cpu_count()} cores"
    print(f"profile {profile} on {name}: some steps of each kind of training ...", flush=True)
    table, problems = rehearse(p)
    print(table.to_string(index=False, formatters={"seconds": "{:.3f}".format, "hours": "{:.2f}".format}))
    print(f"trainings: {sum(table.get('hours', ())):.2f} hours, beside what the evaluations take.")
    if device.type == "cpu" and profile == "gpu" and p.device != "cpu":
        problems.append(
            "device: expected a GPU that PyTorch finds, found none; use PROFILE=quick on this machine, or SET=device=cpu "
            "and the hours above."
        )
    for sentence in problems:
        print(f"no: {sentence}")
    if not problems:
        print(f"yes: make paper PROFILE={profile} can run here.")
    return not problems
