"""Shipped weights as ONNX graphs that run without PyTorch: `python -m lib.models.onnx FOLDER ...`.

A graph is written node by node, as its network's `forward` reads. That keeps two things an exporter loses: the weights
stay where they are (the graph points into model.safetensors, so nothing ships twice), and Deep Image Matting's
unpooling becomes ONNX's own MaxUnpool, for which PyTorch's exporter has no rule. ONNX counts a maximum's place through
the whole tensor, PyTorch through its plane: MaxPool and MaxUnpool agree with each other, and only that matters.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from lib.base import UserError, write_atomically
from lib.models import store
from lib.models.dim import TwoStage, VGG16Matting
from lib.models.encoder import Block, ConvNorm
from lib.models.hybrid import HybridMatting
from lib.models.layers import Normalise, Pool
from lib.models.mobile import Adapted
from lib.models.portrait import PortraitMatting
from lib.models.video import Memory, VideoMatting

OPSET, IR_VERSION = 18, 8  # of December 2022: any runtime of today
WEIGHTS, GRAPH, MANIFEST = "model.safetensors", "model.onnx", "manifest.json"
CLOSED_FORM = "closed_form"  # input (1,1,H,W): lib.closed_form
TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}  # safetensors' names


def export_onnx(folder: Path | str) -> str:
    """Write model.onnx beside the weights that lib.training.export left in `folder`; returns its SHA-256.

    The manifest gets that sum as `onnx_sha256`. The graph takes `image` (1,3,H,W) float32 RGB in [0,1] and, where the
    network wants one, `trimap` (1,1,H,W) float32 0, 0.5 or 1, both with sides of any multiple of 32 px, and gives
    `alpha` (1,1,H,W) float32 in [0,1]; a hybrid network wants `closed_form` (1,1,H,W) as well. The same weights give the same bytes. Load it by its path: its weights lie in
    model.safetensors. A network for video takes and gives more: see `_clip`. UserError where the folder has no finished
    network or no manifest, or for a network without rule.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise UserError(f"{folder}: expected {MANIFEST} of shipped weights, found none; use lib.training.export first.")
    network = store.load(folder, "cpu")
    content = _model(network, folder / WEIGHTS).SerializeToString(deterministic=True)
    write_atomically(folder / GRAPH, content)
    manifest = json.loads((folder / MANIFEST).read_text()) | {"onnx_sha256": hashlib.sha256(content).hexdigest()}
    write_atomically(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    return manifest["onnx_sha256"]


def _model(network: nn.Module, weights: Path) -> onnx.ModelProto:
    """The network in evaluation mode as a model whose initialisers point into the file `weights`."""
    if type(network) not in GRAPHS:
        raise UserError(
            f"network: expected one of {', '.join(kind.__name__ for kind in GRAPHS)}, found "
            f"{type(network).__name__}; write its graph in lib/models/onnx.py."
        )
    graph, inputs, outputs = _Graph(network, weights), [_value("image", 3)], [_value("alpha", 1)]
    if isinstance(network, VideoMatting):
        memories = [_value(name, channels, name) for name, channels in _clip(graph, network).items()]
        inputs += memories
        outputs += [_value("foreground", 3), *(_value(f"{each.name}_after", None, each.name) for each in memories)]
    else:
        trimap = "trimap" if getattr(network, "trimap", True) else None
        if trimap:
            inputs.append(_value(trimap, 1))
        if isinstance(network, HybridMatting):
            inputs.append(_value(CLOSED_FORM, 1))
        graph.node("Identity", GRAPHS[type(network)](graph, network, "image", trimap), name="alpha")
    whole = helper.make_graph(graph.nodes, "matting", inputs, outputs, graph.initialisers)
    return helper.make_model(
        whole,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="image-matting-report",
    )


def _value(name: str, channels: int | None, of: str = "") -> onnx.ValueInfoProto:
    """An input or output (1,channels,height,width). of: where its height and width are others than the picture's."""
    sides = ("height", "width") if not of else (f"{of}_height", f"{of}_width")
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, channels, *sides))


