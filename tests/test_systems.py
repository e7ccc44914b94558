"""More than one picture: plates and clips, in chunks or whole, right or one sentence."""

import numpy as np
import pytest
import torch

from lib import systems
from lib.base import UserError
from lib.models import background, video

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 66, 50, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    made = background.small(), video.small()
    for last in (made[0].base.decode1, made[0].refiner.at_full[-1], made[1].matting):
        torch.nn.init.normal_(last.weight, std=0.5)  # answers that differ from pixel to pixel
    return made


def test_a_plate_gives_alpha_and_colours_of_any_size(networks):
    network = networks[0].train()
    alpha, colours = systems.matte_before_plate(network, PICTURES[0], PICTURES[1])
    assert alpha.shape == (66, 50) and colours.shape == (66, 50, 3) and 0 <= alpha.min() <= alpha.max() <= 1
    assert network.training


def test_a_plate_of_another_size_or_the_picture_itself_is_told_of(networks):
    with pytest.raises(UserError, match="plate: expected the picture's size"):
        systems.matte_before_plate(networks[0], PICTURES[0], PICTURES[1][:-4])
    with pytest.raises(UserError, match="found the picture itself"):
        systems.matte_before_plate(networks[0], PICTURES[0], PICTURES[0].copy())


def test_a_clip_in_chunks_is_the_clip_at_once(networks, monkeypatch):
    whole, colours = systems.matte_clip(networks[1], PICTURES, precision="fp32")
    assert whole.std() > 1e-3, "a flat answer would compare nothing"
    assert whole.shape == (5, 66, 50) and colours.shape == (5, 66, 50, 3)
    monkeypatch.setattr(systems, "CHUNK", 2)
    parts, _ = systems.matte_clip(networks[1], PICTURES, precision="fp32")
    assert np.abs(whole - parts).max() < 1e-5


def test_without_memory_the_order_of_frames_says_nothing(networks):
    there, _ = systems.matte_clip(networks[1], PICTURES, remember=False, precision="fp32")
    back, _ = systems.matte_clip(networks[1], PICTURES[::-1], remember=False, precision="fp32")
    assert np.abs(there - back[::-1]).max() < 1e-5
    remembering, _ = systems.matte_clip(networks[1], PICTURES, precision="fp32")
    assert np.abs(remembering[0] - there[0]).max() < 1e-5 and np.abs(remembering[-1] - there[-1]).max() > 1e-5


def test_one_frame_is_a_clip_and_mixed_sizes_are_none(networks):
    assert systems.matte_clip(networks[1], PICTURES[:1])[0].shape == (1, 66, 50)
    with pytest.raises(UserError, match="frames: expected one size"):
        systems.matte_clip(networks[1], [PICTURES[0], PICTURES[1][:-2]])
