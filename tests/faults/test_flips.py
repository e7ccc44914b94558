"""One changed byte in a cache or in weights is noticed: the cache is made again, the weights are refused by name."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import shipped
from lib.base import ROOT, UserError
from lib.cutout.network import Network
from lib.data.folder import Folder
from lib.data.prepare import prepare
from lib.models import store

PLACES = (0.0, 0.1, 0.5, 0.9, 1.0)  # shares of a file's length


def flip(path, share: float, bit: int = 3) -> None:
    content = bytearray(path.read_bytes())
    content[round(share * (len(content) - 1))] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("share", PLACES)
@pytest.mark.parametrize("layer", ["image.npy", "alpha.npy", "trimap-tolerant.npy", "done.json", "done.sha256"])
def test_prepared_images_are_prepared_again(tmp_path, capsys, layer, share):
    pixels = np.random.default_rng(0)
    for folder, shape in (("image", (9, 8, 3)), ("alpha", (9, 8))):
        (tmp_path / "set" / folder).mkdir(parents=True)
        Image.fromarray(pixels.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / "set" / folder / "a.png")
    source, cache = Folder(tmp_path / "set"), tmp_path / "cache"
    before = prepare(source, 4, cache=cache, workers=1)
    wanted = [np.array(each) for each in (before.image, before.alpha, before.trimap)]
    del before  # and with it the mapped files
    flip(next(cache.glob(f"*/{layer}")), share)
    capsys.readouterr()
    after = prepare(source, 4, cache=cache, workers=1)
    for found, kept in zip((after.image, after.alpha, after.trimap), wanted, strict=True):
        np.testing.assert_array_equal(found, kept)
    if not layer.startswith("trimap"):
        assert "the prepared images are not as they were written; preparing them again" in capsys.readouterr().out


@pytest.mark.parametrize("share", PLACES)
@pytest.mark.parametrize("file", ["model.safetensors", "model.onnx"])
def test_shipped_weights_are_refused_where_they_are_used(tmp_path, file, share):
    folder = shutil.copytree(ROOT / "data/weights/trimap", tmp_path / "trimap")
    store.load(folder, "cpu")
    flip(folder / file, share)
    with pytest.raises(UserError, match=f"{file}: expected the SHA-256 .*, found .*: it was altered or damaged"):
        Network(folder)
    if file == "model.safetensors":
        with pytest.raises(UserError, match="expected the SHA-256 .*, found .*: it was altered or damaged"):
            store.load(folder, "cpu")


def test_a_finished_training_is_refused_where_it_is_used(tmp_path):
    config = {"system": "thumbnail", "batch_norm": True, "pooling": "halving", "width": 64}
    shipped(tmp_path, config)
    state = store.load(tmp_path / "run", "cpu").state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())
    flip(tmp_path / "run/model.safetensors", 0.7)
    with pytest.raises(UserError, match="run/model.safetensors: expected the SHA-256"):
        store.load(tmp_path / "run", "cpu")
