"""The losses of Deep Image Matting (Xu et al. 2017, section 3.1); the study uses the first (its section 2.4.2)."""

import torch


def alpha_prediction_loss(predicted: torch.Tensor, alpha: torch.Tensor, region: torch.Tensor | None = None,
                          eps: float = 1e-6) -> torch.Tensor:
    """Mean of sqrt((predicted - alpha)^2 + eps^2): a scalar, over all pixels or over those of `region`.

    predicted, alpha: float tensors of one shape in [0,1]. region: boolean tensor of that shape (the unknown
    pixels of the trimap), or None for all; 0 when it is empty. The region is applied after the root: applied
    before, each pixel outside would still add eps. The mean runs over the pixels of the whole batch.
    """
    return _mean(torch.sqrt((predicted - alpha) ** 2 + eps**2), region)


def compositional_loss(predicted: torch.Tensor, image: torch.Tensor, foreground: torch.Tensor,
                       background: torch.Tensor, region: torch.Tensor | None = None,
                       eps: float = 1e-6) -> torch.Tensor:
    """Mean of sqrt((c_p - image)^2 + eps^2) with c_p = predicted foreground + (1 - predicted) background (eq. 2).

    predicted (N,1,H,W) float in [0,1]; image, foreground, background (N,3,H,W) float RGB in [0,1], not normalised,
    image being the composite before any noise. region: (N,1,H,W) boolean or None. A scalar: the mean over the three
    channels and over the region's pixels (some codes sum the channels, which weighs it three times heavier).
    """
    composite = predicted * foreground + (1 - predicted) * background
    return _mean(torch.sqrt((composite - image) ** 2 + eps**2).mean(dim=1, keepdim=True), region)


def _mean(error: torch.Tensor, region: torch.Tensor | None) -> torch.Tensor:
    if region is None:
        return error.mean()
    # A sum over a count, not error[region].mean(): with a fixed shape a GPU need not wait for the count.
    region = region.to(error.dtype)
    return (error * region).sum() / region.sum().clamp(min=1)
