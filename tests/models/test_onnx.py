"""Graphs in ONNX Runtime against the networks in PyTorch, at sizes that the graph has not seen."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch

from helpers import shipped
from lib.base import ROOT, UserError
from lib.closed_form import half_closed_form
from lib.models import store

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from lib.models.onnx import export_onnx  # noqa: E402 (it needs onnx)

SHIPPED = sorted((ROOT / "data" / "weights").glob("*/model.onnx"))
VIDEO = {"system": "video", "memories": 3}
CONFIGS = {
    "with a trimap": {"system": "portrait", "trimap": True, "width": 0.25},
    "with closed-form's answer": {"system": "hybrid", "width": 0.25},
    "without": {"system": "portrait", "trimap": False, "width": 0.25},
    "unpooling with norms": {"system": "portrait", "trimap": True, "width": 0.125, "structure": "unpooling"},
    "dim": {"system": "dim", "width": 8, "batch_norm": False, "conv6_kernel": 1},
    "dim with norms": {"system": "dim", "width": 8, "batch_norm": True, "conv6_kernel": 3},
    "the study's": {"system": "thumbnail", "batch_norm": True, "pooling": "halving", "width": 64},
}
SIZES = [(64, 64), (96, 160), (32, 128)]
SMALLER = [(32, 32), (32, 64), (64, 32)]


def differences(folder, sizes) -> list[float]:
    """Largest difference between ONNX Runtime and PyTorch at each size, on noise.

    PyTorch in float64: of two values that agree to six digits either may be a maximum in float32, and unpooling puts it
    to another pixel. (Once in about 50,000 windows of fresh weights PyTorch's own float32 departs from its float64.)
    """
    network = store.load(folder, "cpu").double()
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
    assert max(differences(folder, SMALLER if name == "the study's" else SIZES)) < 1e-3


@pytest.mark.parametrize("graph", SHIPPED or [None], ids=lambda path: path.parent.name if path else "none ships")
def test_shipped_graphs_are_of_today_and_answer_like_the_shipped_networks(graph, tmp_path):
    if graph is None:
        pytest.skip("no weights ship with a graph")
    copy = shutil.copytree(graph.parent, tmp_path / "copy")
    said = json.loads((copy / "manifest.json").read_text())["onnx_sha256"]
    assert said == hashlib.sha256(graph.read_bytes()).hexdigest() == export_onnx(copy), "run python -m lib.models.onnx"
    video = json.loads((copy / "config.json").read_text())["system"] == "video"
    assert max((over_a_clip if video else differences)(graph.parent, SIZES)) < 1e-3


def over_a_clip(folder, sizes) -> list[float]:
    """As `differences`, over a clip of four frames: alpha, foreground and the memories of the last."""
    network = store.load(folder, "cpu")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    random, found = np.random.default_rng(0), []
    for height, width in sizes:
        clip = random.random((4, 3, height, width), np.float32)
        scales = {"memory16": 16, "memory8": 8, "memory4": 4, "memory2": 2}
        states = {
            each.name: np.zeros((1, each.shape[1], height // scales[each.name], width // scales[each.name]), np.float32)
            for each in session.get_inputs()[1:]
        }
        with torch.inference_mode():
            expected = network(torch.from_numpy(clip)[None])
        for number, frame in enumerate(clip):
            given = session.run(None, {"image": frame[None], **states})
            answers = dict(zip((each.name for each in session.get_outputs()), given, strict=True))
            states = {name: answers[f"{name}_after"] for name in states}
            found.append(float(np.abs(answers["alpha"][0] - expected.alpha[0, number].numpy()).max()))
            found.append(float(np.abs(answers["foreground"][0] - expected.foreground[0, number].numpy()).max()))
        last = [each.numpy() for each in reversed(expected.states) if each is not None]
        found += [float(np.abs(mine - true).max()) for mine, true in zip(states.values(), last, strict=True)]
        assert expected.alpha.std() > 1e-4 and len(states) == len(last)
    return found


@pytest.mark.parametrize("memories", [3, 4, 0])
def test_a_clip_goes_through_the_graph_as_through_the_network(tmp_path, memories):
    folder = shipped(tmp_path, VIDEO | {"memories": memories})
    export_onnx(folder)
    assert max(over_a_clip(folder, SIZES)) < 2e-5  # fresh weights hardly leave 0.5


def test_weights_are_pointed_to_and_the_same_weights_give_the_same_graph(tmp_path):
    folder = shipped(tmp_path, CONFIGS["with a trimap"])
    assert (
        export_onnx(folder) == export_onnx(folder) == json.loads((folder / "manifest.json").read_text())["onnx_sha256"]
    )
    assert (folder / "model.onnx").stat().st_size < 100_000 < (folder / "model.safetensors").stat().st_size
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    network, graph = store.load(folder, "cpu").state_dict(), onnx.load(folder / "model.onnx")
    stored = {each.name: each for each in graph.graph.initializer if not each.name.startswith("constant")}
    assert set(stored) == {name for name in network if not name.endswith("num_batches_tracked")}
    for name, tensor in stored.items():
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor).astype(np.float32), network[name].numpy())


def test_what_has_no_graph_is_refused(tmp_path):
    folder = shipped(tmp_path, CONFIGS["the study's"] | {"pooling": "as_written"})
    with pytest.raises(UserError, match="expected windows that do not overlap, found size 2 at stride 1"):
        export_onnx(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(UserError, match="expected manifest.json of shipped weights, found none"):
        export_onnx(folder)
    assert not (folder / "model.onnx").exists()
