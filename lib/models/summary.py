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
    device = next(model.parameters()).device
    rows, blocks = [], {id(block): number for number, block in enumerate((*model.encoder, model.conv6), 1)}
    unpools = {id(block): number for number, block in enumerate(reversed(model.decoder), 1)}

    def add(name: str, kind: str, shape: torch.Size, parameters: int = 0) -> None:
        rows.append({"layer": name, "kind": kind, "channels": shape[1], "height": shape[2], "width": shape[3],
                     "parameters": parameters})

    def leaf(name: str):
        return lambda layer, inputs, output: add(
            name, "Conv2d" if isinstance(layer, nn.Conv2d) else type(layer).__name__, output.shape,
            sum(p.numel() for p in layer.parameters()))

    def unpooled(block, inputs):
        if unpools[id(block)] <= model.pools:
            add(f"unpool{unpools[id(block)]}", "MaxUnpool2d", inputs[0].shape)

    def pooled(block, inputs):
        if 2 <= blocks[id(block)] <= model.pools + 1:
            add(f"pool{blocks[id(block)] - 1}", "MaxPool2d", inputs[0].shape)

    handles = [layer.register_forward_hook(leaf(name)) for name, layer in model.named_modules()
               if not list(layer.children()) and not isinstance(layer, nn.Identity)]
    handles += [block.register_forward_pre_hook(pooled) for block in (*model.encoder, model.conv6)]
    handles += [block.register_forward_pre_hook(unpooled) for block in model.decoder]
    training = model.training
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
