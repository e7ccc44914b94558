"""Training (section 2.2, table 1): one plain loop, called by the notebooks and by `python -m lib.train`.

`torchrun --nproc-per-node=4 -m lib.train ...` starts it on four GPUs; never start that from a notebook.
"""

import contextlib
import dataclasses
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once, when CUDA starts

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from lib import augment as augmentation
from lib.device import autocast, cpu_threads, resolve_device, resolve_precision
from lib.errors import UserError
from lib.evaluate import alpha_errors, chunks, predict, test_trimaps, trimap_levels
from lib.loss import alpha_prediction_loss
from lib.model import VGG16Matting, initialise, load_encoder
from lib.prepare import Prepared
from lib.provenance import code_fingerprint
from lib.trimap import default_radius, from_distance, signed_distance

COLUMNS = ["epoch", "train_all", "train_unknown", "test_all", "test_unknown", "seconds", "images_per_second"]
ORDER, RADIUS = 2, 3  # streams of random numbers, apart from each other and from lib.augment's


def train(prepared: Prepared, train_index: Sequence[int], test_index: Sequence[int], run_dir: Path | str, *,
          epochs: int = 10, batch_size: int = 64, lr: float = 0.01, optimizer: str = "sgd",
          momentum: float = 0.9, weight_decay: float = 0.0, schedule: str = "constant",
          loss_region: str = "all", augment: bool = False, batch_norm: bool = True,
          pooling: str = "halving", encoder_weights: str = "", trimap_rule: str = "tolerant", seed: int = 0,
          device: str = "auto", precision: str = "auto", threads: int = 0) -> pd.DataFrame:
    """Train VGG16Matting on the images `train_index` of `prepared`; test it on `test_index` after each epoch.

    optimizer: sgd (with momentum), adam or adamw. schedule: constant, or onecycle (up to lr and down to almost
    nothing, Smith 2018). loss_region: all or unknown pixels. augment: lib.augment. threads: 0 = PyTorch's own
    choice. Training trimaps are made from alpha with a radius drawn anew for each image and epoch from
    [r, 2r], r = default_radius; test trimaps are fixed (lib.evaluate.test_trimaps).

    Returns the history, one row an epoch: epoch, then the mean over images of the alpha-prediction loss over all
    and over unknown pixels: train_* while the weights were changing, test_* after the epoch in evaluation mode
    (NaN without test images); seconds and images_per_second are those of the training steps alone.

    Writes in run_dir: config.json, history.csv, model.safetensors (when finished) and, until then, the last
    epoch's checkpoint epoch-NNN/. Called again with the same configuration, data and code it goes on from the
    checkpoint, or returns at once; with another configuration it says so and starts over.

    Batches: a new order each epoch; `batch_size` counts the images of all processes together; a rest of fewer
    than two images a process joins the batch before it, since batch norm over a single 1x1 map has no variance.
    Same call, machine and thread count: same numbers, bit for bit, resumed or not. On a GPU the max-(un)poolings
    count as non-deterministic for PyTorch (it warns once), but only where windows overlap ("as_written").
    Under torchrun batch norm takes its statistics in each process by itself, and saves those of the first.

    UserError for a value out of range, too few images, or a wrong weights file.
    """
    arguments = {name: value for name, value in locals().items()
                 if name not in ("prepared", "train_index", "test_index", "run_dir", "device", "precision", "threads")}
    _check(arguments, len(train_index))
    with _processes(device) as (where, rank, world), cpu_threads(threads), _deterministic():
        if batch_size < 2 * world or len(train_index) < 2 * world:
            raise UserError(f"batch_size: batch norm needs 2 images a process, found a batch of {batch_size} and "
                            f"{len(train_index)} training images for {world} process(es); use more of both.")
        precision = resolve_precision(precision, where)
        config = arguments | {"device": where.type, "precision": precision, "processes": world,
                              "torch": torch.__version__, "data": prepared.fingerprint,
                              "code": code_fingerprint("lib.train"),
                              "train_index": _digest(train_index), "test_index": _digest(test_index)}
        run = Run(Path(run_dir), config, rank)
        if run.finished():
            return run.read_history()
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


