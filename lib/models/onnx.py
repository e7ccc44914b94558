"""Portrait, trimap and hybrid network as ONNX graphs, which run without PyTorch: `python -m lib.models.onnx FOLDER ...`.

A graph is written node by node, as the network's `forward` reads. So the weights stay where they are: the graph points
into model.safetensors, and nothing ships twice.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from lib.base import UserError, write_atomically
from lib.models.backbones import ConvNorm, InvertedResidual
from lib.models.checkpoint import MANIFEST, load_network
from lib.models.portrait import HybridMatting, PortraitMatting

OPSET, IR_VERSION = 18, 8  # of December 2022: any runtime of today
WEIGHTS, GRAPH = "model.safetensors", "model.onnx"
CLOSED_FORM = "closed_form"  # input (1,1,H,W): lib.closed_form
TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}  # safetensors' names
GRAPHS = (PortraitMatting, HybridMatting)  # networks that have a graph


def export_onnx(folder: Path | str) -> str:
    """Write model.onnx to a folder that lib.models.checkpoint.export wrote; its SHA-256, also in the manifest.

    Inputs, with sides of any multiple of 32 px: `image` (1,3,H,W) float32 RGB in [0,1]; `trimap` (1,1,H,W) float32 0,
    0.5 or 1 where the network takes one; `closed_form` (1,1,H,W) for a hybrid. Output: `alpha` (1,1,H,W) float32 in
    [0,1]. The same weights give the same bytes. Load it by its path: its weights lie in model.safetensors. UserError
    without network or manifest, or for another network.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise UserError(
            f"{folder}: expected {MANIFEST} of shipped weights, found none; use lib.models.checkpoint.export first."
        )
    network = load_network(folder, "cpu")
    if type(network) not in GRAPHS:
        raise UserError(
            f"network: expected one of {', '.join(kind.__name__ for kind in GRAPHS)}, found "
            f"{type(network).__name__}; write its graph in lib/models/onnx.py."
        )
    content = _model(network, folder / WEIGHTS).SerializeToString(deterministic=True)
    write_atomically(folder / GRAPH, content)
    manifest = json.loads((folder / MANIFEST).read_text()) | {"onnx_sha256": hashlib.sha256(content).hexdigest()}
    write_atomically(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    return manifest["onnx_sha256"]


def _model(network: PortraitMatting, weights: Path) -> onnx.ModelProto:
    """The network in evaluation mode as a model whose initialisers point into the file `weights`."""
    graph, inputs = _Graph(network, weights), {"image": 3}
    if network.trimap:
        inputs |= {"trimap": 1}
    if isinstance(network, HybridMatting):
        inputs |= {CLOSED_FORM: 1}
    graph.node("Identity", _portrait(graph, network, list(inputs)[1:]), name="alpha")
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, channels, "height", "width"))
        for name, channels in (inputs | {"alpha": 1}).items()
    }
    output = values.pop("alpha")
    return helper.make_model(
        helper.make_graph(graph.nodes, "matting", list(values.values()), [output], graph.initialisers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="image-matting-report",
    )


class _Graph:
    """A graph under construction: nodes in the order of their use, weights at the first one. Values go by their names."""

    def __init__(self, network: nn.Module, weights: Path):
        self.names = {module: name for name, module in network.named_modules()}
        with open(weights, "rb") as file:  # safetensors: length of the header, header, tensors
            length = int.from_bytes(file.read(8), "little")
            self.stored, self.start = json.loads(file.read(length)), 8 + length
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, name: str = "", **attributes) -> str:
        """Append a node; the name of its output."""
        name = name or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, value) -> str:
        name, array = f"constant{len(self.initialisers)}", np.asarray(value, np.float32)
        self.initialisers.append(helper.make_tensor(name, TensorProto.FLOAT, array.shape, array.ravel()))
        return name

    def weight(self, layer: nn.Module, key: str) -> str:
        """A tensor of the layer, as float32: the file's bytes, cast where they are fp16 (a runtime folds that)."""
        name = f"{self.names[layer]}.{key}"
        entry = self.stored[name]
        begin, end = entry["data_offsets"]
        tensor = TensorProto(name=name, data_type=TYPES[entry["dtype"]], dims=entry["shape"])
        tensor.data_location = TensorProto.EXTERNAL
        for field, value in (("location", WEIGHTS), ("offset", self.start + begin), ("length", end - begin)):
            tensor.external_data.add(key=field, value=str(value))
        self.initialisers.append(tensor)
        return name if entry["dtype"] == "F32" else self.node("Cast", name, to=TensorProto.FLOAT)

    def convolution(self, x: str, layer: nn.Conv2d, pad_before: int = 0, pad_after: int = 0) -> str:
        weights = [self.weight(layer, key) for key in ("weight", "bias") if getattr(layer, key) is not None]
        pads = [pad_before, pad_before, pad_after, pad_after]
        shape = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": pads}
        return self.node("Conv", x, *weights, group=layer.groups, **shape)

    def conv_norm(self, x: str, layer: ConvNorm) -> str:
        """As ConvNorm.forward."""
        x = self.convolution(x, layer.conv, layer.pad_before, layer.pad_after)
        weights = [self.weight(layer.norm, key) for key in ("weight", "bias", "running_mean", "running_var")]
        x = self.node("BatchNormalization", x, *weights, epsilon=layer.norm.eps)
        if layer.activation == "relu6":
            return self.node("Clip", x, self.constant(0), self.constant(6))
        return self.node("Relu", x) if layer.activation else x

    def block(self, x: str, layer: InvertedResidual) -> str:
        """As InvertedResidual.forward."""
        y = self.conv_norm(x, layer.expand) if isinstance(layer.expand, ConvNorm) else x
        y = self.conv_norm(self.conv_norm(y, layer.depthwise), layer.project)
        return self.node("Add", x, y) if layer.shortcut else y

    def doubled(self, x: str) -> str:
        """Bilinear, at twice the size: that of the skip, since all sides are multiples of 32."""
        options = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self.node("Resize", x, "", self.constant([1, 1, 2, 2]), **options)


