"""Training of Deep Image Matting in its three steps (Xu et al. 2017, sections 3.1 to 3.3): stage 1, refinement, both."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from tqdm import tqdm

from lib import inference
from lib.base import UserError
from lib.data.augment import draw, flip_rotate
from lib.data.batches import chunks
from lib.data.crops import Crops
from lib.data.prepare import Prepared, test_trimaps
from lib.device import autocast, cpu_threads, resolve_device, resolve_precision
from lib.evaluation.metrics import all_metrics
from lib.losses import alpha_prediction_loss, compositional_loss
from lib.models.dim import TwoStage, deep_image_matting
from lib.models.layers import initialise
from lib.models.weights import load_encoder
from lib.provenance import code_fingerprint
from lib.training.folder import RunFolder
from lib.training.optimize import deterministic, file_digest, index_digest, make_optimizer, make_scheduler

ORDER = 5  # stream of random numbers
STEPS = ("stage1", "refinement", "both")
COLUMNS = ("epoch", "train_alpha", "train_composition", "test_sad", "test_mse", "seconds", "images_per_second")
SETTINGS = ("step", "epochs", "crops", "side", "batch_size", "lr", "optimizer", "schedule", "weight_decay", "augment",
            "composition", "width", "batch_norm", "conv6_kernel", "encoder_weights", "trimap_rule", "seed")


def train(prepared: Prepared, train_index: Sequence[int], test_index: Sequence[int], run_dir: Path | str, *,
          step: str = "stage1", start: Path | str = "", epochs: int = 10, crops: int = 1, side: int = 320,
          batch_size: int = 8, lr: float = 1e-3, optimizer: str = "adamw", schedule: str = "onecycle",
          weight_decay: float = 1e-4, augment: bool = False, composition: float = 0.5, width: int = 64,
          batch_norm: bool = True, conv6_kernel: int = 1, encoder_weights: str = "", trimap_rule: str = "tolerant",
          seed: int = 0, device: str = "auto", precision: str = "auto", threads: int = 0,
          workers: int = 0) -> pd.DataFrame:
    """Train one step of the two-stage network; its history, one row an epoch with COLUMNS.

    step: "stage1" learns the encoder-decoder from (1 - composition) alpha-prediction loss + composition compositional
    loss, both over unknown pixels; "refinement" learns the second network from the alpha-prediction loss of its output
    while stage 1 stands still; "both" goes on with all weights and the same loss. start: folder of the step before
    (needed by the last two). crops: of each image and epoch (lib.data.crops), of `side` px. augment: the study's flips and
    rotations, and jitter. workers: processes that cut crops beside the training; the numbers do not depend on it.

    train_* are means over batches while the weights were changing; test_sad and test_mse means over the whole test
    images after the epoch (lib.evaluation.metrics, unknown pixels), NaN without any. Folder, resuming and repeatability are those
    of lib.training.thumbnail.train. UserError for a value out of range, or a missing start.
    """
    given = locals()
    settings = {name: given[name] for name in SETTINGS}
    _check(settings, len(train_index), start)
    where = resolve_device(device)
    with cpu_threads(threads), deterministic():
        settings |= {"device": where.type, "precision": resolve_precision(precision, where),
                     "torch": torch.__version__, "data": prepared.fingerprint,
                     "code": code_fingerprint("lib.training.dim"), "encoder_sha256": file_digest(encoder_weights),
                     "start": file_digest(str(Path(start) / "model.safetensors")) if start else "",
                     "train_index": index_digest(train_index), "test_index": index_digest(test_index)}
        run = RunFolder(Path(run_dir), settings, columns=COLUMNS)
        if not run.finished():
            rows = Crops(prepared, np.tile(np.asarray(train_index), crops), side, seed, trimap_rule, jitter=augment)
            _fit(rows, np.asarray(test_index), run, start, where, workers)
        return run.read_history()


def load(run_dir: Path | str, device: str = "auto") -> TwoStage:
    """The finished network of a run directory, in evaluation mode. UserError when there is none."""
    file = Path(run_dir) / "model.safetensors"
    if not file.is_file():
        raise UserError(f"{run_dir}: expected model.safetensors of a finished training, found none; "
                        "train it first (make paper).")
    config = json.loads((Path(run_dir) / "config.json").read_text())
    model = _network(config)
    model.load_state_dict(load_file(file))
    return model.to(resolve_device(device), memory_format=torch.channels_last).eval()


def _network(settings: dict) -> TwoStage:
    return deep_image_matting(settings["width"], settings["batch_norm"], settings["conv6_kernel"])


def _fit(rows: Crops, test_index: np.ndarray, run: RunFolder, start: Path | str, device: torch.device,
         workers: int) -> None:
    settings = run.config
    model = _network(settings)
    if start:
        model.load_state_dict(load_file(Path(start) / "model.safetensors"))
    else:
        initialise(model.stage1, settings["seed"])
        load_encoder(model.stage1, settings["encoder_weights"])
    run.open()
    model = model.to(device, memory_format=torch.channels_last)
    learning = {"stage1": model.stage1, "refinement": model.refinement, "both": model}[settings["step"]]
    model.requires_grad_(False)
    learning.requires_grad_(True)
    batches = chunks(np.arange(len(rows)), settings["batch_size"])
    steps = len(batches) - (len(batches) > 1 and len(batches[-1]) < 2)
    optimizer = make_optimizer(learning.parameters(), settings)
    scheduler = make_scheduler(optimizer, settings, steps)
    history = run.resume(model, optimizer, scheduler)
    bar = tqdm(total=settings["epochs"] * steps, initial=len(history) * steps, unit="step", desc=run.folder.name,
               disable=None)
    for epoch in range(len(history) + 1, settings["epochs"] + 1):
        started = time.perf_counter()
        model.eval()
        learning.train()
        fresh_statistics(learning)
        losses = []
        for batch in _stream(rows, epoch, steps, settings, device, workers):
            losses.append(_step(model, optimizer, batch, settings, device))
            if scheduler:
                scheduler.step()
            bar.update()
        seconds = time.perf_counter() - started
        means = torch.stack(losses).mean(dim=0).tolist()
        tested = test(model, rows.prepared, test_index, settings["trimap_rule"], settings["precision"])
        found = [epoch, *means, *tested, seconds, len(rows) / seconds]
        history.append(dict(zip(COLUMNS, found, strict=True)))
        if epoch < settings["epochs"]:
            run.checkpoint(model, optimizer, scheduler, history)
        _tell(bar, run.folder.name, history[-1], settings["epochs"])
    bar.close()
    run.finish(model, history)


def fresh_statistics(network: torch.nn.Module) -> None:
    """Let every batch norm average all batches of the coming epoch alike, and forget those before.

    PyTorch's default, a moving average over some ten batches, is noise where batches are a few crops.
    """
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
            layer.reset_running_stats()


def _stream(rows: Crops, epoch: int, steps: int, settings: dict, device: torch.device,
            workers: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches (image, alpha, trimap, foreground, background) on the device, in an order of the epoch's own."""
    order = np.random.default_rng([settings["seed"], epoch, ORDER]).permutation(len(rows))
    places = [[(epoch, int(row)) for row in batch] for batch in chunks(order, settings["batch_size"])][:steps]
    flip, angle = draw(len(rows), settings["seed"], epoch)
    loader = DataLoader(rows, batch_sampler=places, num_workers=workers, pin_memory=device.type == "cuda")
    for place, batch in zip(places, loader, strict=True):
        alpha, foreground, background, trimap = (part.to(device, non_blocking=True) for part in batch)
        if settings["augment"]:
            chosen = [row for _, row in place]
            layers, alpha, trimap = flip_rotate(torch.cat([foreground, background], dim=1), alpha, trimap,
                                                flip[chosen].to(device), angle[chosen].to(device))
            foreground, background = layers[:, :3], layers[:, 3:]
        yield alpha * foreground + (1 - alpha) * background, alpha, trimap, foreground, background


