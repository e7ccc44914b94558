"""The alpha-prediction loss (section 2.4.2; Xu et al. 2017, eq. 1)."""

import torch


def alpha_prediction_loss(predicted: torch.Tensor, alpha: torch.Tensor, region: torch.Tensor | None = None,
                          eps: float = 1e-6) -> torch.Tensor:
    """Mean of sqrt((predicted - alpha)^2 + eps^2): a scalar, over all pixels or over those of `region`.

    predicted, alpha: float tensors of one shape in [0,1]. region: boolean tensor of that shape (the unknown
    pixels of the trimap), or None for all; 0 when it is empty. The region is applied after the root: applied
    before, each pixel outside would still add eps. The mean runs over the pixels of the whole batch.
    """
    error = torch.sqrt((predicted - alpha) ** 2 + eps**2)
    if region is None:
        return error.mean()
    # A sum over a count, not error[region].mean(): with a fixed shape a GPU need not wait for the count.
    region = region.to(error.dtype)
    return (error * region).sum() / region.sum().clamp(min=1)
