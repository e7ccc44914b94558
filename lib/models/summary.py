"""A network layer by layer, as a forward pass sees it."""

import pandas as pd
import torch
from torch import nn

from lib.models.dim import VGG16Matting


def summary(model: VGG16Matting, size: int | tuple[int, int] = 28) -> pd.DataFrame:
    """One row for each step of a forward pass on one image of `size` px, seen by hooks, not written by hand.

    Columns: layer (name in the model, or pool1 ... unpool1), kind (class name, MaxPool2d, MaxUnpool2d),
    channels, height, width (of the output), parameters.
    """
    height, width = (size, size) if isinstance(size, int) else size
    device, training = next(model.parameters()).device, model.training
    rows: list[dict] = []
    handles = [
        layer.register_forward_hook(_recorder(rows, name, model.pools))
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.ReLU | nn.MaxPool2d | nn.MaxUnpool2d)
    ]
    try:
        model.eval()
        with torch.inference_mode():
            empty = torch.zeros(1, 4, height, width, device=device)
            model(empty[:, :3], empty[:, 3:])
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return pd.DataFrame(rows)


def _recorder(rows: list[dict], name: str, pools: int):
    """A hook that adds a row; poolings are numbered from the first on, unpoolings towards it."""

    def record(layer: nn.Module, inputs: tuple, output: torch.Tensor | tuple) -> None:
        known = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.MaxUnpool2d)
        kind = next(one for one in known if isinstance(layer, one)).__name__
        number = 1 + sum(row["kind"] == kind for row in rows)
        names = {"MaxPool2d": f"pool{number}", "MaxUnpool2d": f"unpool{pools + 1 - number}"}
        shape = (output[0] if isinstance(output, tuple) else output).shape
        rows.append(
            {
                "layer": names.get(kind, name),
                "kind": kind,
                "channels": shape[1],
                "height": shape[2],
                "width": shape[3],
                "parameters": sum(p.numel() for p in layer.parameters()),
            }
        )

    return record
