"""Training (section 2.2, table 1): one plain loop, called by the notebooks and by `python -m lib.training.thumbnail`.

`torchrun --nproc-per-node=4 -m lib.training.thumbnail ...` starts it on four GPUs; never start that from a notebook.
"""

import argparse
import contextlib
import inspect
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from lib.base import UserError, cache_dir
from lib.data.augment import draw, flip_rotate
from lib.data.batches import Arrays, batches, chunks, trimap_levels
from lib.data.open import open_source
from lib.data.prepare import Prepared, prepare, test_trimaps
from lib.data.splits import group_split, random_split
from lib.data.trimap import LOW_HIGH, default_radius, from_distance
from lib.device import autocast, cpu_threads, resolve_device, resolve_precision
from lib.evaluation.scores import alpha_errors
from lib.inference import predict
from lib.losses import alpha_prediction_loss
from lib.models.dim import POOLING, VGG16Matting
from lib.models.layers import initialise
from lib.models.weights import load_encoder
from lib.provenance import code_fingerprint
from lib.training.folder import COLUMNS, RunFolder, wait
from lib.training.optimize import deterministic, file_digest, index_digest, make_optimizer, make_scheduler

ORDER, RADIUS = 2, 3  # streams of random numbers, apart from each other and from lib.augment's
SETTINGS = ("epochs", "batch_size", "lr", "optimizer", "momentum", "weight_decay", "schedule", "loss_region",
            "augment", "batch_norm", "pooling", "encoder_weights", "trimap_rule", "seed")
CHOICES = {"optimizer": ("sgd", "adam", "adamw"), "schedule": ("constant", "onecycle"),
           "loss_region": ("all", "unknown"), "pooling": tuple(POOLING), "trimap_rule": tuple(LOW_HIGH)}


def train(prepared: Prepared, train_index: Sequence[int], test_index: Sequence[int], run_dir: Path | str, *,
          epochs: int = 10, batch_size: int = 64, lr: float = 0.01, optimizer: str = "sgd",
          momentum: float = 0.9, weight_decay: float = 0.0, schedule: str = "constant",
          loss_region: str = "all", augment: bool = False, batch_norm: bool = True,
          pooling: str = "halving", encoder_weights: str = "", trimap_rule: str = "tolerant", seed: int = 0,
          device: str = "auto", precision: str = "auto", threads: int = 0) -> pd.DataFrame:
    """Train VGG16Matting on the images `train_index` of `prepared`; test on `test_index` after each epoch.

    optimizer: sgd (with momentum), adam or adamw. schedule: constant, or onecycle (up to lr, then down to
    almost nothing; Smith 2018). loss_region: all or unknown pixels. augment: lib.data.augment. threads: 0 =
    PyTorch's own choice. Training trimaps are made from alpha with a radius drawn anew for each image and
    epoch from [r, 2r], r = default_radius; test trimaps are fixed (lib.data.prepare.test_trimaps).

    Returns the history, one row an epoch: epoch, then the mean over images of the alpha-prediction loss over
    all and over unknown pixels: train_* while the weights were changing, test_* after the epoch in evaluation
    mode (NaN without test images); seconds and images_per_second are those of the training steps alone.

    Writes in run_dir: config.json, history.csv, model.safetensors (when finished) and, until then, the last
    epoch's checkpoint epoch-NNN/. Called again with the same configuration, data and code it goes on from the
    checkpoint, or returns at once; with another configuration it says so and starts over.

    Batches: a new order each epoch; `batch_size` counts the images of all processes together; a rest of fewer
    than two images a process joins the batch before it, since batch norm has no variance over one 1x1 map.
    Same call, machine and thread count: same numbers, bit for bit, resumed or not; on a GPU not with the
    pooling "as_written", whose overlapping windows race for a pixel. Under torchrun batch norm takes its
    statistics in each process by itself, and those of the first are saved.

    UserError for a value out of range, too few images, or a wrong weights file.
    """
    given = locals()
    settings = {name: given[name] for name in SETTINGS}
    _check(settings, len(train_index))
    with processes(device) as (where, rank, world), cpu_threads(threads), deterministic():
        if min(batch_size, len(train_index)) < 2 * world:
            raise UserError(f"batch_size: expected 2 images a process (for batch norm), found batches of "
                            f"{min(batch_size, len(train_index))} for {world} process(es); use more images.")
        settings |= {"device": where.type, "precision": resolve_precision(precision, where),
                     "processes": world, "torch": torch.__version__, "data": prepared.fingerprint,
                     "code": code_fingerprint("lib.training.thumbnail"), "encoder_sha256": file_digest(encoder_weights),
                     "train_index": index_digest(train_index), "test_index": index_digest(test_index)}
        run = RunFolder(Path(run_dir), settings, rank)
        if not run.finished():
            _fit(prepared, np.asarray(train_index), np.asarray(test_index), run, where, world)
        return run.read_history()


