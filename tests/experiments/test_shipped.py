"""The networks that ship: measured as they should be."""

import numpy as np
import pytest
import torch

from lib.data.trimap import UNKNOWN
from lib.experiments import card, shipped
from lib.models.portrait import PortraitMatting


def square(rows: slice, columns: slice) -> np.ndarray:
    alpha = np.zeros((20, 20), np.uint8)
    alpha[rows, columns] = 255
    return alpha


def test_iou_of_squares_is_the_ratio_of_areas():
    inside, outside = square(slice(0, 10), slice(0, 10)), square(slice(0, 10), slice(5, 15))
    assert shipped.iou(inside / 255.0, outside) == 50 / 150
    assert shipped.iou(inside / 255.0, inside) == 1
    assert shipped.iou(np.zeros((20, 20)), inside) == 0
    assert shipped.iou(np.zeros((20, 20)), np.zeros((20, 20), np.uint8)) == 1  # nobody there, nobody found


def test_masks_are_judged_over_all_pixels():
    alpha = square(slice(0, 10), slice(0, 20))
    picture = ("one", np.zeros((20, 20, 3), np.float32), np.zeros((20, 20), np.uint8), alpha)
    found = shipped.judge_masks([picture], {"half": lambda image, trimap: np.full((20, 20), 0.75, np.float32)})
    assert found.set_index("measure").value.to_dict() == {"iou": 0.5, "mad": pytest.approx((0.25 + 0.75) / 2)}


def test_each_held_out_person_stands_in_one_picture():
    pictures = shipped.pictures_of_people(2)
    assert [name for name, *_ in pictures] == ["person 1", "person 2"]
    for _, image, trimap, alpha in pictures:
        assert image.shape == (800, 600, 3) and image.dtype == np.float32 and 0 <= image.min() <= image.max() <= 1
        soft = (alpha > 12) & (alpha < 242)
        assert (trimap[soft] == UNKNOWN).all()


def test_a_mean_with_the_mirror_image_knows_no_left_and_right():
    torch.manual_seed(0)
    method = shipped.without_trimap(PortraitMatting(trimap=False, width=0.25), height=64, mirror=True)
    image = np.random.default_rng(0).random((80, 60, 3), np.float32)
    there, back = method(image, None), method(np.ascontiguousarray(image[:, ::-1]), None)[:, ::-1]
    assert there.shape == (80, 60) and np.abs(there - back).max() < 1e-5


def test_the_card_says_what_the_manifests_say():
    assert (shipped.FOLDER / "README.md").read_text() == card.card()
