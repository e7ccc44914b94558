"""The losses against closed forms, finite differences, SciPy, OpenCV and sums by hand."""

import math

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from lib.losses import (
    alpha_prediction_loss,
    compositional_loss,
    discriminator_loss,
    error_loss,
    foreground_loss,
    generator_loss,
    laplacian_loss,
    sobel_loss,
    temporal_loss,
)


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


def test_compositional_loss_by_hand_is_a_mean_over_channels():
    image, foreground = torch.zeros(1, 3, 1, 2), torch.tensor([0.6, 0.0, 0.3]).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    predicted, region = torch.tensor([[[[0.5, 1.0]]]]), torch.tensor([[[[True, False]]]])
    loss = compositional_loss(predicted, image, foreground, torch.zeros(1, 3, 1, 2), region)
    assert loss.item() == pytest.approx((0.3 + 0 + 0.15) / 3, rel=1e-5)


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(*shape, generator=generator), torch.rand(*shape, generator=generator)


def test_adversarial_losses_by_hand():
    real, fake = torch.tensor([[1.0, 0.5], [2.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.0, 0.5]])
    assert discriminator_loss(real, fake).item() == pytest.approx((0.25 + 1) / 8 + (1 + 0.25) / 8)
    assert generator_loss(fake).item() == pytest.approx((1 + 0 + 1 + 0.25) / 4)
    assert generator_loss(torch.ones(3)) == 0 == discriminator_loss(torch.ones(3), torch.zeros(3))


def pyramid(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """The bands of Burt and Adelson, by SciPy, in double."""
    row = np.array([1, 4, 6, 4, 1]) / 16
    kernel, bands = np.outer(row, row), []
    for _ in range(levels):
        image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        low = convolve(image, kernel, mode="mirror")[::2, ::2]
        spread = np.zeros_like(image)
        spread[::2, ::2] = low
        bands.append(image - 4 * convolve(spread, kernel, mode="mirror"))
        image = low
    return bands


@pytest.mark.parametrize("size", [(64, 80), (70, 101)])
def test_laplacian_loss_is_that_of_two_pyramids_by_scipy(size):
    predicted, alpha = pair(2, 1, *size)
    expected = 0.0
    for p, a in zip(predicted[:, 0].double().numpy(), alpha[:, 0].double().numpy(), strict=True):
        bands = zip(pyramid(p, 5), pyramid(a, 5), strict=True)
        expected += sum(2**s * np.abs(of_p - of_a).mean() for s, (of_p, of_a) in enumerate(bands)) / 5 / 2
    assert laplacian_loss(predicted, alpha).item() == pytest.approx(expected, rel=1e-5)
    assert laplacian_loss(predicted[None], alpha[None]).item() == pytest.approx(expected, rel=1e-5)


def test_laplacian_loss_of_equals_and_of_constants_is_nothing():
    predicted, _ = pair(1, 1, 64, 64)
    assert laplacian_loss(predicted, predicted) == 0
    # Mirrored zeros between the spread values leave each blur a sum of 1, at the border as well.
    assert laplacian_loss(predicted + 0.25, predicted).item() == pytest.approx(0, abs=1e-6)


def test_laplacian_loss_says_when_a_picture_is_too_small():
    with pytest.raises(ValueError, match="levels: expected a shorter side of 64 px for 5 levels, found 63"):
        laplacian_loss(*pair(1, 1, 63, 200))
    assert laplacian_loss(*pair(1, 1, 63, 200), levels=4) > 0


def test_sobel_loss_is_opencvs():
    predicted, alpha = pair(1, 1, 20, 31)

    def magnitude(x: torch.Tensor) -> np.ndarray:
        x = x[0, 0].double().numpy()
        gx, gy = (
            cv2.Sobel(x, cv2.CV_64F, *order, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
            for order in ((1, 0), (0, 1))
        )
        return np.sqrt(gx**2 + gy**2 + 1e-6)

    expected = np.abs(magnitude(predicted) - magnitude(alpha)).mean()
    assert sobel_loss(predicted, alpha).item() == pytest.approx(expected, rel=1e-5)
    assert sobel_loss(alpha, alpha) == 0


def test_foreground_counts_where_someone_is():
    predicted, foreground = torch.ones(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
    alpha = torch.tensor([[[[0.0, 0.1]]]])
    assert foreground_loss(predicted, foreground, alpha).item() == pytest.approx(0.5)  # over all pixels


def test_error_map_by_hand_and_its_gradient():
    predicted = torch.tensor([0.5, 1.0]).view(1, 1, 1, 2).requires_grad_()
    alpha, error = torch.tensor([1.0, 1.0]).view(1, 1, 1, 2), torch.tensor([0.1, 0.2]).view(1, 1, 1, 2)
    loss = error_loss(error, predicted, alpha)
    assert loss.item() == pytest.approx(((0.1 - 0.5) ** 2 + 0.2**2) / 2)
    loss.backward()
    assert predicted.grad[0, 0, 0, 0] == pytest.approx(0.1 - 0.5)  # 2/2 (e - |p - a|) times -d|p - a|/dp = 1


def test_temporal_loss_of_two_frames_by_hand():
    predicted = torch.tensor([0.0, 0.5]).view(1, 2, 1, 1, 1).repeat(1, 1, 1, 1, 2)
    target = torch.tensor([[0.0, 0.0], [0.5, 0.2]]).view(1, 2, 1, 1, 2)
    assert temporal_loss(predicted, target).item() == pytest.approx((0 + 0.3**2) / 2)
    mask = torch.tensor([[True, False], [True, False]]).view(1, 2, 1, 1, 2)
    assert temporal_loss(predicted, target, mask) == 0
    assert temporal_loss(target + 0.3, target).item() == pytest.approx(0, abs=1e-12)  # an error that doesn't flicker


def test_temporal_loss_of_one_frame_is_zero_and_can_be_derived():
    predicted, target = pair(2, 1, 1, 4, 4)
    loss = temporal_loss(predicted.requires_grad_(), target)
    loss.backward()
    assert loss == 0 and not predicted.grad.any()
