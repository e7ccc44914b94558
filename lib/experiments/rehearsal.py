"""Can this machine train what a profile asks for, and how long will it take: `python -m lib rehearse gpu`, or `make gpu-check`.

Of each kind of training that the profile plans, a few steps are taken, on images of its own source, by the systems that the
notebooks train; hours are measured seconds times planned steps. What networks and solvers are then asked in evaluations
is not measured: it adds minutes, not hours.
"""

import argparse
import itertools
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch

from lib.base import cache_dir
from lib.data.open import open_source
from lib.data.prepare import prepare
from lib.device import resolve_device
from lib.experiments import fullsize, parameters, profiles, thumbnail
from lib.experiments.parameters import Parameters
from lib.training import loop, memory
from lib.training.dim import DimTraining
from lib.training.place import Place, place
from lib.training.thumbnail import Thumbnail

SECONDS, STEPS = 10.0, 10  # of each kind at most, after the steps that warm up
FEW = 2  # crops of a step at full size on a CPU, which would take minutes for a whole batch; then as many times as long
SCORES = 8  # bytes a pixel that a prepared set keeps: image, alpha, trimap and what belongs to them


@dataclass(frozen=True)
class Kind:
    """Trainings of one kind. make: (place, images of a step) -> the system, on a few images of the source; batch: images of
    a step in the profile; steps: of all these trainings together; few: images of a step on a CPU, at most."""

    name: str
    make: partial  # of a function (..., Place, int) -> loop.System
    batch: int
    steps: int
    few: int


def read(profile: str, settings: dict[str, object]) -> Parameters:
    """The parameters of a profile, and settings on top of them. UserError for an unknown profile or name."""
    given = profiles.read(profile).get("parameters", {}) | settings
    return parameters.check(parameters.defaults() | given)


