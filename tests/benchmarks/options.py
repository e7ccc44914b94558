"""What each choice of the 28-px training is worth: its step with one thing changed, beside the step as it is.

As it is: VGG-16's width, bfloat16 where the processor has it, channels last, PyTorch's plain SGD, batches of 64.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from lib.device import autocast, resolve_device, resolve_precision
from lib.losses import alpha_prediction_loss
from lib.models import variants
from lib.models.dim import VGG16Matting

WARM, TIMED = 3, 7
AS_IS = "as it is"
OPTIONS = {
    AS_IS: {},
    "fp32": {"precision": "fp32"},
    "channels first": {"layout": torch.contiguous_format},
    "fused optimiser": {"fused": True},
    "batches of 4 times as many": {"larger": 4},
    "torch.compile": {"compiled": True},
}


def steps(folder: Path, size: int, batch_size: int, epochs: int, compiled: bool = True) -> dict[str, float]:
    """Images a second by each of OPTIONS, then of a residual U-Net meant to take as long a step as the study's network of a
    quarter of the width. compiled: whether to try torch.compile, which takes a minute and a C++ compiler."""
    found = {}
    for name, changes in OPTIONS.items():
        if compiled or "compiled" not in changes:
            found[f"option_{name}"] = _rate(VGG16Matting, size, batch_size, **changes)
    for name, network in (("study", variants.NETWORKS[0]), ("residual", variants.NETWORKS[2])):
        found[f"quarter_{name}"] = _rate(
            lambda network=network: variants.network(16, network=network), size, batch_size
        )
    return found


def _rate(
    make: Callable[[], torch.nn.Module],
    size: int,
    batch_size: int,
    precision: str = "auto",
    layout: torch.memory_format = torch.channels_last,
    fused: bool = False,
    larger: int = 1,
    compiled: bool = False,
) -> float:
    """Images a second of training steps on noise: the median of TIMED after WARM."""
    torch.manual_seed(0)
    device, images = resolve_device(), larger * batch_size
    model = make().to(device, memory_format=layout).train()
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, fused=fused)
    image = torch.rand(images, 3, size, size, device=device)
    alpha = torch.rand(images, 1, size, size, device=device)
    trimap = torch.randint(0, 3, alpha.shape, device=device) / 2
    seconds = []
    for _ in range(WARM + TIMED):
        started = time.perf_counter()
        with autocast(device, resolve_precision(precision, device)):
            predicted = run(image, trimap)
        loss = alpha_prediction_loss(predicted, alpha)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - started)
    return images / statistics.median(seconds[WARM:])