# ---------------------------------------------------------------------------------------------- the loop


def _fit(prepared: Prepared, train_index: np.ndarray, test_index: np.ndarray, run: "Run",
         device: torch.device, world: int) -> None:
    settings = run.config
    model = VGG16Matting(batch_norm=settings["batch_norm"], pooling=settings["pooling"])
    initialise(model, settings["seed"])
    load_encoder(model, settings["encoder_weights"])
    model = model.to(device, memory_format=torch.channels_last)
    steps = len(batches(np.arange(len(train_index)), settings["batch_size"], world))
    optimizer = _optimizer(model, settings)
    scheduler = _scheduler(optimizer, settings, steps)
    history = run.resume(model, optimizer, scheduler)
    network = model if world == 1 else DistributedDataParallel(
        model, device_ids=[device.index] if device.type == "cuda" else None)
    arrays = Arrays(prepared, train_index, settings["trimap_rule"], device)
    radius = default_radius(prepared.alpha.shape[-2:])
    bar = tqdm(total=settings["epochs"] * steps, initial=len(history) * steps, unit="step", desc=run.folder.name,
               disable=True if run.rank else None)
    for epoch in range(len(history) + 1, settings["epochs"] + 1):
        started = time.perf_counter()
        losses = _epoch(network, optimizer, scheduler, arrays, epoch, radius, settings, run.rank, world, bar)
        seconds = time.perf_counter() - started
        if run.rank == 0:
            tested = _test(model, prepared, test_index, settings, device)
            row = dict(zip(COLUMNS, [epoch, *losses, *tested, seconds, len(train_index) / seconds], strict=True))
            history.append(row)
            run.checkpoint(model, optimizer, scheduler, history)
            _tell(bar, run.folder.name, row, settings["epochs"])
        else:
            history.append({})
    bar.close()
    run.finish(history)


def _epoch(network: torch.nn.Module, optimizer: torch.optim.Optimizer, scheduler, arrays: "Arrays", epoch: int,
           radius: float, settings: dict, rank: int, world: int, bar: tqdm) -> tuple[float, float]:
    """One pass over the training images; returns the mean loss over all and over unknown pixels."""
    device = arrays.device
    draws = _draws(arrays.index, settings["seed"], epoch, radius, device)
    order = np.random.default_rng([settings["seed"], epoch, ORDER]).permutation(len(arrays.index))
    shares = [batch[rank::world] for batch in batches(order, settings["batch_size"], world)]
    totals = torch.zeros(4, dtype=torch.float64, device=device)  # stays there: a .item() a step would stall a GPU
    network.train()
    for rows, (image, alpha, distance) in arrays.stream(shares):
        flip, angle, radii = (values[rows] for values in draws)
        trimap = trimap_levels(from_distance(distance, radii.view(-1, 1, 1, 1)))
        if settings["augment"]:
            image, alpha, trimap = augmentation.flip_rotate(image, alpha, trimap, flip, angle)
        with autocast(device, settings["precision"]):
            predicted = network(image, trimap)
        unknown = trimap == 0.5
        region = unknown if settings["loss_region"] == "unknown" else None
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