def _portrait(g: _Graph, network: PortraitMatting, further: list[str]) -> str:
    """As PortraitMatting.forward. further: inputs behind the image; closed-form alpha is one, as no graph solves a system."""
    mean, std = (g.constant(value.numpy()) for value in (network.normalise.mean, network.normalise.std))
    x = g.node("Div", g.node("Sub", "image", mean), std)
    if further:
        x = g.node("Concat", x, *_trimap_classes(g, further[0]), *further[1:], axis=1)
    y, maps = g.conv_norm(x, network.encoder.stem), []
    for group in network.encoder.groups:
        for block in group:
            y = g.block(y, block)
        maps.append(y)
    a, b, c, d = (maps[number] for number in (0, 1, 2, 4))  # 1/2, 1/4, 1/8, 1/16
    y = g.conv_norm(y, network.level32)
    for skip, level in ((d, network.level16), (c, network.level8), (b, network.level4), (a, network.level2)):
        y = g.conv_norm(g.node("Concat", g.doubled(y), skip, axis=1), level)
    y = g.doubled(g.convolution(y, network.narrow))
    y = g.conv_norm(g.node("Add", y, g.conv_norm(x, network.detail)), network.level1)
    sharper = g.conv_norm(g.conv_norm(y, network.sharper[0]), network.sharper[1])
    y = g.convolution(g.node("Add", y, sharper), network.alpha)
    return g.node("Clip", y, g.constant(0), g.constant(1))


def _trimap_classes(g: _Graph, trimap: str) -> list[str]:
    """As lib.models.layers.trimap_classes, as floats."""
    low, high = g.node("Less", trimap, g.constant(0.25)), g.node("Greater", trimap, g.constant(0.75))
    unknown = g.node("Not", g.node("Or", low, high))
    return [g.node("Cast", level, to=TensorProto.FLOAT) for level in (low, unknown, high)]


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(f"{export_onnx(argument)}  {Path(argument) / GRAPH}")