def _step(model: TwoStage, optimizer: torch.optim.Optimizer, batch: tuple[torch.Tensor, ...], settings: dict,
          device: torch.device) -> torch.Tensor:
    """One step; (alpha-prediction loss, compositional loss) over unknown pixels, (2,) on the device."""
    image, alpha, trimap, foreground, background = batch
    unknown = trimap == 0.5
    with autocast(device, settings["precision"]):
        if settings["step"] == "stage1":
            predicted = model.stage1(image, trimap)
        else:
            predicted = model(image, trimap)
    alpha_loss = alpha_prediction_loss(predicted, alpha, unknown, by_image=True)
    composition_loss = compositional_loss(predicted, image, foreground, background, unknown, by_image=True)
    share = settings["composition"] if settings["step"] == "stage1" else 0.0
    optimizer.zero_grad(set_to_none=True)
    ((1 - share) * alpha_loss + share * composition_loss).backward()
    optimizer.step()
    return torch.stack([alpha_loss.detach(), composition_loss.detach()])


def test(model: TwoStage, prepared: Prepared, index: np.ndarray, rule: str, precision: str) -> tuple[float, float]:
    """Mean SAD and MSE (lib.evaluation.metrics) of the whole images of `index`, unknown pixels of their fixed trimaps."""
    found = [all_metrics(alpha, prepared.alpha[image, 0], trimap)
             for image, trimap, alpha in predictions(model, prepared, index, rule, precision)]
    return tuple(float(np.nanmean([row[name] for row in found])) if found else math.nan for name in ("sad", "mse"))


