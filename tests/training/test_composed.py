"""What trainings on composed pictures share: batches in order, weights to start from, people who were held out."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lib.base import UserError
from lib.models.encoder import EfficientNetLite0, load_imagenet
from lib.models.mobile import lite0, start_from
from lib.training import composed
from lib.training.composed import ComposedRecipe


def test_batches_come_in_order_from_any_place_on():
    pictures = {(1, row): np.full((1, 2, 2), row, np.uint8) for row in range(6)}
    for count in range(4):
        parts = [[(1, 2 * part), (1, 2 * part + 1)] for part in range(count)]
        got = list(composed.ahead(pictures, parts))
        assert [batch[:, 0, 0, 0].tolist() for batch in got] == [[2 * part, 2 * part + 1] for part in range(count)]
    here = SimpleNamespace(workers=0, device=torch.device("cpu"))
    rest = [batch[:, 0, 0, 0].tolist() for batch in composed.stacks(pictures, 1, 1, 6, 2, here)]
    assert rest == [[2, 3], [4, 5]]


def test_nothing_is_left_to_learn_beyond_an_alpha_of_0_or_1():
    predicted = torch.tensor([-0.3, 0.4, 1.2, 1.2, -0.3, 1.2], requires_grad=True)
    alpha = torch.tensor([0.0, 0.0, 1.0, 0.5, 1.0, 0.0])
    (composed.forgiven(predicted, alpha) - alpha).abs().sum().backward()
    assert predicted.grad.tolist() == [0, 1, 0, 1, -1, 1]


def test_a_small_encoder_gives_the_maps_of_the_whole_one_and_begins_by_the_picture_alone():
    whole = EfficientNetLite0(3)
    load_imagenet(whole)
    encoder = lite0(6).eval()
    start_from(encoder, whole.state_dict())
    picture, plates = torch.rand(1, 3, 64, 48), torch.rand(2, 3, 64, 48)
    with torch.inference_mode():
        expected = whole.eval()(encoder.normalise(picture.repeat(1, 2, 1, 1))[:, :3])[:4]
        for plate in plates:
            maps = encoder(torch.cat([picture, plate[None]], dim=1))
            assert all(torch.allclose(mine, true, atol=1e-4) for mine, true in zip(maps, expected, strict=True))


def test_held_out_people_are_different_ones_at_any_size():
    found = list(composed.people_held_out(2, (320, 240)))
    assert len(found) == 2 and found[0].image.shape == (320, 240, 3)
    assert not np.array_equal(found[0].alpha, found[1].alpha)


def test_an_encoder_that_is_not_there_is_told_of(tmp_path):
    for name in ("encoder", "start"):
        with pytest.raises(UserError, match=f"{name}: expected the folder of a finished training"):
            ComposedRecipe(**{name: str(tmp_path)}).inputs()
    assert ComposedRecipe().inputs() == {"encoder_sha256": "", "start_sha256": ""}


def test_the_same_seed_makes_the_same_network_and_leaves_the_others_draws_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (composed.seeded(lambda: torch.nn.Linear(3, 3), 7) for _ in range(2))
    assert torch.equal(first.weight, second.weight) and torch.equal(torch.rand(3), expected)
