"""The losses of AlphaGAN, Background Matting V2 and Robust Video Matting against SciPy, OpenCV and sums by hand."""

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from lib.losses import (
    discriminator_loss,
    error_loss,
    foreground_loss,
    generator_loss,
    laplacian_loss,
    sobel_loss,
    temporal_loss,
)


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(*shape, generator=generator), torch.rand(*shape, generator=generator)


def test_adversarial_losses_by_hand():
    real, fake = torch.tensor([[1.0, 0.5], [2.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.0, 0.5]])
    assert discriminator_loss(real, fake).item() == pytest.approx((0.25 + 1) / 8 + (1 + 0.25) / 8)
    assert generator_loss(fake).item() == pytest.approx((1 + 0 + 1 + 0.25) / 4)
    assert generator_loss(torch.ones(3)) == 0 == discriminator_loss(torch.ones(3), torch.zeros(3))


def pyramid(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """The bands as Burt and Adelson tell them, by SciPy, in double."""
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
    expected = np.mean(
        [
            sum(
                2**s * np.abs(p - a).mean()
                for s, (p, a) in enumerate(
                    zip(
                        pyramid(predicted[n, 0].double().numpy(), 5),
                        pyramid(alpha[n, 0].double().numpy(), 5),
                        strict=True,
                    )
                )
            )
            / 5
            for n in range(2)
        ]
    )
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
