"""How a network learns: one frozen record of everything that decides the numbers."""

import math
from dataclasses import dataclass
from typing import ClassVar

from lib.base import UserError


@dataclass(frozen=True)
class Recipe:
    """Optimiser, rate, length and draws of a training; each system adds what is its own (a subclass).

    epochs: passes over the training images; steps: length in steps instead, 0 = as `epochs` says. batch_size: images
    of all processes together; accumulate: batches that make one step. lr: learning rate, at its peak where the schedule
    has one. optimizer: sgd (with momentum), adam or adamw; momentum: of sgd; weight_decay: of each. schedule: constant,
    onecycle (up to lr, then down to almost nothing; Smith 2018) or cosine (down from lr; Loshchilov and Hutter 2017).
    clip: largest norm of the gradient, 0 = any; ema: decay of the averaged weights that are then tested and kept, 0 =
    without. augment: whether images are augmented. test_at: steps after which the network is tested, beside the ends
    of epochs. seed: of the first weights and all draws. UserError for a value out of range.
    """

    epochs: int = 10
    batch_size: int = 64
    lr: float = 0.01
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    augment: bool = False
    steps: int = 0
    accumulate: int = 1
    clip: float = 0.0
    ema: float = 0.0
    test_at: tuple[int, ...] = ()
    seed: int = 0

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "optimizer": ("sgd", "adam", "adamw"),
        "schedule": ("constant", "onecycle", "cosine"),
    }
    LEAST: ClassVar[dict[str, float]] = {
        "epochs": 1,
        "batch_size": 2,
        "seed": 0,
        "momentum": 0,
        "weight_decay": 0,
        "steps": 0,
        "accumulate": 1,
        "clip": 0,
        "ema": 0,
    }

    def __post_init__(self):
        for name, choices in self.CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(
                    f"{name}: expected one of {', '.join(choices)}, found {getattr(self, name)!r}; choose one of these."
                )
        for name, least in self.LEAST.items():
            if not getattr(self, name) >= least:
                raise UserError(f"{name}: expected at least {least}, found {getattr(self, name)}; raise it.")
        if not 0 < self.lr < math.inf:
            raise UserError(f"lr: expected a positive number, found {self.lr}; change it.")
        if not self.ema < 1:
            raise UserError(f"ema: expected a decay below 1, found {self.ema}; lower it.")
