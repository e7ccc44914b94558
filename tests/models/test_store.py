"""Finished networks come back as they were trained, or one sentence says what is wrong with the folder."""

import json

import pytest
import torch
from safetensors.torch import save_file

from lib.base import UserError
from lib.device import cpu_threads
from lib.models import store
from lib.models.dim import VGG16Matting, deep_image_matting
from lib.models.layers import initialise
from lib.models.portrait import PortraitMatting

SMALL = {"system": "dim", "width": 4, "batch_norm": True, "conv6_kernel": 3}


def written(folder, config: dict, model: torch.nn.Module):
    """A folder as a finished training leaves it."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("config", "build"),
    [
        (SMALL, lambda: deep_image_matting(4, True, 3)),
        ({"system": "portrait", "trimap": True, "width": 0.5}, lambda: PortraitMatting(True, 0.5)),
        (
            {"system": "thumbnail", "batch_norm": False, "pooling": "as_written", "width": 8},
            lambda: VGG16Matting(batch_norm=False, pooling="as_written", width=8),
        ),
    ],
)
def test_each_network_comes_back_as_it_was_kept(tmp_path, config, build):
    model = build()
    initialise(model, 7)
    found = store.load(written(tmp_path, config, model), "cpu")
    assert type(found) is type(model) and not found.training
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in model.state_dict().items())
    image, trimap = torch.rand(1, 3, 40, 33), torch.full((1, 1, 40, 33), 0.5)
    with torch.inference_mode(), cpu_threads(1):  # where pooling windows overlap, threads race for a pixel
        expected = model.to(memory_format=torch.channels_last).eval()(image, trimap)
        assert torch.equal(found(image, trimap), expected)


def test_a_folder_without_a_training_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match="expected model.safetensors of a finished training, found none"):
        store.load(tmp_path / "empty")


def test_what_cannot_be_read_is_one_sentence(tmp_path):
    model = deep_image_matting(4, True, 3)
    whole = written(tmp_path / "net", SMALL, model)
    content = (whole / "model.safetensors").read_bytes()
    for config, weights, words in [
        (SMALL, content[:-100], "SafetensorError"),
        (SMALL, b"", "SafetensorError"),
        (SMALL | {"width": 8}, content, "RuntimeError: Error.* size mismatch"),
        ({"system": "dim"}, content, "KeyError"),
        (SMALL | {"system": "other"}, content, "KeyError: 'other'"),
        ([1], content, "TypeError"),
        (None, content, "TypeError"),
        (SMALL | {"width": "4"}, content, "TypeError"),
    ]:
        (whole / "config.json").write_text(json.dumps(config))
        (whole / "model.safetensors").write_bytes(weights)
        with pytest.raises(UserError, match=f"net: expected config.json and .* something else .{words}") as caught:
            store.load(whole)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    (whole / "config.json").write_text("{")
    with pytest.raises(UserError, match="JSONDecodeError"):
        store.load(whole)
    (whole / "config.json").unlink()
    with pytest.raises(UserError, match="FileNotFoundError"):
        store.load(whole)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"0" * 64, b"\x00", b"0\n1\n"])
def test_a_sum_that_is_another_or_none_is_one_sentence(tmp_path, content):
    folder = written(tmp_path / "net", SMALL, deep_image_matting(4, True, 3))
    (folder / "model.sha256").write_bytes(content)
    with pytest.raises(
        UserError, match=r"model.safetensors: expected the SHA-256 .*, found [0-9a-f]{64}: it was"
    ) as caught:
        store.load(folder)
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    model = deep_image_matting(4, True, 3)
    with torch.no_grad():
        model.stage1.alpha.bias.fill_(float("nan"))
    with pytest.raises(UserError, match=r"expected finite weights, found others in stage1\.alpha\.bias"):
        store.load(written(tmp_path / "net", SMALL, model))
