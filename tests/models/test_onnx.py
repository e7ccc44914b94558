"""Graphs in ONNX Runtime against the networks in PyTorch, at sizes that the graph has not seen."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import torch

from helpers import shipped
from lib.base import ROOT, UserError
from lib.closed_form import half_closed_form
from lib.models.checkpoint import load_network

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from lib.models.onnx import export_onnx  # noqa: E402 (it needs onnx)

SHIPPED = sorted((ROOT / "data" / "weights").glob("*/model.onnx"))
CONFIGS = {
    "with a trimap": {"system": "portrait", "trimap": True, "width": 0.25},
    "with closed-form's answer": {"system": "hybrid", "width": 0.25},
    "without": {"system": "portrait", "trimap": False, "width": 0.25},
}
SIZES = [(64, 64), (96, 160), (32, 128)]


def differences(folder, sizes) -> list[float]:
    """Largest difference between ONNX Runtime and PyTorch in float64 at each size, on noise."""
    network = load_network(folder, "cpu").double()
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    names, random, found = [each.name for each in session.get_inputs()], np.random.default_rng(0), []
    for height, width in sizes:
        image = random.random((1, 3, height, width), np.float32)
        trimap = random.choice(np.float32([0, 0.5, 1]), (1, 1, height, width))
        given = dict(zip(names[:2], (image, trimap), strict=False))
        with torch.inference_mode():
            expected = network(*(torch.from_numpy(value).double() for value in given.values())).numpy()
        if "closed_form" in names:
            given["closed_form"] = half_closed_form(image[0].transpose(1, 2, 0), trimap[0, 0])[None, None]
        (alpha,) = session.run(["alpha"], given)
        assert alpha.shape == expected.shape and alpha.dtype == np.float32
        assert expected.std() > 1e-3, "a flat answer would compare nothing"
        found.append(float(np.abs(alpha - expected).max()))
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_a_graph_answers_like_its_network_at_any_size(tmp_path, name):
    folder = shipped(tmp_path, CONFIGS[name])
    export_onnx(folder)
    assert max(differences(folder, SIZES)) < 1e-3


@pytest.mark.parametrize("graph", SHIPPED or [None], ids=lambda path: path.parent.name if path else "none ships")
def test_shipped_graphs_are_of_today_and_answer_like_the_shipped_networks(graph, tmp_path):
    if graph is None:
        pytest.skip("no weights ship with a graph")
    copy = shutil.copytree(graph.parent, tmp_path / "copy")
    said = json.loads((copy / "manifest.json").read_text())["onnx_sha256"]
    assert said == hashlib.sha256(graph.read_bytes()).hexdigest() == export_onnx(copy), "run python -m lib.models.onnx"
    assert max(differences(graph.parent, SIZES)) < 1e-3


def test_weights_are_pointed_to_and_the_same_weights_give_the_same_graph(tmp_path):
    folder = shipped(tmp_path, CONFIGS["with a trimap"])
    assert (
        export_onnx(folder) == export_onnx(folder) == json.loads((folder / "manifest.json").read_text())["onnx_sha256"]
    )
    assert (folder / "model.onnx").stat().st_size < 100_000 < (folder / "model.safetensors").stat().st_size
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    network, graph = load_network(folder, "cpu").state_dict(), onnx.load(folder / "model.onnx")
    stored = {each.name: each for each in graph.graph.initializer if not each.name.startswith("constant")}
    assert set(stored) == {name for name in network if not name.endswith("num_batches_tracked")}
    for name, tensor in stored.items():
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor).astype(np.float32), network[name].numpy())


def test_what_has_no_graph_is_refused(tmp_path):
    folder = shipped(tmp_path, {"system": "dim", "width": 8, "batch_norm": False, "conv6_kernel": 1})
    with pytest.raises(UserError, match="network: expected one of PortraitMatting, HybridMatting, found TwoStage"):
        export_onnx(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(UserError, match="expected manifest.json of shipped weights, found none"):
        export_onnx(folder)
    assert not (folder / "model.onnx").exists()
