"""A network that gets closed-form matting's answer as a further channel: what a classical solver is worth to a learner.

Closed-form matting (Levin, Lischinski and Weiss 2008) follows colours along hair that a network has to learn to follow; Deep
Image Matting's authors compare with such solvers, but nobody hands their answer to the network.
"""

import numpy as np
import torch
import torch.nn.functional as F

from lib.closed_form import half_closed_form
from lib.models.encoder import EfficientNetLite0
from lib.models.portrait import PortraitMatting, _convolution, _initialise


class HybridMatting(PortraitMatting):
    """PortraitMatting with a trimap and a seventh input channel, the alpha of `half_closed_form`; forward as there."""

    def __init__(self, width: float = 1.0):
        super().__init__(trimap=True, width=width)
        self.encoder = EfficientNetLite0(7)
        self.detail = _convolution(7, self.narrow.out_channels)
        _initialise(self)

    def begin_as(self, weights: dict[str, torch.Tensor]) -> None:
        """Take the weights of a plain network with a trimap, or of one of these. As a plain one it answers like that one until it
        has learnt more: what meets the new channel is zero."""
        mine = self.state_dict()
        for name, value in weights.items():
            if value.ndim == 4 and value.shape[1] == 6 and mine[name].shape[1] == 7:
                weights = weights | {name: F.pad(value, (0, 0, 0, 0, 0, 1))}  # (out, 6, h, w) -> (out, 7, h, w)
        self.load_state_dict(weights)

    def _inputs(self, image: torch.Tensor, trimap: torch.Tensor | None) -> torch.Tensor:
        x = super()._inputs(image, trimap)  # (N, 6, H, W)
        pictures = image.detach().float().permute(0, 2, 3, 1).cpu().numpy()
        levels = trimap.detach()[:, 0].float().cpu().numpy()
        guesses = [half_closed_form(*pair) for pair in zip(pictures, levels, strict=True)]
        guess = torch.from_numpy(np.stack(guesses)[:, None]).to(x)
        return torch.cat([x, guess], dim=1).contiguous(memory_format=torch.channels_last)
