"""The losses of Deep Image Matting (Xu et al. 2017, section 3.1); the study uses the first (its section 2.4.2)."""

import torch
import torch.nn.functional as F


def alpha_prediction_loss(
    predicted: torch.Tensor,
    alpha: torch.Tensor,
    region: torch.Tensor | None = None,
    eps: float = 1e-6,
    by_image: bool = False,
) -> torch.Tensor:
    """Mean of sqrt((predicted - alpha)^2 + eps^2): a scalar, over all pixels or over those of `region`.

    predicted, alpha: float tensors of one shape in [0,1]. region: boolean tensor of that shape (the unknown
    pixels of the trimap), or None for all; 0 when it is empty. The region is applied after the root: applied
    before, each pixel outside would still add eps. The mean runs over the pixels of the whole batch; by_image: over
    those of each image, then over the images, so that a thin band counts as much as a wide one.
    """
    return _mean(torch.sqrt((predicted - alpha) ** 2 + eps**2), region, by_image)


def compositional_loss(
    predicted: torch.Tensor,
    image: torch.Tensor,
    foreground: torch.Tensor,
    background: torch.Tensor,
    region: torch.Tensor | None = None,
    eps: float = 1e-6,
    by_image: bool = False,
) -> torch.Tensor:
    """Mean of sqrt((c_p - image)^2 + eps^2) with c_p = predicted foreground + (1 - predicted) background (eq. 2).

    predicted (N,1,H,W) float in [0,1]; image, foreground, background (N,3,H,W) float RGB in [0,1], not normalised,
    image being the composite before any noise. region: (N,1,H,W) boolean or None. A scalar: the mean over the three
    channels and over the region's pixels (some codes sum the channels, which weighs it three times heavier); by_image
    as above.
    """
    composite = predicted * foreground + (1 - predicted) * background
    return _mean(torch.sqrt((composite - image) ** 2 + eps**2).mean(dim=1, keepdim=True), region, by_image)


def _mean(error: torch.Tensor, region: torch.Tensor | None, by_image: bool) -> torch.Tensor:
    """Mean of errors (N,...) over a region, of all images together or of each; 0 where the region is empty."""
    if region is None:
        return error.mean()
    # A sum over a count, not error[region].mean(): with a fixed shape a GPU need not wait for the count.
    region = region.to(error.dtype)
    if not by_image:
        return (error * region).sum() / region.sum().clamp(min=1)
    count = region.flatten(1).sum(dim=1)
    means = (error * region).flatten(1).sum(dim=1) / count.clamp(min=1)
    return means.sum() / (count > 0).sum().clamp(min=1)


# What the three systems after Deep Image Matting add: AlphaGAN, Background Matting V2, Robust Video Matting. Means run
# over all elements; a mask sets errors to 0 without changing the count, as in the systems' own code.


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Half of mean((real - 1)^2) + mean(fake^2): a scalar, of any shape of the discriminator's answers.

    Least squares (Mao et al. 2017), as AlphaGAN's only public code has it; the paper has logarithms. fake: answers for
    composites whose alpha is detached, so that no gradient is computed for the generator.
    """
    return ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2


def generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """mean((fake - 1)^2), fake being the discriminator's answers for composites with the predicted alpha: a scalar."""
    return ((fake - 1) ** 2).mean()


def laplacian_loss(predicted: torch.Tensor, alpha: torch.Tensor, levels: int = 5) -> torch.Tensor:
    """Mean over the levels s = 0, 1, ... of 2^s times the L1 of band s of the Laplacian pyramids' difference: a scalar.

    predicted, alpha: float (...,H,W). 5 x 5 binomial kernel, mirrored borders; a band is a map minus its blurred half
    size brought back; the coarsest low-pass isn't counted, so a constant difference costs nothing. As Robust Video
    Matting trains (Lin et al. 2022; Hou and Liu 2019). The smallest map must have 4 px on its shorter side: 5 levels
    from 64 px on, of which the coarsest says little below 128.
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
        spread = torch.zeros_like(error)
        spread[..., ::2, ::2] = 4 * low
        total = total + 2**level * (error - _blurred(spread, kernel)).abs().mean()
        error = low
    return total / levels


def sobel_loss(predicted: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Mean |difference of the gradients' magnitudes|: a scalar. predicted, alpha: float (...,H,W).

    Sobel kernels divided by 8, borders repeated, magnitude sqrt(gx^2 + gy^2 + 1e-6): Background Matting V2 (Lin et al.
    2021).
    """
    return (_magnitude(predicted) - _magnitude(alpha)).abs().mean()


def foreground_loss(predicted: torch.Tensor, foreground: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """L1 of the foregrounds where alpha > 0: a scalar. predicted, foreground (...,3,H,W) RGB, alpha (...,1,H,W).

    Where alpha is 0 the true foreground's colour means nothing. Background Matting V2 and Robust Video Matting.
    """
    return ((predicted - foreground) * (alpha > 0)).abs().mean()


def error_loss(error: torch.Tensor, predicted: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the predicted error map and |predicted - alpha|: a scalar. All (N,1,H,W) in [0,1].

    Background Matting V2 detaches the predicted alpha here (`predicted.detach()`) when it trains the base alone, and
    doesn't in the joint training.
    """
    return ((error - (predicted - alpha).abs()) ** 2).mean()


def temporal_loss(predicted: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared difference of the changes from frame to frame: a scalar; 0 for a single frame.

    predicted, target: float (B,T,C,H,W), alphas or foregrounds. mask: boolean (B,T,1,H,W), the pixels whose value
    counts (alpha > 0 for foregrounds), or None; outside, both count as equal. Robust Video Matting weighs it by 5 (Lin
    et al. 2022; the paper prints a norm, its code squares).
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