def load(run_dir: Path | str, device: str = "auto") -> VGG16Matting:
    """The finished network of a run directory, in evaluation mode. UserError when there is none."""
    run_dir = Path(run_dir)
    if not (run_dir / "model.safetensors").is_file():
        raise UserError(f"{run_dir}: expected model.safetensors of a finished training, found none; "
                        "train it first (make paper).")
    config = json.loads((run_dir / "config.json").read_text())
    model = VGG16Matting(batch_norm=config["batch_norm"], pooling=config["pooling"])
    model.load_state_dict(load_file(run_dir / "model.safetensors"))
    return model.to(resolve_device(device), memory_format=torch.channels_last).eval()


def _fit(prepared: Prepared, train_index: np.ndarray, test_index: np.ndarray, run: RunFolder,
         device: torch.device, world: int) -> None:
    settings = run.config
    model = VGG16Matting(batch_norm=settings["batch_norm"], pooling=settings["pooling"])
    initialise(model, settings["seed"])
    load_encoder(model, settings["encoder_weights"])
    run.open()  # only now: a wrong weights file must not cost an earlier result
    model = model.to(device, memory_format=torch.channels_last)
    steps = len(batches(train_index, settings["batch_size"], world))
    optimizer = make_optimizer(model.parameters(), settings)
    scheduler = make_scheduler(optimizer, settings, steps)
    history = run.resume(model, optimizer, scheduler)
    network = model if world == 1 else DistributedDataParallel(
        model, device_ids=[device.index] if device.type == "cuda" else None)
    arrays = Arrays(prepared, train_index, settings["trimap_rule"], device)
    bar = tqdm(total=settings["epochs"] * steps, initial=len(history) * steps, unit="step",
               desc=run.folder.name, disable=True if run.rank else None)
    for epoch in range(len(history) + 1, settings["epochs"] + 1):
        started = time.perf_counter()
        losses = _epoch(network, optimizer, scheduler, arrays, epoch, settings, run.rank, world, bar)
        seconds = time.perf_counter() - started
        if run.rank == 0:
            tested = _test(model, prepared, test_index, settings, device)
            speed = len(train_index) / seconds
            history.append(dict(zip(COLUMNS, [epoch, *losses, *tested, seconds, speed], strict=True)))
            if epoch < settings["epochs"]:
                run.checkpoint(model, optimizer, scheduler, history)
            _tell(bar, run.folder.name, history[-1], settings["epochs"])
    bar.close()
    run.finish(model, history)


def _epoch(network: torch.nn.Module, optimizer: torch.optim.Optimizer, scheduler: LRScheduler | None,
           arrays: Arrays, epoch: int, settings: dict, rank: int, world: int,
           bar: tqdm) -> tuple[float, float]:
    """One pass over the training images; returns the mean loss over all and over unknown pixels."""
    device = arrays.device
    flips, angles, radii = _draws(arrays, settings["seed"], epoch)
    order = np.random.default_rng([settings["seed"], epoch, ORDER]).permutation(len(arrays.index))
    shares = [batch[rank::world] for batch in batches(order, settings["batch_size"], world)]
    totals = torch.zeros(4, dtype=torch.float64, device=device)  # stays there: an .item() a step stalls a GPU
    network.train()
    for rows, (image, alpha, distance) in arrays.stream(shares):
        trimap = trimap_levels(from_distance(distance, radii[rows].view(-1, 1, 1, 1)))
        if settings["augment"]:
            image, alpha, trimap = flip_rotate(image, alpha, trimap, flips[rows], angles[rows])
        unknown = trimap == 0.5
        region = unknown if settings["loss_region"] == "unknown" else None
        with autocast(device, settings["precision"]):
            predicted = network(image, trimap)
        loss = alpha_prediction_loss(predicted, alpha, region)
        optimizer.zero_grad(set_to_none=True)
        (loss * _weight(unknown, region, world)).backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        totals += _sums(predicted.detach(), alpha, unknown)
        bar.update()
    if world > 1:
        dist.all_reduce(totals)
    everywhere, images, within, counted = totals.tolist()
    return everywhere / images, within / counted if counted else math.nan