def _draws(index: np.ndarray, seed: int, epoch: int, radius: float, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Flip, angle and trimap radius of each training image: functions of (seed, epoch, index), nothing else."""
    images = int(index.max()) + 1
    flip, angle = augmentation.draw(images, seed, epoch)
    radii = radius * (1 + np.random.default_rng([seed, epoch, RADIUS]).random(images))
    return tuple(values[index].to(device) for values in (flip, angle, torch.from_numpy(radii.astype(np.float32))))


def _sums(predicted: torch.Tensor, alpha: torch.Tensor, unknown: torch.Tensor) -> torch.Tensor:
    """Over the batch: sum of the images' errors, images, sum of their errors within unknown, images with any."""
    error, within = (predicted - alpha).abs(), unknown.float()
    pixels = within.sum(dim=(1, 2, 3))
    return torch.stack([error.mean(dim=(1, 2, 3)).sum(), torch.ones_like(pixels).sum(),
                        ((error * within).sum(dim=(1, 2, 3)) / pixels.clamp(min=1)).sum(), (pixels > 0).sum()])


def _weight(unknown: torch.Tensor, region: torch.Tensor | None, world: int) -> torch.Tensor | float:
    """Factor that makes the mean of the processes' gradients the gradient of the whole batch's mean loss."""
    if world == 1:
        return 1.0
    own = torch.tensor(float(unknown.numel()), device=unknown.device) if region is None else region.sum().float()
    whole = own.clone()
    dist.all_reduce(whole)
    return own * world / whole.clamp(min=1)


def _test(model: VGG16Matting, prepared: Prepared, index: np.ndarray, settings: dict,
          device: torch.device) -> tuple[float, float]:
    """Mean error over all and over unknown pixels; in parts, so that memory does not grow with the test set."""
    if not len(index):
        return math.nan, math.nan
    errors = [alpha_errors(predict(model, prepared, part, trimap_rule=settings["trimap_rule"], device=str(device),
                                   precision=settings["precision"]),
                           prepared.alpha[part], test_trimaps(prepared, part, settings["trimap_rule"]))
              for part in chunks(index, 1024)]
    mean = pd.concat(errors).mean()
    return float(mean["all"]), float(mean["unknown"])


def batches(order: np.ndarray, batch_size: int, world: int = 1) -> list[np.ndarray]:
    """`order` cut into batches; a rest of fewer than two images a process joins the batch before it."""
    starts = list(range(0, len(order), batch_size))
    if len(starts) > 1 and len(order) - starts[-1] < 2 * world:
        starts.pop()
    return np.split(order, starts[1:])


def _optimizer(model: VGG16Matting, settings: dict) -> torch.optim.Optimizer:
    lr, decay = settings["lr"], settings["weight_decay"]
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(model.parameters(), lr, momentum=settings["momentum"], weight_decay=decay, fused=True)
    kind = torch.optim.Adam if settings["optimizer"] == "adam" else torch.optim.AdamW
    return kind(model.parameters(), lr, weight_decay=decay, fused=True)


def _scheduler(optimizer: torch.optim.Optimizer, settings: dict, steps: int):
    if settings["schedule"] == "constant":
        return None
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, settings["lr"], epochs=settings["epochs"],
                                               steps_per_epoch=steps, cycle_momentum=False)


def _tell(bar: tqdm, name: str, row: dict, epochs: int) -> None:
    """One line an epoch where nobody watches; in a live terminal the bar carries the numbers."""
    if not bar.disable:
        bar.set_postfix(train=f"{row['train_all']:.4f}", test=f"{row['test_all']:.4f}")
        return
    print(f"{name} epoch {row['epoch']}/{epochs}: train {row['train_all']:.4f} (unknown {row['train_unknown']:.4f}), "
          f"test {row['test_all']:.4f} (unknown {row['test_unknown']:.4f}), "
          f"{row['images_per_second']:.0f} images/s", flush=True)


# ---------------------------------------------------------------------------------------------- the arrays


