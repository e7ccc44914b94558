"""What every training here shares: the optimiser, its schedule, what makes it repeatable and recognisable."""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.optim.lr_scheduler import OneCycleLR

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once, when CUDA starts


def make_optimizer(parameters: Iterable[torch.nn.Parameter], settings: dict) -> torch.optim.Optimizer:
    """SGD (with momentum), Adam or AdamW, by settings' optimizer, lr, weight_decay, momentum and device."""
    options = {"lr": settings["lr"], "weight_decay": settings["weight_decay"],
               "fused": settings["device"] == "cuda"}
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(parameters, momentum=settings["momentum"], **options)
    kind = torch.optim.Adam if settings["optimizer"] == "adam" else torch.optim.AdamW
    return kind(parameters, **options)


def make_scheduler(optimizer: torch.optim.Optimizer, settings: dict, steps: int) -> OneCycleLR | None:
    """None for the schedule "constant"; for "onecycle" that of Smith 2018, over epochs of `steps` steps."""
    if settings["schedule"] == "constant":
        return None
    return OneCycleLR(optimizer, settings["lr"], epochs=settings["epochs"], steps_per_epoch=steps,
                      cycle_momentum=False)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """cuDNN's deterministic convolutions inside the block, the caller's choice after it.

    With cuBLAS (see the top) they are all that would vary here. torch.usedeterministic_algorithms would add
    nothing but warnings about the poolings, which vary only where windows overlap.
    """
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


def index_digest(index: Sequence[int]) -> str:
    """SHA-256 in hex of the positions."""
    return hashlib.sha256(np.ascontiguousarray(index, dtype=np.int64).tobytes()).hexdigest()


def file_digest(weights: str) -> str:
    """SHA-256 in hex of a file's content; "" where there is none."""
    if not Path(weights).is_file():
        return ""
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
