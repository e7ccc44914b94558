"""Predictions against the network called by hand; whole pictures: margins, tiles, and what a tile may not change."""

import numpy as np
import pytest
import torch

from helpers import prepared_from
from lib.data.batches import trimap_levels
from lib.data.prepare import Prepared
from lib.device import Machine
from lib.inference import matte, predict
from lib.models.dim import VGG16Matting, deep_image_matting

FP32 = Machine("cpu", "fp32")


def drawn(n: int = 6, height: int = 28, width: int = 28) -> Prepared:
    """Rectangles of alpha with a soft edge, on noise."""
    random = np.random.default_rng(0)
    alpha = np.zeros((n, 1, height, width), np.uint8)
    for one in alpha:
        top, left = random.integers(2, 8, 2)
        one[0, top:, left:-left] = 255
        one[0, top, left:-left] = 100
    return prepared_from(random.integers(0, 256, (n, 3, height, width), dtype=np.uint8), alpha)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (47, 33)])
def test_predict_is_the_network_in_evaluation_mode(height, width):
    prepared, model = drawn(5, height, width), VGG16Matting().train()
    index = [3, 0, 4]
    found = predict(model, prepared, index, FP32, batch_size=2)
    assert model.training, "predict must give the model its mode back"
    assert found.shape == (3, 1, height, width) and found.dtype == np.float32
    image = torch.from_numpy(prepared.image[index]).float() / 255
    trimap = trimap_levels(torch.from_numpy(prepared.trimap[index]))
    with torch.no_grad():
        expected = model.eval()(image, trimap).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_bf16_prediction_is_close_to_fp32():
    prepared, model = drawn(2), VGG16Matting()
    half = predict(model, prepared, [0, 1], Machine("cpu", "bf16"))
    full = predict(model, prepared, [0, 1], FP32)
    assert half.dtype == np.float32
    assert np.abs(half - full).mean() < 0.02


def ramp(image, trimap):
    """A model that takes the column for alpha: 0 at the left, 1 at the right."""
    return torch.linspace(0, 1, image.shape[-1]).expand_as(trimap).clone()


def test_mirrored_prediction_is_the_mean_of_both_and_known_pixels_are_kept():
    alpha = np.zeros((2, 1, 28, 28), np.uint8)
    alpha[..., 8:20, 8:20] = 255
    prepared = prepared_from(np.zeros((2, 3, 28, 28), np.uint8), alpha)

    class Ramp(torch.nn.Module):
        forward = staticmethod(ramp)

    plain, mirrored, kept = (
        predict(Ramp(), prepared, [0, 1], FP32, **options) for options in ({}, {"mirror": True}, {"keep_known": True})
    )
    np.testing.assert_allclose(plain[0, 0, 3], np.linspace(0, 1, 28), atol=1e-6)
    np.testing.assert_allclose(mirrored, 0.5, atol=1e-6)
    trimap = prepared.trimap
    assert {0, 128, 255} == set(np.unique(trimap))
    np.testing.assert_array_equal(kept[trimap == 128], plain[trimap == 128])
    np.testing.assert_array_equal(kept[trimap != 128], (trimap == 255)[trimap != 128])


# ------------------------------------------------------------------------------------------ whole pictures


class Local(torch.nn.Module):
    """Alpha as a blur of the red channel over 9x9 pixels: a network whose reach is known."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seen = []

    def forward(self, image, trimap):
        self.seen.append(tuple(image.shape[-2:]))
        return torch.nn.functional.avg_pool2d(image[:, :1], 9, 1, 4, count_include_pad=False) * self.weight


def picture(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.random((height, width, 3), np.float32), np.full((height, width), 128, np.uint8)


@pytest.mark.parametrize("shape", [(64, 96), (61, 97), (1, 1), (1, 40), (33, 5)])
def test_any_size_comes_back_in_its_own(shape):
    model = Local()
    alpha = matte(model, *picture(*shape), precision="fp32")
    assert alpha.shape == shape and alpha.dtype == np.float32 and np.isfinite(alpha).all()
    assert all(side % 32 == 0 for side in model.seen[0])


def test_tiles_give_what_the_whole_gives():
    image, trimap = picture(200, 310)
    whole = matte(Local(), image, trimap, precision="fp32")
    model = Local()
    tiled = matte(model, image, trimap, tile=96, overlap=32, precision="fp32")
    assert len(model.seen) > 6 and max(max(size) for size in model.seen) <= 96
    # Only tile borders, where the blur lacks its neighbours, may differ, and there the ramp gives them little weight.
    assert np.abs(tiled - whole).max() < 0.05
    assert np.median(np.abs(tiled - whole)) < 1e-6


def test_a_constant_is_blended_to_itself():
    image, trimap = np.full((150, 222, 3), 0.25, np.float32), np.full((150, 222), 128, np.uint8)
    assert np.allclose(matte(Local(), image, trimap, tile=64, overlap=16, precision="fp32"), 0.25, atol=1e-6)


def test_known_pixels_are_kept_and_known_tiles_skipped():
    image, trimap = picture(64, 256)
    trimap[:, :100], trimap[:, 180:] = 0, 255
    model = Local()
    alpha = matte(model, image, trimap, tile=64, overlap=16)
    assert (alpha[:, :100] == 0).all() and (alpha[:, 180:] == 1).all()
    assert 0 < len(model.seen) < 5
    model.seen.clear()
    trimap[trimap == 128] = 255
    assert np.array_equal(matte(model, image, trimap), trimap / np.float32(255))
    assert not model.seen


def test_training_mode_is_given_back_and_norms_not_moved():
    model = deep_image_matting(width=8, batch_norm=True).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    matte(model, *picture(40, 50))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
