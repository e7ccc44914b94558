"""Mattes of whole pictures: margins, tiles, and what a tile may not change."""

import numpy as np
import pytest
import torch

from lib.inference import matte
from lib.models.dim import deep_image_matting


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