def kinds(p: Parameters, folder: str) -> list[Kind]:
    """What the notebooks 03, 04 and 06 train with these parameters. folder: for the few images that the rehearsal prepares."""
    images = _count(p, p.data.images)
    train = images - round(images * p.data.test_fraction)
    full = _count(p, p.full.images)
    crops = (full - round(full * p.data.test_fraction)) * p.full.crops
    found = []
    for name, variants in {"study": ("sgd", "sgd-da", "adam"), "recipe": ("recipe", "recipe-da", "recipe")}.items():
        recipe = thumbnail.recipe(variants[0], p, train)
        steps = recipe.epochs * -(-train // recipe.batch_size) * len(variants) * p.thumbnail.seeds
        make = partial(_thumbnail, p, variants[0], folder)
        found.append(Kind(f"{p.data.size}x{p.data.size} px, {name}", make, recipe.batch_size, steps, recipe.batch_size))
    epochs = sum(fullsize_epochs(p, step) for _, step in fullsize.trainings()) * p.full.seeds
    width, height = fullsize.picture_size(p)[::-1]
    found.append(
        Kind(
            f"two stages, crops of {p.full.side} px from {width}x{height}",
            partial(_fullsize, p, folder),
            p.full.batch,
            epochs * max(1, crops // p.full.batch),
            FEW,
        )
    )
    return found


def fullsize_epochs(p: Parameters, step: str) -> int:
    """Epochs of one step of the two-stage network's training."""
    return max(1, round(p.full.epochs * fullsize.STEPS[step].epochs))


def _count(p: Parameters, images: int) -> int:
    return len(open_source(p.data.data, p.data.data_dir, images, p.data.seed).keys)


def _few(p: Parameters, images: int, size: int | tuple[int, int], folder: str):
    source = open_source(p.data.data, p.data.data_dir, images, p.data.seed)
    return prepare(source, size, p.data.trimap_rule, cache=folder, bad_limit=p.data.bad_limit)


def _thumbnail(p: Parameters, variant: str, folder: str, here: Place, batch: int) -> loop.System:
    prepared = _few(p, 2 * batch, p.data.size, folder)
    recipe = replace(thumbnail.recipe(variant, p, len(prepared)), batch_size=batch)
    return Thumbnail(prepared, (range(len(prepared)), []), recipe, here)


def _fullsize(p: Parameters, folder: str, here: Place, batch: int) -> loop.System:
    prepared = _few(p, max(2, batch // p.full.crops), fullsize.picture_size(p), folder)
    recipe = replace(fullsize.recipe("da", "stage1", p.data.seed, p), batch_size=batch, crops=p.full.crops * 4)
    return DimTraining(prepared, (np.arange(len(prepared)), np.arange(0)), recipe, here)


def measure(kind: Kind, here: Place) -> dict:
    """seconds a step of the profile's batch; on a GPU also gib, the most that it took of its memory, and the parts of a batch."""
    on_gpu = here.device.type == "cuda"
    batch = kind.batch if on_gpu else min(kind.batch, kind.few)
    system = kind.make(here, batch)
    system.model.to(here.device, memory_format=torch.channels_last).eval()
    system.learning().train()
    system.network, system.optimizers = system.model, system.make_optimizers()
    batches = itertools.chain.from_iterable(system.batches(epoch, 0) for epoch in itertools.count(1))
    first = next(batches)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(here.device)
        system.parts = memory.plan(system, first, torch.cuda.mem_get_info(here.device)[0]).parts
    for _ in range(3 if on_gpu else 1):
        system.step([first])
    seconds, steps = 0.0, 0
    while steps < STEPS and seconds < SECONDS:
        _wait(here)
        started = time.perf_counter()
        system.step([next(batches)])
        _wait(here)
        seconds, steps = seconds + time.perf_counter() - started, steps + 1
    found = {"seconds": seconds / steps * kind.batch / batch}
    if on_gpu:
        found |= {"gib": torch.cuda.max_memory_allocated(here.device) / memory.GIB, "parts": system.parts}
    return found


def _wait(here: Place) -> None:
    if here.device.type == "cuda":
        torch.cuda.synchronize(here.device)


def disk(p: Parameters) -> float:
    """GiB that the prepared images take."""
    height, width = fullsize.picture_size(p)
    pixels = _count(p, p.data.images) * p.data.size**2 + _count(p, p.full.images) * height * width
    return SCORES * pixels / memory.GIB


def rehearse(p: Parameters) -> tuple[pd.DataFrame, list[str]]:
    """(a row a kind of training: steps, seconds a step, hours, on a GPU memory and parts; what is in the way, as sentences)."""
    rows, wrong, measured = [], [], {}
    with tempfile.TemporaryDirectory() as folder, place(p.machine) as here:
        for kind in kinds(p, folder):
            alike = kind.make.func, kind.batch  # the study's protocol and the recipe differ in what costs no time
            try:
                found = measured[alike] = measured.get(alike) or measure(kind, here)
            except torch.OutOfMemoryError:
                wrong.append(f"{kind.name}: batches of {kind.batch} do not fit into the GPU's memory; lower them.")
                continue
            hours = kind.steps * found["seconds"] / 3600
            rows.append({"training": kind.name, "batch": kind.batch, "steps": kind.steps, **found, "hours": hours})
    needed, cache = disk(p), cache_dir()
    while not cache.exists():
        cache = cache.parent
    free = shutil.disk_usage(cache).free / memory.GIB
    if free < needed:
        wrong.append(
            f"disk: the prepared images take {needed:.1f} GiB, {free:.1f} are free; set MATTING_CACHE to another disk."
        )
    return pd.DataFrame(rows), wrong


def main(arguments: list[str] | None = None) -> int:
    """Say whether this machine can train what a profile asks for, and how long it will take; exit status 1 if it can not."""
    parser = argparse.ArgumentParser(prog="python -m lib rehearse", description=main.__doc__)
    parser.add_argument("profile", help="a file of notebooks/profiles, without .toml")
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="any parameter of the notebooks")
    parser.add_argument("--set", default="", help="the same in one text, quoted as in a shell (make's SET)")
    given = parser.parse_args(arguments)
    p = read(given.profile, dict(map(profiles.parse_setting, given.settings)) | profiles.parse_settings(given.set))
    device = resolve_device(p.computer.device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"the CPU, {os.cpu_count()} cores"
    print(f"profile {given.profile} on {where}: some steps of each kind of training ...", flush=True)
    table, wrong = rehearse(p)
    print(
        table.to_string(
            index=False, formatters={"seconds": "{:.3f}".format, "hours": "{:.2f}".format, "gib": "{:.1f}".format}
        )
    )
    print(
        f"trainings: {sum(table.get('hours', ())):.2f} hours, beside what the evaluations take; {disk(p):.1f} GiB of disk."
    )
    if device.type == "cpu" and given.profile == "gpu" and p.computer.device != "cpu":
        wrong.append(
            "device: expected a GPU that PyTorch finds, found none; use PROFILE=quick on this machine, or SET=device=cpu "
            "and the hours above."
        )
    for sentence in wrong:
        print(f"no: {sentence}")
    if not wrong:
        print(f"yes: make paper PROFILE={given.profile} can run here.")
    return 1 if wrong else 0
