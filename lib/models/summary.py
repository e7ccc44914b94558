"""A network layer by layer, as a forward pass sees it."""

import pandas as pd
import torch
from torch import nn

from lib.models.vgg import VGG16Matting

KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.MaxUnpool2d)


def summary(model: VGG16Matting, size: int | tuple[int, int] = 28) -> pd.DataFrame:
    """One row for each layer that a forward pass on one image of `size` px goes through, in its order; sets eval mode.

    Columns: layer (name in the model; pool1, pool2 ... unpool1), kind (class name in torch.nn), channels, height, width
    (of the output), parameters.
    """
    rows: list[dict] = []

    def record(name: str, layer: nn.Module, output: torch.Tensor | tuple) -> None:
        kind = next(kind.__name__ for kind in KINDS if isinstance(layer, kind))
        before = sum(row["kind"] == kind for row in rows)
        name = {"pool": f"pool{before + 1}", "unpool": f"unpool{model.pools - before}"}.get(name, name)
        _, channels, height, width = (output[0] if isinstance(output, tuple) else output).shape
        parameters = sum(p.numel() for p in layer.parameters())
        sizes = {"channels": channels, "height": height, "width": width, "parameters": parameters}
        rows.append({"layer": name, "kind": kind, **sizes})

    layers = {name: layer for name, layer in model.eval().named_modules() if isinstance(layer, KINDS)}
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output, name=name: record(name, layer, output))
        for name, layer in layers.items()
    ]
    height, width = (size, size) if isinstance(size, int) else size
    with torch.inference_mode():
        model(torch.zeros(1, 3, height, width), torch.zeros(1, 1, height, width))
    for hook in hooks:
        hook.remove()
    return pd.DataFrame(rows)