@dataclasses.dataclass
class Arrays:
    """The training images as batches of float tensors on the device.

    On a GPU image, alpha and distances live there as uint8 and float16 when they take less than half of its free
    memory. Else, and on a CPU, each batch is read from the memory-mapped files, one batch ahead of the network.
    """

    prepared: Prepared
    index: np.ndarray
    rule: str
    device: torch.device

    def __post_init__(self):
        height, width = self.prepared.alpha.shape[-2:]
        needed = len(self.index) * height * width * 6  # 3 + 1 bytes, and 2 for the distance
        self.table = None
        if self.device.type == "cuda" and needed < torch.cuda.mem_get_info(self.device)[0] / 2:
            self.table = self._fill()

    def _read(self, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        images = self.index[rows]
        alpha = np.asarray(self.prepared.alpha[images])
        arrays = (np.asarray(self.prepared.image[images]), alpha, signed_distance(alpha, self.rule))
        tensors = [torch.from_numpy(array) for array in arrays]
        return tuple(tensor.pin_memory() for tensor in tensors) if self.device.type == "cuda" else tuple(tensors)

    def _fill(self) -> tuple[torch.Tensor, ...]:
        parts = chunks(np.arange(len(self.index)), 1024)
        tables = [torch.empty((len(self.index), *part.shape[1:]), dtype=part.dtype, device=self.device)
                  for part in self._read(parts[0][:1])]
        for rows in parts:
            for table, part in zip(tables, self._read(rows), strict=True):
                table[rows[0]:rows[-1] + 1] = part.to(self.device)
        return tuple(tables)

    def stream(self, shares: list[np.ndarray]) -> Iterator[tuple[torch.Tensor, tuple[torch.Tensor, ...]]]:
        """For each array of rows: (rows on the device, (image and alpha float in [0,1], distance))."""
        if self.table is not None:
            order = torch.from_numpy(np.concatenate(shares)).to(self.device)
            for rows in order.split([len(share) for share in shares]):
                yield rows, _scaled([table[rows] for table in self.table])
            return
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._read, shares[0])
            for share, after in zip(shares, [*shares[1:], None], strict=True):
                tensors = [tensor.to(self.device, non_blocking=True) for tensor in coming.result()]
                coming = pool.submit(self._read, after) if after is not None else None
                yield torch.from_numpy(share).to(self.device), _scaled(tensors)


def _scaled(tensors: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    image, alpha, distance = tensors
    return image.float() / 255, alpha.float() / 255, distance


# ---------------------------------------------------------------------------------------------- the run directory


@dataclasses.dataclass
class Run:
    """A training's directory: what it was asked for, how far it got, and its result."""

    folder: Path
    config: dict
    rank: int = 0

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.rank == 0:
            self._start_over_unless_same()
        _wait()

    def _start_over_unless_same(self) -> None:
        before = _read_json(self.folder / "config.json")
        if before == self.config:
            return
        if before is not None:
            names = [name for name in self.config if before.get(name) != self.config[name]]
            print(f"{self.folder.name}: {', '.join(names)} changed since the last training; starting over", flush=True)
        for name in ("model.safetensors", "history.csv", "config.json"):
            (self.folder / name).unlink(missing_ok=True)
        for leftover in self.folder.glob("epoch-*"):
            shutil.rmtree(leftover)
        _write_text(self.folder / "config.json", json.dumps(self.config, indent=1) + "\n")

    def finished(self) -> bool:
        return (self.folder / "model.safetensors").is_file()

    def read_history(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "history.csv", float_precision="round_trip")

    def checkpoint(self, model: VGG16Matting, optimizer: torch.optim.Optimizer, scheduler, history: list) -> None:
        """Write epoch-NNN/ under a temporary name, rename it, then drop the checkpoint before."""
        final = self.folder / f"epoch-{len(history):03d}"
        part = final.with_name(final.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()},
                  part / "model.safetensors")
        torch.save({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict() if scheduler else None},
                   part / "optimizer.pt")
        (part / "state.json").write_text(json.dumps({"epoch": len(history), "history": history}, indent=1))
        os.replace(part, final)
        for old in self._checkpoints():
            if old != final:
                shutil.rmtree(old)
        _write_text(self.folder / "history.csv", pd.DataFrame(history, columns=COLUMNS).to_csv(index=False))

    def _checkpoints(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("epoch-*") if path.suffix != ".part")

    def resume(self, model: VGG16Matting, optimizer: torch.optim.Optimizer, scheduler) -> list[dict]:
        """Load the last checkpoint, if there is one, in place; returns its history, one dict an epoch."""
        if not self._checkpoints():
            return []
        last = self._checkpoints()[-1]
        try:
            model.load_state_dict(load_file(last / "model.safetensors"))
            states = torch.load(last / "optimizer.pt", map_location="cpu", weights_only=True)
            state = json.loads((last / "state.json").read_text())
        except (SafetensorError, OSError, RuntimeError, ValueError, EOFError) as error:
            raise UserError(f"{last}: this checkpoint cannot be read ({error}); remove it to start over.") from error
        optimizer.load_state_dict(states["optimizer"])
        if scheduler:
            scheduler.load_state_dict(states["scheduler"])
        if self.rank == 0:
            print(f"{self.folder.name}: going on after epoch {state['epoch']}", flush=True)
        return state["history"]

    def finish(self, history: list) -> None:
        """The last checkpoint's weights become the result; its optimiser state has served its purpose."""
        if self.rank == 0:
            last = self.folder / f"epoch-{len(history):03d}"
            os.replace(last / "model.safetensors", self.folder / "model.safetensors")
            shutil.rmtree(last)
        _wait()


