"""The loss against its closed form and against finite differences."""

import math

import pytest
import torch

from lib.losses import alpha_prediction_loss


def test_closed_form_over_all_pixels():
    predicted, alpha = torch.tensor([0.0, 0.3, 1.0]), torch.tensor([0.0, 0.7, 0.25])
    expected = (0.1 + math.hypot(0.4, 0.1) + math.hypot(0.75, 0.1)) / 3
    assert alpha_prediction_loss(predicted, alpha, eps=0.1).item() == pytest.approx(expected, rel=1e-6)


def test_tends_to_the_mean_absolute_difference():
    generator = torch.Generator().manual_seed(0)
    predicted, alpha = torch.rand(2, 3, 1, 9, 7, generator=generator, dtype=torch.float64)
    expected = torch.nn.functional.l1_loss(predicted, alpha).item()
    assert alpha_prediction_loss(predicted, alpha).item() == pytest.approx(expected, rel=1e-9)


def test_region_takes_the_mean_over_its_own_pixels_after_the_root():
    predicted, alpha = torch.tensor([0.5, 0.9, 0.0, 0.0]), torch.tensor([0.5, 0.4, 1.0, 1.0])
    region = torch.tensor([True, True, False, False])
    # masked before the root, each pixel outside would add eps: (0.1 + 0.5099 + 0.1 + 0.1) / 2
    assert alpha_prediction_loss(predicted, alpha, region, eps=0.1).item() == pytest.approx(
        (0.1 + math.hypot(0.5, 0.1)) / 2, rel=1e-6
    )


def test_empty_region_is_zero_with_zero_gradient():
    predicted = torch.rand(1, 1, 4, 4, requires_grad=True)
    loss = alpha_prediction_loss(predicted, torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(predicted.grad, torch.zeros_like(predicted))


def test_by_image_a_thin_band_counts_as_much_as_a_wide_one():
    predicted, alpha = torch.zeros(3, 1, 2, 2), torch.tensor([0.2, 0.8, 0.9]).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    region = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=torch.bool).view(3, 1, 2, 2)
    assert alpha_prediction_loss(predicted, alpha, region).item() == pytest.approx((4 * 0.2 + 0.8) / 5, rel=1e-5)
    assert alpha_prediction_loss(predicted, alpha, region, by_image=True).item() == pytest.approx(0.5, rel=1e-5)
    nothing = torch.zeros_like(region)
    assert alpha_prediction_loss(predicted, alpha, nothing, by_image=True).item() == 0


@pytest.mark.parametrize("masked", [False, True])
def test_gradient_equals_finite_differences(masked):
    generator = torch.Generator().manual_seed(1)
    predicted, alpha = torch.rand(2, 2, 1, 3, 5, generator=generator, dtype=torch.float64)
    region = torch.rand(2, 1, 3, 5, generator=generator) < 0.5 if masked else None
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: alpha_prediction_loss(p, alpha, region, eps=1e-2), (predicted,))


def test_gradient_is_finite_where_the_prediction_is_exact():
    predicted = torch.full((1, 1, 2, 2), 0.5, requires_grad=True)
    alpha_prediction_loss(predicted, torch.full((1, 1, 2, 2), 0.5)).backward()
    assert torch.equal(predicted.grad, torch.zeros_like(predicted))