class _Graph:
    """A graph that grows: nodes in the order of their use, weights on the first one. Values go by their names."""

    def __init__(self, network: nn.Module, weights: Path):
        self.names = {module: name for name, module in network.named_modules()}
        self.stored, self.start = _header(weights)
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, outputs: int = 1, name: str = "", **attributes) -> str:
        """Append a node; the name of its first output. A second one is called the same with "_1"."""
        name = name or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, inputs, [name, *(f"{name}_{n}" for n in range(1, outputs))], name, **attributes)
        )
        return name

    def integers(self, *values: int) -> str:
        """A constant list of whole numbers."""
        name = f"constant{len(self.initialisers)}"
        self.initialisers.append(helper.make_tensor(name, TensorProto.INT64, (len(values),), values))
        return name

    def constant(self, value, shape: tuple[int, ...] = ()) -> str:
        name = f"constant{len(self.initialisers)}"
        array = np.asarray(value, np.float32)
        self.initialisers.append(helper.make_tensor(name, TensorProto.FLOAT, shape or array.shape, array.ravel()))
        return name

    def weight(self, layer: nn.Module, key: str) -> str:
        """A tensor of the layer, as float32: the file's bytes, cast where they are fp16 (a runtime folds that)."""
        name = f"{self.names[layer]}.{key}"
        entry = self.stored[name]
        begin, end = entry["data_offsets"]
        tensor = TensorProto(name=name, data_type=TYPES[entry["dtype"]], dims=entry["shape"])
        tensor.data_location = TensorProto.EXTERNAL
        for what, value in (("location", WEIGHTS), ("offset", self.start + begin), ("length", end - begin)):
            tensor.external_data.add(key=what, value=str(value))
        self.initialisers.append(tensor)
        return name if entry["dtype"] == "F32" else self.node("Cast", name, to=TensorProto.FLOAT)

    def convolution(self, x: str, layer: nn.Conv2d, low: int, high: int) -> str:
        """The convolution with `low` zeros at the left and top and `high` at the right and bottom."""
        weights = [self.weight(layer, key) for key in ("weight", "bias") if getattr(layer, key) is not None]
        shape = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": [low, low, high, high]}
        return self.node("Conv", x, *weights, group=layer.groups, **shape)

    def norm(self, x: str, layer: nn.BatchNorm2d) -> str:
        weights = [self.weight(layer, key) for key in ("weight", "bias", "running_mean", "running_var")]
        return self.node("BatchNormalization", x, *weights, epsilon=layer.eps)

    def normalised(self, x: str, layer: Normalise) -> str:
        mean, std = (self.constant(value.numpy()) for value in (layer.mean, layer.std))
        return self.node("Div", self.node("Sub", x, mean), std)

    def sequence(self, x: str, layers: nn.Module) -> str:
        """Layers as `lib.models.layers.convolutions` makes them, or a single one."""
        if isinstance(layers, nn.Sequential):
            for layer in layers:
                x = self.sequence(x, layer)
            return x
        if isinstance(layers, nn.Conv2d):
            return self.convolution(x, layers, layers.padding[0], layers.padding[0])
        if isinstance(layers, nn.BatchNorm2d):
            return self.norm(x, layers)
        return self.node("Relu", x) if isinstance(layers, nn.ReLU) else x  # or nn.Identity


def _header(weights: Path) -> tuple[dict[str, dict], int]:
    """What a safetensors file holds, by name, and the byte where its first tensor begins."""
    with open(weights, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)), 8 + length


# ------------------------------------------------------------------------------- networks for photographs


def _portrait(g: _Graph, network: PortraitMatting, image: str, trimap: str | None) -> str:
    """As PortraitMatting.forward; as HybridMatting's, whose further input is given, since no graph solves a system."""
    x = g.normalised(image, network.normalise)
    if trimap:
        further = [CLOSED_FORM] if isinstance(network, HybridMatting) else []
        x = g.node("Concat", x, *_levels(g, trimap), *further, axis=1)
    a, b, c, d, e = _encoder(g, network.encoder, x)
    y = _conv_norm(g, e, network.level32)
    for skip, level in ((d, network.level16), (c, network.level8), (b, network.level4), (a, network.level2)):
        y = _conv_norm(g, g.node("Concat", _doubled(g, y), skip, axis=1), level)
    y = _doubled(g, g.sequence(y, network.narrow))
    y = _conv_norm(g, g.node("Add", y, _conv_norm(g, x, network.detail)), network.level1)
    finer = y
    for layer in network.sharper:
        finer = _conv_norm(g, finer, layer)
    y = g.sequence(g.node("Add", y, finer), network.alpha)
    return g.node("Clip", y, g.constant(0), g.constant(1))


