"""Predictions against the network called by hand; pictures of any size: margins and tiles; plates and clips."""

import cv2
import numpy as np
import pytest
import torch

from helpers import prepared_from
from lib import inference
from lib.base import UserError
from lib.compute import Compute
from lib.data.cache import ImageSet
from lib.data.trimap import trimap_to_float
from lib.inference import predict_batches, predict_clip, predict_portrait, predict_trimap, predict_with_plate
from lib.models import bgmv2, rvm
from lib.models.portrait import PortraitMatting
from lib.models.vgg import VGG16Matting, deep_image_matting

FP32 = Compute("cpu", "fp32")


def drawn(n: int = 6, height: int = 28, width: int = 28) -> ImageSet:
    """Rectangles of alpha with a soft edge, on noise."""
    random = np.random.default_rng(0)
    alpha = np.zeros((n, 1, height, width), np.uint8)
    for one in alpha:
        top, left = random.integers(2, 8, 2)
        one[0, top:, left:-left] = 255
        one[0, top, left:-left] = 100
    return prepared_from(random.integers(0, 256, (n, 3, height, width), dtype=np.uint8), alpha)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (47, 33)])
def test_batches_are_the_network_in_evaluation_mode(height, width, monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 2)
    prepared, model = drawn(5, height, width), VGG16Matting().train()
    index = [3, 0, 4]
    found = predict_batches(model, prepared, index, FP32)
    assert model.training
    assert found.shape == (3, 1, height, width) and found.dtype == np.float32
    image = torch.from_numpy(prepared.image[index]).float() / 255
    trimap = trimap_to_float(torch.from_numpy(prepared.trimap[index]))
    with torch.no_grad():
        expected = model.eval()(image, trimap).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_bf16_prediction_is_close_to_fp32():
    prepared, model = drawn(2), VGG16Matting()
    half = predict_batches(model, prepared, [0, 1], Compute("cpu", "bf16"))
    full = predict_batches(model, prepared, [0, 1], FP32)
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
        predict_batches(Ramp(), prepared, [0, 1], FP32, **options)
        for options in ({}, {"mirror": True}, {"keep_known": True})
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
def test_any_size_comes_back_in_its_own_whatever_the_type(shape):
    model, (image, trimap) = Local(), picture(*shape)
    eight_bits = np.round(image * 255).astype(np.uint8)
    alpha = predict_trimap(model, eight_bits, trimap, precision="fp32")
    assert alpha.shape == shape and alpha.dtype == np.float32 and np.isfinite(alpha).all()
    assert all(side % 32 == 0 for side in model.seen[0])
    floats = predict_trimap(model, eight_bits / np.float32(255), trimap, precision="fp32")
    np.testing.assert_array_equal(alpha, floats)


def test_tiles_give_what_the_whole_gives():
    image, trimap = picture(200, 310)
    whole = predict_trimap(Local(), image, trimap, precision="fp32")
    model = Local()
    tiled = predict_trimap(model, image, trimap, tile=96, overlap=32, precision="fp32")
    assert len(model.seen) > 6 and max(max(size) for size in model.seen) <= 96
    # Only tile borders, where the blur lacks its neighbours, may differ, and there the ramp gives them little weight.
    assert np.abs(tiled - whole).max() < 0.05
    assert np.median(np.abs(tiled - whole)) < 1e-6


def test_training_mode_is_given_back_and_norms_not_moved():
    model = deep_image_matting(width=8, batch_norm=True).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    predict_trimap(model, *picture(40, 50))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_mirrored_picture_gives_the_mirrored_alpha():
    torch.manual_seed(0)
    model, image = PortraitMatting(trimap=False, width=0.25), picture(80, 60)[0]
    image = np.round(image * 255).astype(np.uint8)
    alpha = predict_portrait(model, image, 64, precision="fp32")
    assert alpha.shape == (80, 60) and model.training
    with torch.inference_mode():  # 64 px high at 3:4, sides to multiples of 32
        small = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)
        direct = model.eval()(torch.from_numpy(small.transpose(2, 0, 1)[None] / np.float32(255)))[0, 0].numpy()
    np.testing.assert_allclose(alpha, cv2.resize(direct, (60, 80)).clip(0, 1), atol=1e-5)


# ------------------------------------------------------------------------------------------ plates and clips

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 66, 50, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    pair = bgmv2.small(), rvm.small()
    for last in (pair[0].base.decode1, pair[0].refiner.at_full[-1], pair[1].matting):
        torch.nn.init.normal_(last.weight, std=0.5)  # answers that differ from pixel to pixel
    return pair


def test_a_plate_gives_alpha_and_colours_of_any_size(networks):
    network = networks[0].train()
    alpha, colours = predict_with_plate(network, FRAMES[0], FRAMES[1])
    assert alpha.shape == (66, 50) and colours.shape == (66, 50, 3) and 0 <= alpha.min() <= alpha.max() <= 1
    assert network.training


def test_a_plate_of_another_size_and_the_picture_itself_are_refused(networks):
    with pytest.raises(UserError, match="plate: expected the picture's size"):
        predict_with_plate(networks[0], FRAMES[0], FRAMES[1][:-4])
    with pytest.raises(UserError, match="found the picture itself"):
        predict_with_plate(networks[0], FRAMES[0], FRAMES[0].copy())


def test_a_clip_in_parts_is_the_clip_at_once(networks, monkeypatch):
    whole, colours = predict_clip(networks[1], FRAMES, precision="fp32")
    assert whole.std() > 1e-3, "a flat answer would compare nothing"
    assert whole.shape == (5, 66, 50) and colours.shape == (5, 66, 50, 3)
    monkeypatch.setattr(inference, "FRAMES", 2)
    parts, _ = predict_clip(networks[1], FRAMES, precision="fp32")
    assert np.abs(whole - parts).max() < 1e-5


def test_without_recurrence_the_order_of_frames_does_not_matter(networks):
    forth, _ = predict_clip(networks[1], FRAMES, recurrent=False, precision="fp32")
    back, _ = predict_clip(networks[1], FRAMES[::-1], recurrent=False, precision="fp32")
    assert np.abs(forth - back[::-1]).max() < 1e-5
    recurrent, _ = predict_clip(networks[1], FRAMES, precision="fp32")
    assert np.abs(recurrent[0] - forth[0]).max() < 1e-5 and np.abs(recurrent[-1] - forth[-1]).max() > 1e-5


def test_one_frame_is_a_clip_and_mixed_sizes_are_none(networks):
    assert predict_clip(networks[1], FRAMES[:1]).alpha.shape == (1, 66, 50)
    with pytest.raises(UserError, match="frames: expected one size"):
        predict_clip(networks[1], [FRAMES[0], FRAMES[1][:-2]])
