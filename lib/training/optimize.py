"""The optimiser and its schedule."""

from collections.abc import Iterable

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from lib.training.recipe import Recipe


def make_optimizer(parameters: Iterable, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    """SGD (with momentum), Adam or AdamW. parameters: of a network, or PyTorch's groups with a rate of their own."""
    options = {"lr": recipe.lr, "weight_decay": recipe.weight_decay, "fused": device.type == "cuda"}
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=recipe.momentum, **options)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, **options)


def make_scheduler(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> LRScheduler | None:
    """The schedule over `steps` steps, of each group of weights from its own rate; None for a constant one."""
    if recipe.schedule == "onecycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=steps, cycle_momentum=False)
    return CosineAnnealingLR(optimizer, steps) if recipe.schedule == "cosine" else None