def _read_json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)


# ---------------------------------------------------------------------------------------------- set-up


@contextlib.contextmanager
def _processes(device: str) -> Iterator[tuple[torch.device, int, int]]:
    """(device, rank, number of processes): one process, or this one's share when torchrun started it."""
    where = resolve_device(device)
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # torchrun's own mark
        yield where, 0, 1
        return
    if where.type == "cuda":
        where = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(where)
    dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        yield where, dist.get_rank(), dist.get_world_size()
    finally:
        dist.destroy_process_group()


def _wait() -> None:
    if dist.is_available() and dist.is_initialized():
        dist.barrier()


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    """Deterministic algorithms inside the block, the caller's choice after it."""
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # only costs time: nothing reads such memory
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = fill


CHOICES = {"optimizer": ("sgd", "adam", "adamw"), "schedule": ("constant", "onecycle"),
           "loss_region": ("all", "unknown"), "pooling": ("halving", "as_written"),
           "trimap_rule": ("strict", "tolerant")}


def _check(arguments: dict, images: int) -> None:
    for name, choices in CHOICES.items():
        if arguments[name] not in choices:
            raise UserError(f"{name}: expected one of {', '.join(choices)}, found {arguments[name]!r}; choose one.")
    for name, least in (("epochs", 1), ("batch_size", 2), ("seed", 0), ("momentum", 0), ("weight_decay", 0)):
        if not arguments[name] >= least:
            raise UserError(f"{name}: expected at least {least}, found {arguments[name]}; raise it.")
    if not 0 < arguments["lr"] < math.inf:
        raise UserError(f"lr: expected a positive number, found {arguments['lr']}; change it.")
    if images < 2:
        raise UserError(f"train_index: expected at least 2 images, found {images}; use more images.")


def _digest(index: Sequence[int]) -> str:
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(index, dtype=np.int64).tobytes()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: opens and prepares the data, splits it, and trains. One flag a parameter."""
    from lib.paths import cache_dir
    from lib.prepare import prepare
    from lib.sources import open_source
    from lib.splits import group_split, random_split

    values = vars(_parser().parse_args(arguments))
    data, data_dir, images, size, data_seed, split, test_fraction, out = (
        values.pop(name) for name in
        ("data", "data_dir", "images", "size", "data_seed", "split", "test_fraction", "out"))
    try:
        prepared = prepare(open_source(data, data_dir, images, data_seed), size, cache=cache_dir())
        sides = (random_split(len(prepared), data_seed, test_fraction) if split == "random"
                 else group_split(prepared.groups, data_seed, test_fraction))
        train(prepared, *sides, out, **values)
    except UserError as error:
        sys.exit(_fail(error))


def _fail(error: UserError) -> int:
    print(f"Error: {error}", file=sys.stderr)
    return 2


def _parser():
    import argparse
    import inspect

    parser = argparse.ArgumentParser(prog="python -m lib.train", description=main.__doc__,
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", required=True, help="run directory")
    parser.add_argument("--data", default="portraits", choices=("portraits", "aisegment", "folder"), help="source")
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
        kind = {"action": argparse.BooleanOptionalAction} if isinstance(default, bool) else {"type": type(default)}
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, choices=CHOICES.get(name),
                            help="see lib.train.train", **kind)
    return parser


if __name__ == "__main__":
    main()
