"""The losses of Deep Image Matting, AlphaGAN, Background Matting V2 and Robust Video Matting.

All take float tensors in [0,1] and return a scalar. Colours are RGB, not normalised.
"""

import torch
import torch.nn.functional as F

EPSILON = 1e-6


def alpha_prediction_loss(
    predicted: torch.Tensor,
    alpha: torch.Tensor,
    region: torch.Tensor | None = None,
    eps: float = EPSILON,
    by_image: bool = False,
) -> torch.Tensor:
    """Mean of sqrt((predicted - alpha)^2 + eps^2) over all pixels, or those of a region (bool, same shape).

    Xu et al. 2017, section 3.1; the study's loss (its section 2.4.2). 0 for an empty region. by_image: the mean over
    each image, then over the images, so that a thin band counts as much as a wide one.
    """
    return _mean(torch.sqrt((predicted - alpha) ** 2 + eps**2), region, by_image)


def compositional_loss(
    predicted: torch.Tensor,
    image: torch.Tensor,
    foreground: torch.Tensor,
    background: torch.Tensor,
    region: torch.Tensor | None = None,
    by_image: bool = False,
) -> torch.Tensor:
    """Mean of sqrt((c_p - image)^2 + eps^2), c_p = predicted foreground + (1 - predicted) background (eq. 2).

    Xu et al. 2017. predicted, region (N,1,H,W); image (before any noise), foreground, background (N,3,H,W). The mean
    runs over the three channels, too: a sum would weigh it three times heavier.
    """
    composite = predicted * foreground + (1 - predicted) * background
    return _mean(torch.sqrt((composite - image) ** 2 + EPSILON**2).mean(dim=1, keepdim=True), region, by_image)


def _mean(error: torch.Tensor, region: torch.Tensor | None, by_image: bool) -> torch.Tensor:
    if region is None:
        return error.mean()
    # A sum over a count, not error[region].mean(): with a fixed shape a GPU need not wait for the count.
    region = region.to(error.dtype)
    if not by_image:
        return (error * region).sum() / region.sum().clamp(min=1)
    count = region.flatten(1).sum(dim=1)
    means = (error * region).flatten(1).sum(dim=1) / count.clamp(min=1)
    return means.sum() / (count > 0).sum().clamp(min=1)


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Half of mean((real - 1)^2) + mean(fake^2), of a discriminator's outputs; fake: of composites with detached alpha.

    Least squares (Mao et al. 2017), as in AlphaGAN's only public code; its paper has logarithms.
    """
    return ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2


def generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """mean((fake - 1)^2) of a discriminator's outputs for composites with the predicted alpha."""
    return ((fake - 1) ** 2).mean()


def laplacian_loss(predicted: torch.Tensor, alpha: torch.Tensor, levels: int = 5) -> torch.Tensor:
    """Mean over the levels s = 0, 1, ... of 2^s times the L1 of band s of the difference's Laplacian pyramid.

    predicted, alpha (...,H,W). 5x5 binomial kernel, mirrored borders; the coarsest low-pass does not count, so a
    constant difference costs nothing. Hou and Liu 2019, as Robust Video Matting trains (Lin et al. 2022).
    """
    error = predicted - alpha  # the pyramid is linear: one of the difference, not two
    error = error.reshape(-1, 1, *error.shape[-2:])
    if min(error.shape[-2:]) < 4 * 2 ** (levels - 1):
        raise ValueError(
            f"levels: expected a shorter side of {4 * 2 ** (levels - 1)} px for {levels} levels, found "
            f"{min(error.shape[-2:])}; choose fewer levels."
        )
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=error.dtype, device=error.device) / 16
    kernel = (row[:, None] * row[None, :]).view(1, 1, 5, 5)
    total = error.new_zeros(())
    for level in range(levels):
        error = error[..., : error.shape[-2] // 2 * 2, : error.shape[-1] // 2 * 2]
        low = _blurred(error, kernel)[..., ::2, ::2]
        enlarged = torch.zeros_like(error)
        enlarged[..., ::2, ::2] = 4 * low
        total = total + 2**level * (error - _blurred(enlarged, kernel)).abs().mean()
        error = low
    return total / levels


def sobel_loss(predicted: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Mean |difference of the gradients' magnitudes|; predicted, alpha (...,H,W). Lin et al. 2021.

    Sobel kernels divided by 8, borders repeated, magnitude sqrt(gx^2 + gy^2 + 1e-6).
    """
    return (_magnitude(predicted) - _magnitude(alpha)).abs().mean()


def foreground_loss(predicted: torch.Tensor, foreground: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """L1 of foregrounds (...,3,H,W) where alpha (...,1,H,W) > 0, divided by all pixels. Lin et al. 2021 and 2022."""
    return ((predicted - foreground) * (alpha > 0)).abs().mean()


def error_loss(error: torch.Tensor, predicted: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the predicted error map and |predicted - alpha|, (N,1,H,W) each. Lin et al. 2021.

    There, predicted is detached while the base is trained alone.
    """
    return ((error - (predicted - alpha).abs()) ** 2).mean()


def temporal_loss(predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared difference of the changes from frame to frame, (B,T,C,H,W); 0 for a single frame.

    mask (B,T,1,H,W) bool: outside, both count as equal. Lin et al. 2022: the paper prints a norm, its code squares.
    """
    error = predicted - target if mask is None else (predicted - target) * mask
    if error.shape[1] < 2:
        return error.sum() * 0  # a zero that a backward pass accepts
    return ((error[:, 1:] - error[:, :-1]) ** 2).mean()


def _blurred(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel)


def _magnitude(x: torch.Tensor) -> torch.Tensor:
    x = F.pad(x.reshape(-1, 1, *x.shape[-2:]), (1, 1, 1, 1), mode="replicate")
    down, across = x[..., 2:, :] - x[..., :-2, :], x[..., :, 2:] - x[..., :, :-2]
    gy = (down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]) / 8
    gx = (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / 8
    return torch.sqrt(gx**2 + gy**2 + 1e-6)