def _draws(arrays: Arrays, seed: int, epoch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Flip, angle and trimap radius of each training image: functions of (seed, epoch, index) alone."""
    images = int(arrays.index.max()) + 1
    radius = default_radius(arrays.prepared.alpha.shape[-2:])
    radii = radius * (1 + np.random.default_rng([seed, epoch, RADIUS]).random(images, dtype=np.float32))
    values = (*draw(images, seed, epoch), torch.from_numpy(radii))
    return tuple(value[arrays.index].to(arrays.device) for value in values)


def _sums(predicted: torch.Tensor, alpha: torch.Tensor, unknown: torch.Tensor) -> torch.Tensor:
    """Over the batch: sum of errors, images, sum of errors within unknown, images with unknown pixels."""
    error, within = (predicted - alpha).abs(), unknown.float()
    pixels = within.sum(dim=(1, 2, 3))
    unknown_error = (error * within).sum(dim=(1, 2, 3)) / pixels.clamp(min=1)
    return torch.stack([error.mean(dim=(1, 2, 3)).sum(), torch.ones_like(pixels).sum(),
                        unknown_error.sum(), (pixels > 0).sum()])


def _weight(unknown: torch.Tensor, region: torch.Tensor | None, world: int) -> torch.Tensor | float:
    """Factor that makes the mean of the processes' gradients the gradient of the whole batch's mean loss."""
    if world == 1:
        return 1.0
    own = (torch.ones_like(unknown) if region is None else region).sum().float()
    whole = own.clone()
    dist.all_reduce(whole)
    return own * world / whole.clamp(min=1)


def _test(model: VGG16Matting, prepared: Prepared, index: np.ndarray, settings: dict,
          device: torch.device) -> tuple[float, float]:
    """Mean error over all and over unknown pixels; in parts, so that memory does not grow with the set."""
    if not len(index):
        return math.nan, math.nan
    rule, errors = settings["trimap_rule"], []
    for part in chunks(index, 1024):
        predicted = predict(model, prepared, part, trimap_rule=rule, device=str(device),
                            precision=settings["precision"])
        errors.append(alpha_errors(predicted, prepared.alpha[part], test_trimaps(prepared, part, rule)))
    mean = pd.concat(errors).mean()
    return float(mean["all"]), float(mean["unknown"])


def _tell(bar: tqdm, name: str, row: dict, epochs: int) -> None:
    """One line an epoch where nobody watches; in a live terminal the bar carries the numbers."""
    if not bar.disable:
        bar.set_postfix(train=f"{row['train_all']:.4f}", test=f"{row['test_all']:.4f}")
        return
    print(f"{name} epoch {row['epoch']}/{epochs}: "
          f"train {row['train_all']:.4f} (unknown {row['train_unknown']:.4f}), "
          f"test {row['test_all']:.4f} (unknown {row['test_unknown']:.4f}), "
          f"{row['images_per_second']:.0f} images/s", flush=True)


@contextlib.contextmanager
def processes(device: str) -> Iterator[tuple[torch.device, int, int]]:
    """(device, rank, number of processes): all of it, or this process's share when torchrun started it."""
    where = resolve_device(device)
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # torchrun's own mark
        yield where, 0, 1
        return
    if where.type == "cuda":
        where = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(where)
    outermost = not dist.is_initialized()
    if outermost:  # two hours: the others wait while the first prepares the data
        dist.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=timedelta(hours=2))
    try:
        yield where, dist.get_rank(), dist.get_world_size()
    finally:
        if outermost:
            dist.destroy_process_group()


def _check(settings: dict, images: int) -> None:
    for name, choices in CHOICES.items():
        if settings[name] not in choices:
            raise UserError(f"{name}: expected one of {', '.join(choices)}, found {settings[name]!r}; "
                            "choose one of these.")
    for name, least in (("epochs", 1), ("batch_size", 2), ("seed", 0), ("momentum", 0), ("weight_decay", 0)):
        if not settings[name] >= least:
            raise UserError(f"{name}: expected at least {least}, found {settings[name]}; raise it.")
    if not 0 < settings["lr"] < math.inf:
        raise UserError(f"lr: expected a positive number, found {settings['lr']}; change it.")
    if images < 2:
        raise UserError(f"train_index: expected at least 2 images, found {images}; use more images.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Open and prepare the data, split it, and train."""
    values = vars(_parser().parse_args(arguments))
    data, data_dir, images, size, data_seed, split, test_fraction, out = (values.pop(name) for name in (
        "data", "data_dir", "images", "size", "data_seed", "split", "test_fraction", "out"))
    try:
        with processes(values["device"]) as (_, rank, _):
            if rank:
                wait()  # the first process fills the cache, the others then open it
            prepared = prepare(open_source(data, data_dir, images, data_seed), size, cache=cache_dir())
            if not rank:
                wait()
            sides = (group_split(prepared.groups, data_seed, test_fraction) if split == "group"
                     else random_split(len(prepared), data_seed, test_fraction))
            train(prepared, *sides, out, **values)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.training.thumbnail", description=main.__doc__,
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", required=True, help="run directory")
    parser.add_argument("--data", default="portraits", help="source: portraits, aisegment or folder")
    parser.add_argument("--data-dir", default="", help="root of the source's files")
    parser.add_argument("--images", type=int, default=320, help="images to use, 0 = all")
    parser.add_argument("--size", type=int, default=28, help="side in pixels")
    parser.add_argument("--data-seed", type=int, default=0, help="seed of the subset and the split")
    parser.add_argument("--split", default="random", choices=("random", "group"), help="by image or by group")
    parser.add_argument("--test-fraction", type=float, default=0.2, help="share of the images to test on")
    for name, parameter in inspect.signature(train).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        default = parameter.default
        kind = ({"action": argparse.BooleanOptionalAction} if isinstance(default, bool)
                else {"type": type(default), "choices": CHOICES.get(name)})
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, help="(lib.training.thumbnail.train)", **kind)
    return parser


if __name__ == "__main__":
    main()