test.__test__ = False  # pytest collects what is called test, wherever it was imported from


def predictions(model: torch.nn.Module, prepared: Prepared, index: Sequence[int], rule: str,
                precision: str) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(image, its fixed trimap (H,W) uint8, alpha (H,W) float32 in [0,1]) for each of `index`."""
    for image in index:
        trimap = np.ascontiguousarray(test_trimaps(prepared, [image], rule)[0, 0])
        pixels = np.asarray(prepared.image[image]).transpose(1, 2, 0) / np.float32(255)
        yield int(image), trimap, inference.matte(model, pixels, trimap, precision=precision)


def _tell(bar: tqdm, name: str, row: dict, epochs: int) -> None:
    """One line an epoch where nobody watches; in a live terminal the bar carries the numbers."""
    if not bar.disable:
        bar.set_postfix(alpha=f"{row['train_alpha']:.4f}", mse=f"{row['test_mse']:.4f}")
        return
    print(f"{name} epoch {row['epoch']}/{epochs}: alpha loss {row['train_alpha']:.4f}, composition loss "
          f"{row['train_composition']:.4f}, test SAD {row['test_sad']:.3f}, MSE {row['test_mse']:.4f}, "
          f"{row['images_per_second']:.1f} crops/s", flush=True)


def _check(settings: dict, images: int, start: Path | str) -> None:
    if settings["step"] not in STEPS:
        raise UserError(f"step: expected one of {', '.join(STEPS)}, found {settings['step']!r}; choose one.")
    if settings["step"] != "stage1" and not (Path(start) / "model.safetensors").is_file():
        raise UserError(f"start: expected the folder of a finished training before step {settings['step']}, found no "
                        f"model.safetensors in {str(start)!r}; train the step before it first.")
    for name, least in (("epochs", 1), ("crops", 1), ("side", 32), ("batch_size", 2), ("width", 1), ("seed", 0)):
        if not settings[name] >= least:
            raise UserError(f"{name}: expected at least {least}, found {settings[name]}; raise it.")
    if not 0 <= settings["composition"] <= 1:
        raise UserError(f"composition: expected a share from 0 to 1, found {settings['composition']}; change it.")
    if images * settings["crops"] < 2:
        raise UserError(f"train_index: expected at least 2 crops, found {images} images; use more.")
