"""One changed byte in weights is noticed: they are refused by name."""

import shutil

import pytest
import torch

from helpers import shipped
from lib.base import ROOT, UserError
from lib.cutout.network import OnnxNetwork
from lib.models import checkpoint

PLACES = (0.0, 0.1, 0.5, 0.9, 1.0)  # shares of a file's length


def flip(path, share: float, bit: int = 3) -> None:
    content = bytearray(path.read_bytes())
    content[round(share * (len(content) - 1))] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("share", PLACES)
@pytest.mark.parametrize("file", ["model.safetensors", "model.onnx"])
def test_shipped_weights_are_refused_where_they_are_used(tmp_path, file, share):
    folder = shutil.copytree(ROOT / "data/weights/trimap", tmp_path / "trimap")
    checkpoint.load_network(folder, "cpu")
    flip(folder / file, share)
    with pytest.raises(UserError, match=f"{file}: expected the SHA-256 .*, found .*: it was altered or damaged"):
        OnnxNetwork(folder)
    if file == "model.safetensors":
        with pytest.raises(UserError, match="expected the SHA-256 .*, found .*: it was altered or damaged"):
            checkpoint.load_network(folder, "cpu")


def test_a_finished_training_is_refused_where_it_is_used(tmp_path):
    config = {"system": "thumbnail", "batch_norm": True, "pooling": "halving", "width": 64}
    shipped(tmp_path, config)
    state = checkpoint.load_network(tmp_path / "run", "cpu").state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())
    flip(tmp_path / "run/model.safetensors", 0.7)
    with pytest.raises(UserError, match="run/model.safetensors: expected the SHA-256"):
        checkpoint.load_network(tmp_path / "run", "cpu")
