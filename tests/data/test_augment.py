"""Flip and rotation against torch's own, on images that need no decoding."""

import numpy as np
import pytest
import torch

from lib.data.augment import draw_augmentation, flip_rotate


def batch(n: int = 4, height: int = 12, width: int = 12, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(n, 3, height, width, generator=generator)
    alpha = torch.rand(n, 1, height, width, generator=generator)
    trimap = torch.randint(0, 3, (n, 1, height, width), generator=generator) / 2
    return image, alpha, trimap


def same(n: int, flip: bool, angle: float):
    return torch.full((n,), flip), torch.full((n,), angle)


def test_nothing_drawn_changes_nothing():
    before = batch(height=11, width=17)
    for old, new in zip(before, flip_rotate(*before, *same(4, False, 0.0)), strict=True):
        assert torch.equal(old, new)


def test_flip_alone_is_exact():
    before = batch(height=11, width=17)
    for old, new in zip(before, flip_rotate(*before, *same(4, True, 0.0)), strict=True):
        assert torch.equal(torch.flip(old, [-1]), new)


@pytest.mark.parametrize(
    ("degrees", "quarters", "height", "width"),
    [(90.0, 1, 12, 12), (90.0, 1, 13, 13), (-90.0, 3, 12, 12), (180.0, 2, 9, 14)],
)
@pytest.mark.parametrize("flip", [False, True])
def test_right_angles_are_rot90(degrees, quarters, height, width, flip):
    before = batch(height=height, width=width)
    after = flip_rotate(*before, *same(4, flip, degrees))
    expected = [torch.rot90(old.flip(-1) if flip else old, quarters, (2, 3)) for old in before]
    torch.testing.assert_close(after[0], expected[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(after[1], expected[1], atol=1e-5, rtol=0)
    assert torch.equal(after[2], expected[2])


def test_image_alpha_and_trimap_move_together():
    _, alpha, _ = batch(height=20, width=28)
    alpha = torch.nn.functional.avg_pool2d(alpha, 5, 1, 2)
    image, turned, _ = flip_rotate(alpha.repeat(1, 3, 1, 1), alpha, alpha.round(), *same(4, True, 17.0))
    assert torch.equal(image, turned.expand_as(image))
    # a disc far from the border: its trimap, turned, is still where its alpha is
    y, x = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    disc = ((x - 17).square() + (y - 12).square() < 25).float().expand(1, 1, 28, 28)
    _, smooth, labels = flip_rotate(disc.repeat(1, 3, 1, 1), disc, disc, *same(1, True, 25.0))
    assert ((labels > 0.5) != (smooth > 0.5)).sum() <= 6  # of 81: only where bilinear and nearest round apart
    assert set(labels.unique().tolist()) == {0.0, 1.0}


def test_oblong_images_are_turned_not_sheared():
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(60.0), indexing="ij")
    disc = ((x - 29.5).square() + (y - 9.5).square() < 36).float().expand(1, 1, 20, 60)
    _, turned, _ = flip_rotate(disc.repeat(1, 3, 1, 1), disc, disc, *same(1, False, 30.0))
    assert (turned - disc).abs().mean() < 0.01
    assert turned.sum().item() == pytest.approx(disc.sum().item(), rel=0.01)


def test_border_is_filled_by_reflection():
    ones = torch.ones(1, 1, 16, 16)
    _, alpha, trimap = flip_rotate(ones.repeat(1, 3, 1, 1), ones, ones, *same(1, False, 30.0))
    torch.testing.assert_close(alpha, ones)
    assert torch.equal(trimap, ones)


def test_result_does_not_depend_on_the_order_of_the_batch():
    arrays, order = batch(n=8), torch.tensor([5, 2, 7, 0, 1, 6, 3, 4])
    flip, angle = draw_augmentation(8, seed=3, epoch=2)
    straight = flip_rotate(*arrays, flip, angle)
    shuffled = flip_rotate(*(array[order] for array in arrays), flip[order], angle[order])
    alone = flip_rotate(*(array[5:6] for array in arrays), flip[5:6], angle[5:6])
    for one, other, single in zip(straight, shuffled, alone, strict=True):
        assert torch.equal(one[order], other)
        assert torch.equal(one[5:6], single)


def test_draws_are_a_function_of_seed_epoch_and_index():
    flip, angle = draw_augmentation(1000, seed=1, epoch=1)
    few = draw_augmentation(10, seed=1, epoch=1)
    assert torch.equal(flip[:10], few[0]) and torch.equal(angle[:10], few[1])
    assert not torch.equal(flip, draw_augmentation(1000, seed=1, epoch=2)[0])
    assert not torch.equal(flip, draw_augmentation(1000, seed=2, epoch=1)[0])


def test_draws_have_the_asked_distribution():
    flip, angle = draw_augmentation(20000, seed=0, epoch=1, probability=0.5, max_degrees=30)
    assert flip.float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert (angle[~flip] == 0).all()
    turned = angle[flip].numpy()
    assert np.abs(turned).max() <= 30
    assert turned.std() == pytest.approx(30 / np.sqrt(3), rel=0.03)
    assert not draw_augmentation(100, seed=0, epoch=1, probability=0.0)[0].any()
    assert draw_augmentation(100, seed=0, epoch=1, probability=1.0)[0].all()