def _levels(g: _Graph, trimap: str) -> list[str]:
    """Three maps of 0 and 1: known background, unknown, known foreground."""
    low, high = g.node("Less", trimap, g.constant(0.25)), g.node("Greater", trimap, g.constant(0.75))
    unknown = g.node("Not", g.node("Or", low, high))
    return [g.node("Cast", level, to=TensorProto.FLOAT) for level in (low, unknown, high)]


def _encoder(g: _Graph, encoder: nn.Module, x: str) -> list[str]:
    """As EfficientNetLite0.forward."""
    x, maps = _conv_norm(g, x, encoder.stem), []
    for group in encoder.groups:
        for block in group:
            x = _block(g, x, block)
        maps.append(x)
    return [maps[number] for number in (0, 1, 2, 4, 6)]


def _block(g: _Graph, x: str, block: Block) -> str:
    y = _conv_norm(g, x, block.expand) if isinstance(block.expand, ConvNorm) else x
    y = _conv_norm(g, _conv_norm(g, y, block.depthwise), block.project)
    return g.node("Add", x, y) if block.shortcut else y


def _conv_norm(g: _Graph, x: str, layer: ConvNorm) -> str:
    x = g.norm(g.convolution(x, layer.conv, layer.low, layer.high), layer.norm)
    if layer.activation == "relu6":
        return g.node("Clip", x, g.constant(0), g.constant(6))
    return g.node("Relu", x) if layer.activation else x


def _doubled(g: _Graph, x: str) -> str:
    """Bilinear, at twice the size: that of the skip, since all sides are multiples of 32."""
    how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return g.node("Resize", x, "", g.constant([1, 1, 2, 2]), **how)


# ------------------------------------------------------------------------------------------------- video

MEMORIES = ("memory16", "memory8", "memory4", "memory2")  # names of the states, from the coarsest on


def _clip(g: _Graph, network: VideoMatting) -> dict[str, int]:
    """As VideoMatting.forward on one frame at its own size: image, and the memories of the frame before, (1,c,H/16,W/16)
    and so on, zeros at a clip's start -> alpha, foreground, and each memory's `..._after`. 16 divides the sides.

    Gives the memories' names and channels.
    """
    f1, f2, f3, f4 = _shallow(g, network.encoder)
    s2 = g.node("AveragePool", "image", kernel_shape=[2, 2], strides=[2, 2])
    s4 = g.node("AveragePool", s2, kernel_shape=[2, 2], strides=[2, 2])
    s8 = g.node("AveragePool", s4, kernel_shape=[2, 2], strides=[2, 2])
    pooled = g.sequence(g.node("GlobalAveragePool", f4), network.aspp.gate[1])
    x = g.node("Mul", g.sequence(f4, network.aspp.features), g.node("Sigmoid", pooled))
    found: dict[str, int] = {}
    x = _remembered(g, x, network.memory16, MEMORIES[0], found)
    levels = ((network.level8, f3, s8), (network.level4, f2, s4), (network.level2, f1, s2))
    for (level, skip, picture), name in zip(levels, MEMORIES[1:], strict=True):
        x = g.sequence(g.node("Concat", _doubled(g, x), skip, picture, axis=1), level.convolution)
        x = _remembered(g, x, level.memory, name, found)
    x = g.sequence(g.node("Concat", _doubled(g, x), "image", axis=1), network.level1)
    residual = g.node("Split", g.sequence(x, network.matting), g.integers(3, 1), outputs=2, axis=1)
    low, high = g.constant(0), g.constant(1)
    g.node("Clip", f"{residual}_1", low, high, name="alpha")
    g.node("Clip", g.node("Add", residual, "image"), low, high, name="foreground")
    return found


