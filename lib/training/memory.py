"""How much memory a training takes on a GPU, found before it starts, and into how many parts its batches go if that is too much.

A training keeps its weights, their gradients, the optimiser's state and the averaged weights, which can be counted; and,
for every image of a batch, the maps that the backward pass needs, which one small batch tells: PyTorch says of each tensor
that it saves (torch.autograd.graph.saved_tensors_hooks).
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

SLACK = 1.3  # cuDNN's workspaces, fragments, the maps of the backward pass itself
STATES = {"sgd": 1, "adam": 2, "adamw": 2}  # what an optimiser keeps of each weight
PROBE = 2  # images of the small batch: batch norm needs two
GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """Bytes. fixed: weights, gradients, optimiser's state; an_image: what the backward pass keeps of each; batch: images of
    one; free: of the device; parts: into which a batch is cut, 1 = it goes through whole."""

    fixed: int
    an_image: int
    batch: int
    free: int
    parts: int

    def needed(self) -> float:
        """Bytes that a batch in so many parts takes."""
        return SLACK * (self.fixed + self.an_image * math.ceil(self.batch / self.parts))

    def told(self) -> str:
        """One line before the training starts."""
        line = (
            f"memory: {self.fixed / GIB:.2f} GiB of weights, gradients and optimiser, {self.an_image / 2**20:.1f} MiB an image; "
            f"{self.needed() / GIB:.1f} of {self.free / GIB:.1f} GiB free"
        )
        if self.parts == 1:
            return f"{line}, batches of {self.batch} whole"
        return (
            f"{line} with batches of {self.batch} in {self.parts} parts, whose gradients are added up; batch norm then takes its "
            f"statistics over {math.ceil(self.batch / self.parts)} images, so the numbers are not those of whole batches"
        )


def pieces(batch, parts: int) -> list:
    """A batch, a tensor or a tuple of tensors with N first, cut into at most so many parts of two images or more."""
    if parts == 1:
        return [batch]
    if isinstance(batch, torch.Tensor):
        return list(batch.chunk(max(1, min(parts, len(batch) // PROBE))))
    return list(zip(*(pieces(each, parts) for each in batch), strict=True))


def size(batch) -> int:
    """Images of a batch."""
    return len(batch if isinstance(batch, torch.Tensor) else batch[0])


def plan(system, batch, free: int) -> Plan:
    """The plan for batches as `batch`, on a device with `free` bytes; the system (lib.training.loop) stays as it is.

    Its loss is taken once, of the first images of the batch; batch norm's statistics are put back.
    """
    count = size(batch)
    first = [
        each[:PROBE].clone() for each in ([batch] if isinstance(batch, torch.Tensor) else batch)
    ]  # storages of their own
    few = first[0] if isinstance(batch, torch.Tensor) else tuple(first)
    weights, learning = _bytes(system.model.parameters()), _bytes(system.learning().parameters())
    averaged = _bytes(system.model.state_dict().values()) if system.recipe.ema else 0
    fixed = weights + averaged + (1 + STATES[system.recipe.optimizer]) * learning
    an_image = -(-_saved(system, few) // size(few))
    found = Plan(fixed, an_image, count, free, 1)
    while found.needed() > free and math.ceil(count / found.parts) > PROBE:
        found = replace(found, parts=2 * found.parts)
    return found


def _bytes(tensors: Iterator[torch.Tensor]) -> int:
    return sum(each.numel() * each.element_size() for each in tensors)


def _saved(system, batch) -> int:
    """Bytes that autograd keeps for the backward pass of one loss, weights apart, each storage once."""
    model, network = system.model, system.network
    own = {each.untyped_storage().data_ptr() for each in model.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    states = copy.deepcopy(dict(model.named_buffers()))  # batch norm's statistics move
    try:
        system.network = model
        with torch.random.fork_rng(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss, _ = system.loss(batch)
        kept = sum(found.values())
        del loss
    finally:
        system.network = network
        with torch.no_grad():
            for name, value in model.named_buffers():
                value.copy_(states[name])
    return kept
