"""How a network is trained: one frozen, validated record of everything that decides the numbers."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class TrainConfig:
    """What all trainings have in common; each task adds its own fields in a subclass."""

    epochs: int = Field(10, ge=1, description="passes over the training images")
    steps: int = Field(0, ge=0, description="length in optimiser steps instead; 0 = as epochs says")
    batch_size: int = Field(64, ge=2, description="images a batch")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step")
    lr: float = Field(0.01, gt=0, allow_inf_nan=False, description="learning rate; the peak of a schedule")
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = Field(0.9, ge=0, description="of sgd")
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "onecycle", "cosine"] = "constant"
    clip: float = Field(0.0, ge=0, description="largest norm of the gradient; 0 = any")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights that are kept; 0 = none")
    augment: bool = Field(False, description="flip and rotate the training images")
    test_at: tuple[int, ...] = Field((), description="steps to validate after, as well as the ends of epochs")
    seed: int = Field(0, ge=0, description="of the first weights and of all draws")