def _shallow(g: _Graph, encoder: Adapted) -> list[str]:
    """As Adapted.forward of a Shallow encoder."""
    x, maps = _conv_norm(g, g.normalised("image", encoder.normalise), encoder.network.stem), []
    for group in encoder.network.groups:
        for block in group:
            x = _block(g, x, block)
        maps.append(x)
    return [maps[number] for number in (0, 1, 2, 4)]


def _remembered(g: _Graph, x: str, memory: nn.Module, name: str, found: dict[str, int]) -> str:
    """As Memory.forward on one frame; `found` gets the memory's name and channels. Without a memory, x as it is."""
    if not isinstance(memory, Memory):
        return x
    half = memory.candidate.out_channels
    found[name] = half
    passing = g.node("Split", x, outputs=2, axis=1, num_outputs=2)
    now = f"{passing}_1"
    gates = g.node("Sigmoid", g.sequence(g.node("Concat", now, name, axis=1), memory.gates))
    reset = g.node("Split", gates, outputs=2, axis=1, num_outputs=2)
    recalled = g.node("Concat", now, g.node("Mul", reset, name), axis=1)
    candidate = g.node("Tanh", g.sequence(recalled, memory.candidate))
    changed = g.node("Mul", f"{reset}_1", g.node("Sub", candidate, name))  # (1 - z) h + z c = h + z (c - h)
    state = g.node("Add", name, changed, name=f"{name}_after")
    return g.node("Concat", passing, state, axis=1)


# ------------------------------------------------------------------------------------ Deep Image Matting


def _stage1(g: _Graph, network: VGG16Matting, image: str, trimap: str) -> str:
    """As VGG16Matting.logits."""
    window = _window(network.pool)
    x = g.sequence(g.node("Concat", g.normalised(image, network.normalise), trimap, axis=1), network.head)
    places = []
    for number, block in enumerate(network.encoder):
        x = g.sequence(x, block)
        if number < network.pools:
            x = g.node("MaxPool", x, outputs=2, **window)
            places.append(f"{x}_1")
    x = g.sequence(g.sequence(x, network.conv6), network.decoder6)
    if network.pools == 5:
        x = g.node("MaxUnpool", x, places.pop(), **window)
    x = g.sequence(x, network.decoder5)
    for block in (network.decoder4, network.decoder3, network.decoder2, network.decoder1):
        x = g.sequence(g.node("MaxUnpool", x, places.pop(), **window), block)
    return g.sequence(x, network.alpha)


def _window(pool: Pool) -> dict[str, list[int]]:
    """Attributes of a pooling and of the unpooling that undoes it. Without ONNX's optional output shape, whose meaning
    runtimes don't agree on: so a halved side must have been even. UserError for windows that overlap: which of several
    values for one pixel wins is left open by ONNX."""
    if pool.stride < pool.kernel_size:
        raise UserError(
            f"pooling: expected windows that do not overlap, found size {pool.kernel_size} at stride {pool.stride}; "
            "ONNX has networks of halving pooling only."
        )
    return {"kernel_shape": [pool.kernel_size] * 2, "strides": [pool.stride] * 2, "pads": [pool.padding] * 4}


def _one_stage(g: _Graph, network: VGG16Matting, image: str, trimap: str) -> str:
    return g.node("Sigmoid", _stage1(g, network, image, trimap))


def _two_stages(g: _Graph, network: TwoStage, image: str, trimap: str) -> str:
    """As TwoStage.stages, the refined alpha."""
    logits = _stage1(g, network.stage1, image, trimap)
    rough = g.node("Concat", g.normalised(image, network.stage1.normalise), g.node("Sigmoid", logits), axis=1)
    return g.node("Sigmoid", g.node("Add", logits, g.sequence(rough, network.refinement)))


# Class of the network -> what writes its nodes and gives the name of alpha. A new network has its line here.
# (VideoMatting's, `_clip`, has inputs and outputs of its own.)
GRAPHS: dict[type, Callable] = {
    PortraitMatting: _portrait,
    HybridMatting: _portrait,
    VGG16Matting: _one_stage,
    TwoStage: _two_stages,
    VideoMatting: _clip,
}


def main(folders: list[str]) -> None:
    """Write the graph of each folder. UserError for a mistake."""
    for folder in folders:
        print(f"{export_onnx(folder)}  {Path(folder) / GRAPH}")


if __name__ == "__main__":
    main(sys.argv[1:])
