"""The losses of Deep Image Matting (Xu et al. 2017, section 3.1); the study uses the first (its section 2.4.2)."""

import torch


def alpha_prediction_loss(predicted: torch.Tensor, alpha: torch.Tensor, region: torch.Tensor | None = None,
                          eps: float = 1e-6, by_image: bool = False) -> torch.Tensor:
    """Mean of sqrt((predicted - alpha)^2 + eps^2): a scalar, over all pixels or over those of `region`.

    predicted, alpha: float tensors of one shape in [0,1]. region: boolean tensor of that shape (the unknown
    pixels of the trimap), or None for all; 0 when it is empty. The region is applied after the root: applied
    before, each pixel outside would still add eps. The mean runs over the pixels of the whole batch; by_image: over
    those of each image, then over the images, so that a thin band counts as much as a wide one.
    """
    return _mean(torch.sqrt((predicted - alpha) ** 2 + eps**2), region, by_image)


def compositional_loss(predicted: torch.Tensor, image: torch.Tensor, foreground: torch.Tensor,
                       background: torch.Tensor, region: torch.Tensor | None = None, eps: float = 1e-6,
                       by_image: bool = False) -> torch.Tensor:
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
